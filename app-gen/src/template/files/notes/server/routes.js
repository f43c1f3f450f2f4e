// The API of the notes.

import { Router } from 'express'

import { readChange, readFlag, readLine, readText, Refusal } from './refusal.js'

export const collection = 'notes'

const MAX_TAGS = 10

const readers = {
  title: (value) => readLine(value, 'The title'),
  text: (value) => readText(value, 'The text', { max: 20_000, optional: true }),
  tags: readTags,
  pinned: (value) => readFlag(value, 'pinned'),
}

/** Tags in small letters, each once; the # that people write before them is no part of them. */
function readTags(value = []) {
  if (!Array.isArray(value) || value.length > MAX_TAGS) throw new Refusal(400, `A note has at most ${MAX_TAGS} tags.`)
  const tags = value.map((tag) => readLine(tag, 'A tag', { max: 30 }).replace(/^#+/, '').toLowerCase())
  return [...new Set(tags.filter((tag) => tag !== ''))]
}

const now = () => ({ changed_at: new Date().toISOString() })

export function routes(store) {
  return Router()
    .get('/', (request, response) => response.json({ notes: store.list() }))
    .post('/', async (request, response) => {
      const note = {
        title: readers.title(request.body?.title),
        text: readers.text(request.body?.text),
        tags: readers.tags(request.body?.tags),
        pinned: false,
        ...now(),
      }
      response.status(201).json(await store.add(() => note))
    })
    .patch('/:id', async (request, response) => {
      const change = readChange(request.body, readers)
      // To pin a note does not change what it says.
      const time = Object.keys(change).some((name) => name !== 'pinned') ? now() : {}
      response.json(await store.change(request.params.id, () => ({ ...change, ...time })))
    })
    .delete('/:id', async (request, response) => {
      await store.remove(request.params.id)
      response.status(204).end()
    })
}
