import { useCallback, useEffect, useRef, useState } from 'react'

import { call } from './api.js'

/**
 * The server's entries of one kind, and what happened to the last change of them:
 * `records` (null until they are there), `error` and `status` (words for the user), `run`, `add`, `change` and
 * `remove`. `initial` are entries to begin with.
 */
export function useRecords(collection, initial) {
  const path = `/api/${collection}`
  const [records, setRecords] = useState(initial ?? null)
  const [error, setError] = useState(null)
  const [status, setStatus] = useState('')

  // Answers can overtake each other; only that of the last question is shown.
  const lastQuestion = useRef(0)
  const load = useCallback(async () => {
    const question = ++lastQuestion.current
    const answer = await call(path)
    if (question === lastQuestion.current) setRecords(answer[collection])
  }, [collection, path])

  /** Makes a change, shows what the server has then, and says `done` to who cannot see it. Gives whether it worked. */
  const run = useCallback(
    async (make, done = '') => {
      try {
        await make()
        await load()
        setError(null)
        setStatus(done)
        return true
      } catch (failure) {
        setError(failure.message)
        // Somebody else may have changed or deleted the entry.
        load().catch(() => {})
        return false
      }
    },
    [load],
  )

  useEffect(() => {
    run(() => {})
    const look = () => document.visibilityState === 'visible' && load().catch(() => {})
    document.addEventListener('visibilitychange', look)
    return () => document.removeEventListener('visibilitychange', look)
  }, [load, run])

  // Who deletes an entry with the keyboard goes on from the top of the entries, not of the page.
  const home = useRef(null)
  useEffect(() => {
    if (status !== '' && document.activeElement === document.body) home.current?.focus()
  }, [records, status])

  return {
    records,
    error,
    status,
    home,
    run,
    dismiss: () => setError(null),
    add: (fields, done) => run(() => call(path, 'POST', fields), done),
    change: (id, fields, done) => run(() => call(`${path}/${id}`, 'PATCH', fields), done),
    remove: (id, done) => run(() => call(`${path}/${id}`, 'DELETE'), done),
  }
}
