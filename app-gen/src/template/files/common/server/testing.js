// For tests: the real server on a free port, with a data file of its own.

import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'

import { createApp } from './app.js'
import { collection } from './routes.js'
import { openStore } from './store.js'

/** Starts a server whose store begins with `sample`; it ends with the tests of the file. */
export async function startServer({ sample = [], info = { name: 'Test' } } = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'app-test-'))
  const file = join(folder, 'data', `${collection}.json`)
  const store = await openStore(file, sample)
  const server = createServer(createApp({ info, store, dist: folder }))
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = `http://127.0.0.1:${server.address().port}`
  after(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
    await rm(folder, { recursive: true })
  })

  /** Asks below /api; gives the status and the parsed body. */
  async function call(method, path, body) {
    const response = await fetch(`${address}/api${path}`, {
      method,
      headers: { 'content-type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
    })
    const text = await response.text()
    return { status: response.status, body: text === '' ? null : JSON.parse(text) }
  }

  return {
    address,
    call,
    /** The entries, as the page gets them. */
    list: async () => (await call('GET', `/${collection}`)).body[collection],
    /** The entries that a server would find after a restart. */
    kept: async () => (await openStore(file)).list(),
    /** The message of a request that must be refused with `status`. */
    async refusal(status, method, path, body) {
      const answer = await call(method, path, body)
      if (answer.status !== status) {
        throw new Error(`${method} ${path} answered ${answer.status} instead of ${status}: ${JSON.stringify(answer.body)}`)
      }
      return answer.body.error.message
    },
  }
}
