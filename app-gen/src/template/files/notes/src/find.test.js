import assert from 'node:assert/strict'
import { test } from 'node:test'

import { countTags, findNotes, parseTags } from './find.js'

const note = (title, tags, changed_at, pinned = false) => ({ title, text: `About ${title}`, tags, changed_at, pinned })
const notes = [note('Soup', ['warm'], '2026-01-01'), note('Salad', ['cold', 'quick'], '2026-01-02'), note('Tea', ['warm'], '2026-01-03', true)]
const titles = (query, tag = null) => findNotes(notes, query, tag).map(({ title }) => title)

test('notes are found by their words and their tags', () => {
  assert.deepEqual(titles(''), ['Tea', 'Salad', 'Soup'])
  assert.deepEqual(titles('about SOUP'), ['Soup'])
  assert.deepEqual(titles('quick'), ['Salad'])
  assert.deepEqual(titles('', 'warm'), ['Tea', 'Soup'])
  assert.deepEqual(titles('salad', 'warm'), [])
})

test('tags are counted, also those with odd names', () => {
  assert.deepEqual(countTags([...notes, note('x', ['constructor'], '')]).map(({ tag, count }) => `${tag} ${count}`), [
    'warm 2', 'cold 1', 'constructor 1', 'quick 1',
  ])
})

test('tags are typed with commas or with spaces', () => {
  assert.deepEqual(parseTags(' a  #b '), ['a', '#b'])
  assert.deepEqual(parseTags('to read, b,,'), ['to read', 'b'])
  assert.deepEqual(parseTags('  '), [])
})
