// What every application has: health, info, headers, and answers to requests that are wrong.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { collection } from './routes.js'
import { sample } from './sample.js'
import { startServer } from './testing.js'

const { address, call, list, refusal } = await startServer({ sample: sample(['Milk', '<b>Eggs</b>']) })

test('health and info answer', async () => {
  assert.deepEqual(await call('GET', '/health'), { status: 200, body: { status: 'ok' } })
  assert.deepEqual(await call('GET', '/info'), { status: 200, body: { name: 'Test' } })
})

test('the sample shows the words of the description as they are', async () => {
  const text = JSON.stringify(await list())
  assert.match(text, /Milk/)
  assert.match(text, /<b>Eggs<\/b>/)
})

test('no words make a sample too, and many words make no long one', () => {
  assert.ok(sample([]).length > 0)
  assert.ok(sample(Array.from({ length: 50 }, (_, index) => `Word ${index}`)).length <= 12)
})

test('what does not exist and what cannot be read is refused in words', async () => {
  assert.equal(await refusal(404, 'GET', '/nothing'), 'There is nothing here.')
  assert.equal(await refusal(404, 'DELETE', `/${collection}/none`), 'This entry does not exist any more.')
  const post = (body, type) => fetch(`${address}/api/${collection}`, { method: 'POST', headers: { 'content-type': type }, body })
  assert.equal((await post('{', 'application/json')).status, 400)
  assert.equal((await post(JSON.stringify('x'.repeat(70_000)), 'application/json')).status, 413)
  // A form of another site can send this type without being asked; it must change nothing.
  const before = await list()
  assert.equal((await post('{"title":"x"}', 'text/plain')).status, 400)
  assert.deepEqual(await list(), before)
})

test('a browser takes scripts and styles from here only', async () => {
  const { headers } = await fetch(`${address}/api/health`)
  assert.match(headers.get('content-security-policy'), /^default-src 'self';/)
  assert.equal(headers.get('x-content-type-options'), 'nosniff')
  assert.equal(headers.get('x-powered-by'), null)
})
