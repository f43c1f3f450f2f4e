import assert from 'node:assert/strict'
import { test } from 'node:test'

import { choiceIn, rememberChoice, voter } from './ballot.js'

function withStorage(storage) {
  Object.defineProperty(globalThis, 'localStorage', { configurable: true, ...storage })
}

function emptyStorage(entries = new Map()) {
  return { value: { getItem: (key) => entries.get(key) ?? null, setItem: (key, value) => entries.set(key, value) } }
}

test('a browser stays the same voter and knows its choices', () => {
  withStorage(emptyStorage())
  const first = voter()
  assert.match(first, /^[0-9a-f]{32}$/)
  assert.equal(voter(), first)
  assert.equal(choiceIn('lunch'), null)
  rememberChoice('lunch', 0)
  rememberChoice('dinner', 2)
  assert.deepEqual([choiceIn('lunch'), choiceIn('dinner')], [0, 2])
  withStorage(emptyStorage())
  assert.notEqual(voter(), first)
})

test('what somebody else stored there does no harm', () => {
  withStorage(emptyStorage(new Map([['voter', 'me'], ['choices', 'no json']])))
  assert.match(voter(), /^[0-9a-f]{32}$/)
  assert.equal(choiceIn('lunch'), null)
})

test('a browser that stores nothing can vote', () => {
  withStorage({ get() { throw new Error('SecurityError') } })
  assert.equal(voter(), voter())
  rememberChoice('lunch', 1)
  assert.equal(choiceIn('lunch'), 1)
})
