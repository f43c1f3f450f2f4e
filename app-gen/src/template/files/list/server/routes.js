// The API of the items.

import { Router } from 'express'

import { readChange, readFlag, readLine } from './refusal.js'

export const collection = 'items'

const readers = {
  title: (value) => readLine(value, 'The title'),
  done: (value) => readFlag(value, 'done'),
}

export function routes(store) {
  return Router()
    .get('/', (request, response) => response.json({ items: store.list() }))
    .post('/', async (request, response) => {
      const title = readers.title(request.body?.title)
      response.status(201).json(await store.add(() => ({ title, done: false })))
    })
    .patch('/:id', async (request, response) => {
      const change = readChange(request.body, readers)
      response.json(await store.change(request.params.id, () => change))
    })
    .delete('/:id', async (request, response) => {
      await store.remove(request.params.id)
      response.status(204).end()
    })
}
