import { useEffect, useState } from 'react'

import app from '../app.json'
import { addItem, changeItem, listItems, removeItem } from './api.js'
import Item from './Item.jsx'

const FILTERS = {
  all: () => true,
  open: (item) => !item.done,
  done: (item) => item.done,
}

export default function App() {
  const [items, setItems] = useState(null)
  const [title, setTitle] = useState('')
  const [filter, setFilter] = useState('all')
  const [error, setError] = useState(null)

  // Runs one change on the server, then shows what the server has.
  async function run(change) {
    try {
      await change()
      setItems(await listItems())
      setError(null)
    } catch (failure) {
      setError(failure.message)
    }
  }

  useEffect(() => {
    run(async () => {})
  }, [])

  function add(event) {
    event.preventDefault()
    if (title.trim() === '') return
    run(async () => {
      await addItem(title)
      setTitle('')
    })
  }

  const shown = (items ?? []).filter(FILTERS[filter])
  const done = (items ?? []).filter(FILTERS.done)

  return (
    <main>
      <title>{app.name}</title>
      <header>
        <h1 dir="auto">{app.name}</h1>
        <p className="description" dir="auto">{app.description}</p>
      </header>

      <section className="card" aria-label="Items">
        <form onSubmit={add}>
          <input
            aria-label="New item"
            placeholder="What is next?"
            dir="auto"
            maxLength={200}
            value={title}
            onChange={(event) => setTitle(event.target.value)}
          />
          <button type="submit" disabled={title.trim() === ''}>Add</button>
        </form>

        {error !== null && <p className="error" role="alert">{error}</p>}

        {items !== null && items.length > 0 && (
          <div className="bar">
            <span aria-live="polite">{done.length} of {items.length} done</span>
            <progress value={done.length} max={items.length} aria-label="Progress" />
            <div className="filters" role="group" aria-label="Show">
              {Object.keys(FILTERS).map((name) => (
                <button
                  key={name}
                  type="button"
                  aria-pressed={filter === name}
                  onClick={() => setFilter(name)}
                >
                  {name}
                </button>
              ))}
            </div>
          </div>
        )}

        <ul>
          {shown.map((item) => (
            <Item
              key={item.id}
              item={item}
              onChange={(change) => run(() => changeItem(item.id, change))}
              onRemove={() => run(() => removeItem(item.id))}
            />
          ))}
        </ul>

        {items !== null && shown.length === 0 && (
          <p className="empty">{items.length === 0 ? 'Nothing here yet. Add the first item.' : `No ${filter} items.`}</p>
        )}

        {done.length > 0 && (
          <button
            type="button"
            className="quiet"
            onClick={() => run(() => Promise.all(done.map((item) => removeItem(item.id))))}
          >
            Clear done
          </button>
        )}
      </section>

      <footer>Made by App-Gen from a template.</footer>
    </main>
  )
}
