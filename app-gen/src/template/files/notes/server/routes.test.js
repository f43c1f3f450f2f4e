import assert from 'node:assert/strict'
import { test } from 'node:test'

import { startServer } from './testing.js'

test('a note is written, changed, kept on disk and deleted', async () => {
  const { call, list, kept } = await startServer()
  const fields = { title: ' Soup ', text: 'Water\n\n  Salt ', tags: ['#Dinner', 'warm', 'dinner', '#'] }
  const added = await call('POST', '/notes', fields)
  assert.equal(added.status, 201)
  const { id, created_at, changed_at, ...written } = added.body
  assert.deepEqual(written, { title: 'Soup', text: 'Water\n\n  Salt', tags: ['dinner', 'warm'], pinned: false })
  const path = `/notes/${id}`
  assert.deepEqual((await call('PATCH', path, { tags: [] })).body.tags, [])
  assert.deepEqual(await kept(), await list())
  assert.equal((await call('DELETE', path)).status, 204)
  assert.deepEqual(await list(), [])
})

test('a change is newer than what it changed, and pinning is no change', async () => {
  const changed_at = '2026-01-01T00:00:00.000Z'
  const { call, list } = await startServer({ sample: [{ title: 'a', text: '', tags: [], pinned: false, changed_at }] })
  const path = `/notes/${(await list())[0].id}`
  assert.equal((await call('PATCH', path, { pinned: true })).body.changed_at, changed_at)
  assert.ok((await call('PATCH', path, { text: 'b' })).body.changed_at > changed_at)
})

test('bad input is refused and changes nothing', async () => {
  const { list, refusal } = await startServer()
  const post = (fields) => refusal(400, 'POST', '/notes', { title: 'a', ...fields })
  assert.match(await post({ title: '\n' }), /^The title must be/)
  assert.match(await post({ text: 7 }), /^The text must be/)
  assert.match(await post({ text: 'x'.repeat(20_001) }), /20000/)
  for (const tags of ['a', {}, Array(11).fill('a')]) assert.equal(await post({ tags }), 'A note has at most 10 tags.')
  for (const tag of ['', 7, 'x'.repeat(31)]) assert.match(await post({ tags: [tag] }), /^A tag must be/)
  assert.match(await refusal(404, 'PATCH', '/notes/none', { pinned: true }), /does not exist/)
  assert.match(await refusal(400, 'PATCH', '/notes/none', { pinned: 1 }), /^pinned must be/)
  assert.deepEqual(await list(), [])
})
