// The API of the cards. Their order in the store is their order in each column.

import { Router } from 'express'

import { readChange, readLine, readOneOf, readText, Refusal } from './refusal.js'

export const collection = 'cards'

export const COLUMNS = ['todo', 'doing', 'done']

const readers = {
  title: (value) => readLine(value, 'The title'),
  text: (value) => readText(value, 'The text', { max: 2000, optional: true }),
}
const readColumn = (value) => readOneOf(value, 'column', COLUMNS)

export function routes(store) {
  return Router()
    .get('/', (request, response) => response.json({ cards: store.list() }))
    .post('/', async (request, response) => {
      const card = {
        title: readers.title(request.body?.title),
        text: readers.text(request.body?.text),
        column: readColumn(request.body?.column),
      }
      response.status(201).json(await store.add(() => card))
    })
    .patch('/:id', async (request, response) => {
      const change = readChange(request.body, readers)
      response.json(await store.change(request.params.id, () => change))
    })
    .post('/:id/move', async (request, response) => {
      const column = readColumn(request.body?.column)
      const before = request.body?.before ?? null
      if (before !== null && typeof before !== 'string') throw new Refusal(400, 'before must be the id of a card.')
      response.json(await store.move(request.params.id, before, { column }))
    })
    .delete('/:id', async (request, response) => {
      await store.remove(request.params.id)
      response.status(204).end()
    })
}
