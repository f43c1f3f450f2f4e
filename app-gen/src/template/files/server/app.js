// The HTTP interface: /api, and the built page for everything else.

import express from 'express'

const MAX_TITLE_LENGTH = 200

class BadRequest extends Error {
  status = 400
  expose = true
}

function readTitle(value) {
  const title = typeof value === 'string' ? value.trim() : ''
  if (title === '' || title.length > MAX_TITLE_LENGTH) {
    throw new BadRequest(`title must be a text of 1 to ${MAX_TITLE_LENGTH} characters`)
  }
  return title
}

function readChange(body) {
  const change = {}
  if (body?.title !== undefined) change.title = readTitle(body.title)
  if (body?.done !== undefined) {
    if (typeof body.done !== 'boolean') throw new BadRequest('done must be true or false')
    change.done = body.done
  }
  return change
}

/** `info` is the content of app.json, `dist` the folder of the built page. */
export function createApp({ info, store, dist }) {
  const app = express()
  app.disable('x-powered-by')
  app.use((request, response, next) => {
    response.set({
      'content-security-policy': "default-src 'self'",
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
    })
    next()
  })
  app.use(express.json({ limit: '16kb' }))

  app.get('/api/health', (request, response) => response.json({ status: 'ok' }))
  app.get('/api/info', (request, response) => response.json(info))

  app.get('/api/items', (request, response) => response.json({ items: store.list() }))
  app.post('/api/items', async (request, response) => {
    response.status(201).json(await store.add(readTitle(request.body?.title)))
  })
  app.patch('/api/items/:id', async (request, response, next) => {
    const item = await store.change(request.params.id, readChange(request.body))
    return item === null ? next() : response.json(item)
  })
  app.delete('/api/items/:id', async (request, response, next) => {
    return (await store.remove(request.params.id)) ? response.status(204).end() : next()
  })
  app.use('/api', (request, response) => {
    response.status(404).json({ error: { message: 'there is nothing here' } })
  })

  app.use(express.static(dist))
  app.get('/{*path}', (request, response) => response.sendFile('index.html', { root: dist }))

  app.use((error, request, response, next) => {
    if (response.headersSent) return next(error)
    const status = error.status ?? 500
    if (status >= 500) console.error(error)
    response.status(status).json({ error: { message: error.expose ? error.message : 'the server failed' } })
  })
  return app
}
