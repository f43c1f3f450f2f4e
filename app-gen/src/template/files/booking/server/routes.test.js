import assert from 'node:assert/strict'
import { test } from 'node:test'

import { sample } from './sample.js'
import { startServer } from './testing.js'

const booking = { title: 'Ada', date: '2028-02-29', hour: 9 }

test('an hour is booked, moved, kept on disk and given back', async () => {
  const { call, list, kept } = await startServer()
  const added = await call('POST', '/bookings', { ...booking, title: ' Ada ' })
  assert.equal(added.status, 201)
  const path = `/bookings/${added.body.id}`
  assert.deepEqual(await list(), [{ id: added.body.id, ...booking, created_at: added.body.created_at }])
  assert.equal((await call('PATCH', path, { hour: 17 })).body.hour, 17)
  assert.equal((await call('PATCH', path, { title: 'Grace' })).status, 200, 'its own hour is no obstacle')
  assert.deepEqual(await kept(), await list())
  assert.equal((await call('DELETE', path)).status, 204)
  assert.equal((await call('POST', '/bookings', { ...booking, hour: 17 })).status, 201)
})

test('an hour is booked once, however many ask at the same time', async () => {
  const { call, list, refusal } = await startServer()
  const answers = await Promise.all(Array.from({ length: 5 }, () => call('POST', '/bookings', booking)))
  assert.deepEqual(answers.map((answer) => answer.status).sort(), [201, 409, 409, 409, 409])
  assert.equal((await call('POST', '/bookings', { ...booking, hour: 10 })).status, 201)
  const path = `/bookings/${(await list())[1].id}`
  assert.match(await refusal(409, 'PATCH', path, { hour: 9 }), /^This hour is not free/)
  assert.deepEqual((await list()).map(({ hour }) => hour), [9, 10])
})

test('bad input is refused and changes nothing', async () => {
  const { list, refusal } = await startServer()
  for (const date of [undefined, 7, '', '2027-02-29', '2027-13-01', '2027-1-1', '1999-01-01', '2027-01-01T00:00', ['2027-01-01']]) {
    assert.match(await refusal(400, 'POST', '/bookings', { ...booking, date }), /^date must be/, String(date))
  }
  for (const hour of [undefined, '9', 7, 18, 9.5, null]) {
    assert.equal(await refusal(400, 'POST', '/bookings', { ...booking, hour }), 'hour must be a whole number from 8 to 17.')
  }
  assert.match(await refusal(400, 'POST', '/bookings', { ...booking, title: ' ' }), /^The name must be/)
  assert.match(await refusal(404, 'PATCH', '/bookings/none', { hour: 9 }), /does not exist/)
  assert.deepEqual(await list(), [])
})

test('the sample has no hour twice, and goes over the end of a year', () => {
  const bookings = sample(Array.from({ length: 8 }, (_, index) => `Word ${index}`), new Date(2027, 11, 30))
  assert.equal(new Set(bookings.map(({ date, hour }) => `${date} ${hour}`)).size, 8)
  assert.deepEqual([bookings[0].date, bookings[7].date], ['2027-12-30', '2028-01-02'])
})
