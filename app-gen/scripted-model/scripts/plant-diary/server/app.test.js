import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { createApp } from './app.js'
import { openStore } from './store.js'

let folder
let file
let app

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'plants-'))
  file = join(folder, 'data', 'plants.json')
  app = createApp({ store: await openStore(file), dist: folder })
})

after(() => rm(folder, { recursive: true }))

async function call(method, path, body) {
  const response = await app.request(`/api${path}`, {
    method,
    headers: { 'content-type': 'application/json' },
    body: body === undefined ? undefined : JSON.stringify(body),
  })
  const text = await response.text()
  return { status: response.status, body: text === '' ? null : JSON.parse(text) }
}

test('health answers', async () => {
  assert.deepEqual(await call('GET', '/health'), { status: 200, body: { status: 'ok' } })
})

test('a plant is added, watered, kept on disk and removed', async () => {
  const added = await call('POST', '/plants', { name: '  Fern ' })
  assert.equal(added.status, 201)
  assert.equal(added.body.name, 'Fern')
  assert.equal(added.body.watered_at, null)

  const path = `/plants/${added.body.id}`
  const watered = await call('POST', `${path}/water`)
  assert.ok(Date.parse(watered.body.watered_at) <= Date.now())
  const kept = await openStore(file)
  assert.deepEqual(kept.list(), [watered.body])

  assert.equal((await call('DELETE', path)).status, 204)
  assert.equal((await call('DELETE', path)).status, 404)
  assert.deepEqual((await call('GET', '/plants')).body, { plants: [] })
})

test('bad input is refused', async () => {
  for (const name of [undefined, '', '   ', 7, 'x'.repeat(81)]) {
    const answer = await call('POST', '/plants', { name })
    assert.equal(answer.status, 400)
    assert.match(answer.body.error.message, /^name must be/)
  }
  assert.equal((await call('POST', '/plants/none/water')).status, 404)
  assert.equal((await call('GET', '/nothing')).status, 404)
})
