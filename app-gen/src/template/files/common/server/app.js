// The HTTP interface: /api, and the built page for everything else.

import express from 'express'

import { Refusal } from './refusal.js'
import { collection, routes } from './routes.js'

const HEADERS = {
  'content-security-policy': "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'",
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
}

/** `info` is the content of app.json, `dist` the folder of the built page. */
export function createApp({ info, store, dist }) {
  const app = express()
  app.disable('x-powered-by')
  app.use((request, response, next) => {
    response.set(HEADERS)
    next()
  })
  app.use(express.json({ limit: '64kb' }))

  app.get('/api/health', (request, response) => response.json({ status: 'ok' }))
  app.get('/api/info', (request, response) => response.json(info))
  app.use(`/api/${collection}`, routes(store))
  app.use('/api', () => {
    throw new Refusal(404, 'There is nothing here.')
  })

  app.use(express.static(dist))
  app.get('/{*path}', (request, response) => response.sendFile('index.html', { root: dist }))

  app.use((error, request, response, next) => {
    if (response.headersSent) return next(error)
    const status = error.status ?? 500
    if (status >= 500) console.error(error)
    response.status(status).json({ error: { message: error.expose ? error.message : 'The server failed.' } })
  })
  return app
}
