import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'

import { createApp } from './app.js'
import { openStore } from './store.js'

let folder
let server
let base

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'items-'))
  const store = await openStore(join(folder, 'data', 'items.json'))
  server = createServer(createApp({ info: { name: 'Test' }, store, dist: folder }))
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  base = `http://127.0.0.1:${server.address().port}/api`
})

after(async () => {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
  await rm(folder, { recursive: true })
})

async function call(method, path, body) {
  const response = await fetch(base + path, {
    method,
    headers: { 'content-type': 'application/json' },
    body: body === undefined ? undefined : JSON.stringify(body),
  })
  const text = await response.text()
  return { status: response.status, body: text === '' ? null : JSON.parse(text) }
}

test('health and info answer', async () => {
  assert.deepEqual(await call('GET', '/health'), { status: 200, body: { status: 'ok' } })
  assert.deepEqual(await call('GET', '/info'), { status: 200, body: { name: 'Test' } })
})

test('an item is added, changed, kept on disk and deleted', async () => {
  const added = await call('POST', '/items', { title: '  Milk ' })
  assert.equal(added.status, 201)
  assert.equal(added.body.title, 'Milk')
  const path = `/items/${added.body.id}`

  assert.equal((await call('PATCH', path, { done: true })).body.done, true)
  assert.equal((await call('PATCH', path, { title: 'Oat milk' })).body.title, 'Oat milk')
  const kept = await openStore(join(folder, 'data', 'items.json'))
  assert.deepEqual(kept.list(), (await call('GET', '/items')).body.items)
  assert.match(await readFile(join(folder, 'data', 'items.json'), 'utf8'), /Oat milk/)

  assert.equal((await call('DELETE', path)).status, 204)
  assert.equal((await call('DELETE', path)).status, 404)
  assert.deepEqual((await call('GET', '/items')).body, { items: [] })
})

test('bad input is refused', async () => {
  for (const title of [undefined, '', '   ', 7, 'x'.repeat(201)]) {
    const answer = await call('POST', '/items', { title })
    assert.equal(answer.status, 400)
    assert.match(answer.body.error.message, /^title must be/)
  }
  assert.equal((await call('PATCH', '/items/none', { done: true })).status, 404)
  assert.equal((await call('GET', '/nothing')).status, 404)
})

test('changes at the same time are all kept', async () => {
  await Promise.all(Array.from({ length: 20 }, (_, index) => call('POST', '/items', { title: `item ${index}` })))
  const kept = await openStore(join(folder, 'data', 'items.json'))
  assert.equal(kept.list().length, 20)
})
