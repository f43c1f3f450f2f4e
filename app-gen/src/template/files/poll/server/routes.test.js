import assert from 'node:assert/strict'
import { test } from 'node:test'

import { startServer } from './testing.js'

const ADA = 'a'.repeat(32)
const GRACE = 'b'.repeat(32)
const lunch = { question: 'Lunch?', options: ['Soup', 'Salad'] }
const counts = (poll) => poll.options.map((option) => option.votes)

test('a poll is made, voted in, kept on disk, closed and deleted', async () => {
  const { call, list, kept, refusal } = await startServer()
  const added = await call('POST', '/polls', { question: ' Lunch? ', options: ['Soup ', 'Salad'] })
  assert.equal(added.status, 201)
  assert.equal(added.body.question, 'Lunch?')
  assert.deepEqual(added.body.options, [{ text: 'Soup', votes: 0 }, { text: 'Salad', votes: 0 }])
  const path = `/polls/${added.body.id}`
  await call('POST', `${path}/votes`, { voter: ADA, option: 0 })
  assert.deepEqual(counts((await call('POST', `${path}/votes`, { voter: GRACE, option: 1 })).body), [1, 1])
  assert.equal((await kept())[0].votes.length, 2)

  assert.equal((await call('PATCH', path, { closed: true })).body.closed, true)
  assert.equal(await refusal(409, 'POST', `${path}/votes`, { voter: GRACE, option: 0 }), 'This poll is closed.')
  assert.deepEqual(counts((await list())[0]), [1, 1])
  await call('PATCH', path, { closed: false })
  assert.equal((await call('POST', `${path}/votes`, { voter: GRACE, option: 0 })).status, 200)
  assert.equal((await call('DELETE', path)).status, 204)
  assert.deepEqual(await list(), [])
})

test('a voter counts once and can change their mind, and nobody learns who voted', async () => {
  const { call, list } = await startServer({ sample: [{ ...lunch, votes: [], closed: false }] })
  const path = `/polls/${(await list())[0].id}/votes`
  await call('POST', path, { voter: ADA, option: 0 })
  await Promise.all(Array.from({ length: 5 }, () => call('POST', path, { voter: ADA, option: 1 })))
  assert.deepEqual(counts((await list())[0]), [0, 1])
  assert.ok(!JSON.stringify(await list()).includes(ADA))
})

test('bad input is refused and changes nothing', async () => {
  const { list, refusal } = await startServer({ sample: [{ ...lunch, votes: [], closed: false }] })
  const before = await list()
  const path = `/polls/${before[0].id}`
  const post = (fields) => refusal(400, 'POST', '/polls', { ...lunch, ...fields })
  assert.match(await post({ question: '' }), /^The question must be/)
  for (const options of [undefined, 'ab', ['one'], Array(11).fill('x')]) {
    assert.equal(await post({ options }), 'A poll has 2 to 10 options.')
  }
  assert.match(await post({ options: ['a', 7] }), /^Option 2 must be/)
  assert.equal(await post({ options: ['Soup', 'soup '] }), 'Two options are the same.')
  for (const option of [2, -1, 0.5, '0', undefined]) {
    assert.match(await refusal(400, 'POST', `${path}/votes`, { voter: ADA, option }), /^option must be a whole number from 0 to 1/)
  }
  for (const voter of [undefined, 'ada', [ADA], 'A'.repeat(32)]) {
    assert.match(await refusal(400, 'POST', `${path}/votes`, { voter, option: 0 }), /^voter must be/)
  }
  assert.match(await refusal(400, 'PATCH', path, { closed: 'yes' }), /^closed must be/)
  assert.match(await refusal(404, 'POST', '/polls/none/votes', { voter: ADA, option: 0 }), /does not exist/)
  assert.deepEqual(await list(), before)
})
