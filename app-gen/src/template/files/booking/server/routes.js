// The API of the bookings. An hour of a day can be booked once.

import { Router } from 'express'

import { readChange, readLine, readWhole, Refusal } from './refusal.js'

export const collection = 'bookings'

/** The first and the last hour that can be booked. */
export const OPENS = 8
export const LAST_HOUR = 17

const readers = {
  title: (value) => readLine(value, 'The name', { max: 100 }),
  date: readDate,
  hour: (value) => readWhole(value, 'hour', { min: OPENS, max: LAST_HOUR }),
}

/** A day of the calendar as YYYY-MM-DD. */
function readDate(value) {
  const time = typeof value === 'string' && /^20\d\d-\d\d-\d\d$/.test(value) ? Date.parse(`${value}T00:00:00Z`) : NaN
  // 30 February is parsed as a day of March.
  if (Number.isNaN(time) || !new Date(time).toISOString().startsWith(value)) {
    throw new Refusal(400, 'date must be a day of this century as YYYY-MM-DD.')
  }
  return value
}

function refuseTaken(booking, others) {
  if (others.some((other) => other.date === booking.date && other.hour === booking.hour)) {
    throw new Refusal(409, 'This hour is not free any more. Choose another one.')
  }
}

export function routes(store) {
  return Router()
    .get('/', (request, response) => response.json({ bookings: store.list() }))
    .post('/', async (request, response) => {
      const booking = {
        title: readers.title(request.body?.title),
        date: readers.date(request.body?.date),
        hour: readers.hour(request.body?.hour),
      }
      const added = await store.add((present) => {
        refuseTaken(booking, present)
        return booking
      })
      response.status(201).json(added)
    })
    .patch('/:id', async (request, response) => {
      const change = readChange(request.body, readers)
      const changed = await store.change(request.params.id, (booking, present) => {
        refuseTaken({ ...booking, ...change }, present.filter((other) => other.id !== booking.id))
        return change
      })
      response.json(changed)
    })
    .delete('/:id', async (request, response) => {
      await store.remove(request.params.id)
      response.status(204).end()
    })
}
