// The API of the items.

import { Router } from 'express'

import { readChange, readLine, readWhole, Refusal } from './refusal.js'

export const collection = 'items'

const MAX_QUANTITY = 1_000_000

const readers = {
  name: (value) => readLine(value, 'The name', { max: 100 }),
  place: (value) => readLine(value, 'The place', { max: 100, optional: true }),
  quantity: (value) => readWhole(value, 'The quantity', { min: 0, max: MAX_QUANTITY }),
  minimum: (value) => readWhole(value, 'The minimum', { min: 0, max: MAX_QUANTITY }),
}

export function routes(store) {
  return Router()
    .get('/', (request, response) => response.json({ items: store.list() }))
    .post('/', async (request, response) => {
      const item = {
        name: readers.name(request.body?.name),
        place: readers.place(request.body?.place),
        quantity: readers.quantity(request.body?.quantity),
        minimum: readers.minimum(request.body?.minimum),
      }
      response.status(201).json(await store.add(() => item))
    })
    .patch('/:id', async (request, response) => {
      const change = readChange(request.body, readers)
      response.json(await store.change(request.params.id, () => change))
    })
    // Relative, so that two people who take one each take two.
    .post('/:id/adjust', async (request, response) => {
      const by = readWhole(request.body?.by, 'by', { min: -MAX_QUANTITY, max: MAX_QUANTITY })
      const changed = await store.change(request.params.id, (item) => {
        const quantity = item.quantity + by
        if (quantity < 0) throw new Refusal(409, `There are only ${item.quantity} left.`)
        return { quantity: readers.quantity(quantity) }
      })
      response.json(changed)
    })
    .delete('/:id', async (request, response) => {
      await store.remove(request.params.id)
      response.status(204).end()
    })
}
