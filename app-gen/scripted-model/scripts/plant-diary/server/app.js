// The HTTP interface: /api, and the built page for everything else.

import { serveStatic } from '@hono/node-server/serve-static'
import { Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { secureHeaders } from 'hono/secure-headers'

const MAX_NAME_LENGTH = 80

function refuse(context, status, message) {
  return context.json({ error: { message } }, status)
}

/** `dist` is the folder of the built page. */
export function createApp({ store, dist }) {
  const app = new Hono()
  app.use(secureHeaders({ contentSecurityPolicy: { defaultSrc: ["'self'"], imgSrc: ["'self'", 'data:'] } }))
  app.use('/api/*', bodyLimit({ maxSize: 16 * 1024 }))

  app.get('/api/health', (context) => context.json({ status: 'ok' }))

  app.get('/api/plants', (context) => context.json({ plants: store.list() }))
  app.post('/api/plants', async (context) => {
    const body = await context.req.json().catch(() => null)
    const name = typeof body?.name === 'string' ? body.name.trim() : ''
    if (name === '' || name.length > MAX_NAME_LENGTH) {
      return refuse(context, 400, `name must be a text of 1 to ${MAX_NAME_LENGTH} characters`)
    }
    return context.json(await store.add(name), 201)
  })
  app.post('/api/plants/:id/water', async (context) => {
    const plant = await store.water(context.req.param('id'))
    return plant === null ? context.notFound() : context.json(plant)
  })
  app.delete('/api/plants/:id', async (context) => {
    const removed = await store.remove(context.req.param('id'))
    return removed ? context.body(null, 204) : context.notFound()
  })

  app.get('/assets/*', serveStatic({ root: dist }))
  app.get('/', serveStatic({ root: dist, path: 'index.html' }))

  app.notFound((context) => refuse(context, 404, 'there is nothing here'))
  app.onError((error, context) => {
    const status = error.status ?? 500
    if (status >= 500) console.error(error)
    return refuse(context, status, status >= 500 ? 'the server failed' : error.message)
  })
  return app
}
