import assert from 'node:assert/strict'
import { test } from 'node:test'

import { matches } from './search.js'

test('all words have to be there, in any text and any form', () => {
  assert.ok(matches('', ['anything']))
  assert.ok(matches('  ', []))
  assert.ok(matches('creme', ['Crème brûlée']))
  assert.ok(matches('BRÛLÉE crème', ['Crème', 'brulee']))
  assert.ok(matches('a.b*', ['a.b*']))
  assert.ok(!matches('.*', ['anything']))
  assert.ok(!matches('creme caramel', ['Crème brûlée']))
  assert.ok(!matches('ab', ['a', 'b']), 'not over the border of two texts')
})
