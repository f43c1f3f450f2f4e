// The page as React writes it: with entries, without any, and with words that look like markup.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import react from '@vitejs/plugin-react'
import { createElement } from 'react'
import { renderToStaticMarkup } from 'react-dom/server'
import { runnerImport } from 'vite'

import { sample } from '../server/sample.js'
import { startServer } from '../server/testing.js'

const MARKUP = '<img src=x onerror=alert(1)>'

// Vite turns JSX into JavaScript; no server of its own is needed for that.
const { module } = await runnerImport('/src/App.jsx', { plugins: [react()], logLevel: 'error' })
const App = module.default
const render = (initial) => renderToStaticMarkup(createElement(App, { initial }))

const { list } = await startServer({ sample: sample(['Milk', MARKUP]) })
const page = render(await list())

test('entries are shown, and never as markup', () => {
  assert.ok(page.includes('Milk'), page)
  assert.ok(page.includes('&lt;img src=x onerror=alert(1)&gt;'), page)
  assert.ok(!page.includes('<img'), page)
})

test('a page without entries says what to do, and one that waits says so', () => {
  assert.match(render([]), /class="empty"/)
  assert.match(render(null), /Loading…/)
  assert.match(render([]), /No AI model was asked\./)
})

test('every control has a name', () => {
  const labelled = new Set([...page.matchAll(/<label for="([^"]+)"/g)].map((match) => match[1]))
  const controls = [...page.matchAll(/<(?:input|select|textarea)\b[^>]*>/g)].map((match) => match[0])
  for (const control of controls) {
    const id = /\bid="([^"]+)"/.exec(control)?.[1]
    assert.ok(labelled.has(id) || /\baria-label="[^"]+"/.test(control), `${control} has no label`)
  }
  const buttons = [...page.matchAll(/<button\b([^>]*)>(.*?)<\/button>/g)]
  assert.ok(buttons.length > 0)
  for (const [button, attributes, content] of buttons) {
    const text = content.replace(/<[^>]*>/g, '')
    assert.ok(/\baria-label="[^"]+"/.test(attributes) || /[\p{L}\p{N}]/u.test(text), `${button} has no name`)
  }
})
