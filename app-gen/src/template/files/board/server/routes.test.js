import assert from 'node:assert/strict'
import { test } from 'node:test'

import { startServer } from './testing.js'

const card = (title, column = 'todo') => ({ title, text: '', column })
const outline = (cards) => cards.map(({ title, column }) => `${column} ${title}`)

test('a card is added, changed, kept on disk and deleted', async () => {
  const { call, list, kept } = await startServer()
  const added = await call('POST', '/cards', { title: ' Paint ', column: 'todo' })
  assert.equal(added.status, 201)
  assert.equal(added.body.title, 'Paint')
  const path = `/cards/${added.body.id}`
  assert.equal((await call('PATCH', path, { text: 'first line\nsecond line' })).status, 200)
  assert.deepEqual(await list(), [{ ...added.body, text: 'first line\nsecond line' }])
  assert.deepEqual(await kept(), await list())
  assert.equal((await call('DELETE', path)).status, 204)
  assert.deepEqual(await list(), [])
})

test('a card moves within a column, to another one, and to its end', async () => {
  const { call, list, kept } = await startServer({ sample: ['a', 'b', 'c'].map((title) => card(title)) })
  const [a, b, c] = await list()
  const move = (id, body) => call('POST', `/cards/${id}/move`, body)
  await move(c.id, { column: 'todo', before: a.id })
  assert.deepEqual(outline(await list()), ['todo c', 'todo a', 'todo b'])
  await move(a.id, { column: 'done' })
  assert.deepEqual(outline(await list()), ['todo c', 'todo b', 'done a'])
  assert.equal((await move(b.id, { column: 'done', before: a.id })).body.column, 'done')
  assert.deepEqual(outline(await kept()), ['todo c', 'done b', 'done a'])
})

test('bad input is refused and changes nothing', async () => {
  const { list, refusal } = await startServer({ sample: [card('a')] })
  const before = await list()
  const path = `/cards/${before[0].id}`
  assert.match(await refusal(400, 'POST', '/cards', { title: '', column: 'todo' }), /^The title must be/)
  assert.equal(await refusal(400, 'POST', '/cards', { title: 'x' }), 'column must be one of: todo, doing, done.')
  assert.match(await refusal(400, 'POST', '/cards', { title: 'x', column: 'todo', text: 'x'.repeat(2001) }), /2000/)
  assert.match(await refusal(400, 'PATCH', path, { column: 'done' }), /^A change names one of/)
  assert.match(await refusal(400, 'POST', `${path}/move`, { column: 'toString' }), /^column must be/)
  assert.match(await refusal(400, 'POST', `${path}/move`, { column: 'done', before: 7 }), /^before must be/)
  assert.match(await refusal(404, 'POST', `${path}/move`, { column: 'done', before: 'none' }), /does not exist/)
  assert.match(await refusal(404, 'POST', '/cards/none/move', { column: 'done' }), /does not exist/)
  assert.deepEqual(await list(), before)
})
