import assert from 'node:assert/strict'
import { test } from 'node:test'

import { findItems, isLow } from './stock.js'

const item = (name, place, quantity, minimum = 0) => ({ name, place, quantity, minimum })
const items = [item('Bolts 10', 'b', 1), item('bolts 9', 'a', 7), item('Nuts', 'a', 1, 2)]
const names = (choice) => findItems(items, { query: '', onlyLow: false, column: 'name', descending: false, ...choice }).map(({ name }) => name)

test('items are found by name and place, and by what runs out', () => {
  assert.deepEqual(names({}), ['bolts 9', 'Bolts 10', 'Nuts'])
  assert.deepEqual(names({ query: 'BOLT' }), ['bolts 9', 'Bolts 10'])
  assert.deepEqual(names({ query: 'a bolts' }), ['bolts 9'])
  assert.deepEqual(names({ onlyLow: true }), ['Nuts'])
  assert.ok(!isLow(item('x', '', 2, 2)))
})

test('items are sorted by a column, and by name where it is equal', () => {
  assert.deepEqual(names({ column: 'quantity' }), ['Bolts 10', 'Nuts', 'bolts 9'])
  assert.deepEqual(names({ column: 'quantity', descending: true }), ['bolts 9', 'Bolts 10', 'Nuts'])
  assert.deepEqual(names({ column: 'place' }), ['bolts 9', 'Nuts', 'Bolts 10'])
  assert.deepEqual(items.map(({ name }) => name), ['Bolts 10', 'bolts 9', 'Nuts'], 'the entries themselves keep their order')
})
