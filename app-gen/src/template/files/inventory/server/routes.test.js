import assert from 'node:assert/strict'
import { test } from 'node:test'

import { startServer } from './testing.js'

const bolts = { name: 'Bolts', place: 'Shelf 1', quantity: 5, minimum: 2 }

test('an item is added, changed, kept on disk and deleted', async () => {
  const { call, list, kept } = await startServer()
  const added = await call('POST', '/items', { name: ' Bolts ', quantity: 5, minimum: 2 })
  assert.equal(added.status, 201)
  const path = `/items/${added.body.id}`
  assert.equal((await call('PATCH', path, { place: 'Shelf 1', quantity: 0 })).status, 200)
  assert.deepEqual(await list(), [{ id: added.body.id, ...bolts, quantity: 0, created_at: added.body.created_at }])
  assert.deepEqual(await kept(), await list())
  assert.equal((await call('DELETE', path)).status, 204)
  assert.deepEqual(await list(), [])
})

test('who takes at the same time takes what is there, and no more', async () => {
  const { call, list } = await startServer({ sample: [bolts] })
  const path = `/items/${(await list())[0].id}/adjust`
  const answers = await Promise.all(Array.from({ length: 7 }, () => call('POST', path, { by: -1 })))
  assert.deepEqual(answers.map((answer) => answer.status).sort(), [200, 200, 200, 200, 200, 409, 409])
  assert.equal(answers.find((answer) => answer.status === 409).body.error.message, 'There are only 0 left.')
  assert.equal((await call('POST', path, { by: 12 })).body.quantity, 12)
})

test('bad input is refused and changes nothing', async () => {
  const { list, refusal } = await startServer({ sample: [bolts] })
  const before = await list()
  const path = `/items/${before[0].id}`
  const post = (fields) => refusal(400, 'POST', '/items', { ...bolts, ...fields })
  assert.match(await post({ name: ' ' }), /^The name must be/)
  assert.match(await post({ place: 'x'.repeat(101) }), /^The place must be a text of at most 100/)
  for (const quantity of [undefined, '5', -1, 1.5, 1_000_001, null]) {
    assert.equal(await post({ quantity }), 'The quantity must be a whole number from 0 to 1000000.')
  }
  assert.match(await refusal(400, 'PATCH', path, { minimum: -1 }), /^The minimum must be/)
  assert.match(await refusal(400, 'POST', `${path}/adjust`, { by: '1' }), /^by must be/)
  assert.match(await refusal(400, 'POST', `${path}/adjust`, { by: 1_000_000 }), /^The quantity must be/)
  assert.match(await refusal(404, 'POST', '/items/none/adjust', { by: 1 }), /does not exist/)
  assert.deepEqual(await list(), before)
})
