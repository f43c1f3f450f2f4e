// Starts the server. PORT (3000), HOST (127.0.0.1), DATA_FILE (data/plants.json).

import { join } from 'node:path'
import { createAdaptorServer } from '@hono/node-server'
import { createApp } from './app.js'
import { openStore } from './store.js'

const root = join(import.meta.dirname, '..')
const store = await openStore(process.env.DATA_FILE ?? join(root, 'data', 'plants.json'))
const app = createApp({ store, dist: join(root, 'dist') })
const server = createAdaptorServer({ fetch: app.fetch })

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
