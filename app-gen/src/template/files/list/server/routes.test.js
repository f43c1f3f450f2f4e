import assert from 'node:assert/strict'
import { test } from 'node:test'

import { startServer } from './testing.js'

test('an item is added, changed, kept on disk and deleted', async () => {
  const { call, list, kept } = await startServer()
  const added = await call('POST', '/items', { title: '  Milk \n from  here' })
  assert.equal(added.status, 201)
  assert.equal(added.body.title, 'Milk from here')
  assert.equal(added.body.done, false)
  const path = `/items/${added.body.id}`

  assert.equal((await call('PATCH', path, { done: true })).body.done, true)
  assert.equal((await call('PATCH', path, { title: 'Oat milk' })).body.title, 'Oat milk')
  assert.deepEqual(await list(), [{ ...added.body, title: 'Oat milk', done: true }])
  assert.deepEqual(await kept(), await list())

  assert.equal((await call('DELETE', path)).status, 204)
  assert.equal((await call('DELETE', path)).status, 404)
  assert.deepEqual(await list(), [])
})

test('bad input is refused and changes nothing', async () => {
  const { list, refusal } = await startServer({ sample: [{ title: 'Milk', done: false }] })
  const before = await list()
  for (const title of [undefined, null, '', '   ', 7, ['x'], 'x'.repeat(201)]) {
    assert.equal(await refusal(400, 'POST', '/items', { title }), 'The title must be a text of 1 to 200 characters.')
  }
  const path = `/items/${before[0].id}`
  assert.equal(await refusal(400, 'PATCH', path, { title: 'Tea', done: 'yes' }), 'done must be true or false.')
  assert.equal(await refusal(400, 'PATCH', path, { id: 'x' }), 'A change names one of: title, done.')
  assert.equal(await refusal(404, 'PATCH', '/items/none', { done: true }), 'This entry does not exist any more.')
  assert.deepEqual(await list(), before)
})
