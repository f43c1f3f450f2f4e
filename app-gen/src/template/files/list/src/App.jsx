import { useState } from 'react'

import Item from './Item.jsx'
import { Choice, Frame, Heading } from './parts.jsx'
import { useRecords } from './useRecords.js'

const FILTERS = {
  all: () => true,
  open: (item) => !item.done,
  done: (item) => item.done,
}

export default function App({ initial }) {
  const state = useRecords('items', initial)
  const [title, setTitle] = useState('')
  const [filter, setFilter] = useState('all')

  const items = state.records ?? []
  const shown = items.filter(FILTERS[filter])
  const done = items.filter(FILTERS.done)

  async function add(event) {
    event.preventDefault()
    if (title.trim() === '') return
    if (await state.add({ title }, `Added ${title}.`)) setTitle('')
  }

  async function clear() {
    for (const item of done) if (!(await state.remove(item.id, 'Deleted what is done.'))) return
  }

  return (
    <Frame state={state}>
      <section className="card">
        <form className="new-item" onSubmit={add}>
          <input
            aria-label="New item"
            placeholder="What is next?"
            dir="auto"
            maxLength={200}
            value={title}
            onChange={(event) => setTitle(event.target.value)}
          />
          <button type="submit" className="primary">Add</button>
        </form>

        <div className="bar overview">
          <Heading state={state}>{items.length === 0 ? 'No items' : `${done.length} of ${items.length} done`}</Heading>
          <Choice
            label="Show"
            options={Object.keys(FILTERS).map((name) => ({ value: name, label: name }))}
            value={filter}
            onChange={setFilter}
          />
        </div>
        {items.length > 0 && <progress value={done.length} max={items.length} aria-label="Progress" />}

        <ul className="items">
          {shown.map((item) => (
            <Item
              key={item.id}
              item={item}
              onChange={(change) => state.change(item.id, change)}
              onRemove={() => state.remove(item.id, `Deleted ${item.title}.`)}
            />
          ))}
        </ul>

        {shown.length === 0 && (
          <p className="empty">{items.length === 0 ? 'Nothing here yet. Add the first item above.' : `No ${filter} items.`}</p>
        )}
        {done.length > 0 && <button type="button" className="quiet small" onClick={clear}>Delete what is done</button>}
      </section>
    </Frame>
  )
}
