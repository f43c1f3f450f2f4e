// The API of the polls. Who voted for what stays in the store; the answers have only counts.

import { Router } from 'express'

import { readFlag, readLine, readWhole, Refusal } from './refusal.js'

export const collection = 'polls'

const MIN_OPTIONS = 2
const MAX_OPTIONS = 10
/** More would make the file of a poll, which each vote writes, too large. */
const MAX_VOTES = 10_000

function readOptions(value) {
  if (!Array.isArray(value) || value.length < MIN_OPTIONS || value.length > MAX_OPTIONS) {
    throw new Refusal(400, `A poll has ${MIN_OPTIONS} to ${MAX_OPTIONS} options.`)
  }
  const options = value.map((option, index) => readLine(option, `Option ${index + 1}`, { max: 100 }))
  if (new Set(options.map((option) => option.toLowerCase())).size < options.length) {
    throw new Refusal(400, 'Two options are the same.')
  }
  return options
}

/** A random id that a browser made for itself: it keeps one vote from counting twice, but proves nothing. */
function readVoter(value) {
  if (typeof value !== 'string' || !/^[0-9a-f]{32}$/.test(value)) throw new Refusal(400, 'voter must be 32 hexadecimal digits.')
  return value
}

function view({ votes, options, ...poll }) {
  const count = (index) => votes.filter((vote) => vote.option === index).length
  return { ...poll, options: options.map((text, index) => ({ text, votes: count(index) })) }
}

export function routes(store) {
  return Router()
    .get('/', (request, response) => response.json({ polls: store.list().map(view) }))
    .post('/', async (request, response) => {
      const question = readLine(request.body?.question, 'The question')
      const options = readOptions(request.body?.options)
      const added = await store.add(() => ({ question, options, votes: [], closed: false }))
      response.status(201).json(view(added))
    })
    .post('/:id/votes', async (request, response) => {
      const voter = readVoter(request.body?.voter)
      const changed = await store.change(request.params.id, (poll) => {
        if (poll.closed) throw new Refusal(409, 'This poll is closed.')
        const option = readWhole(request.body.option, 'option', { min: 0, max: poll.options.length - 1 })
        const votes = [...poll.votes.filter((vote) => vote.voter !== voter), { voter, option }]
        if (votes.length > MAX_VOTES) throw new Refusal(409, `A poll takes ${MAX_VOTES} votes.`)
        return { votes }
      })
      response.json(view(changed))
    })
    .patch('/:id', async (request, response) => {
      const closed = readFlag(request.body?.closed, 'closed')
      response.json(view(await store.change(request.params.id, () => ({ closed }))))
    })
    .delete('/:id', async (request, response) => {
      await store.remove(request.params.id)
      response.status(204).end()
    })
}
