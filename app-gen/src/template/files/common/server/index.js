// Starts the server. PORT (3000), HOST (127.0.0.1), DATA_FILE (data/<entries>.json beside package.json).

import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'

import { createApp } from './app.js'
import { collection } from './routes.js'
import { sample } from './sample.js'
import { openStore } from './store.js'

const root = join(import.meta.dirname, '..')
const info = JSON.parse(await readFile(join(root, 'app.json'), 'utf8'))
const file = process.env.DATA_FILE ?? join(root, 'data', `${collection}.json`)
const store = await openStore(file, sample(info.words))
const server = createServer(createApp({ info, store, dist: join(root, 'dist') }))

server.on('error', (error) => {
  console.error(`cannot listen: ${error.message}`)
  process.exit(1)
})
server.listen(Number(process.env.PORT ?? 3000), process.env.HOST ?? '127.0.0.1', () => {
  const { address, port, family } = server.address()
  console.log(`listening on http://${family === 'IPv6' ? `[${address}]` : address}:${port}`)
})

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    server.close(() => process.exit(0))
    server.closeAllConnections()
  })
}
