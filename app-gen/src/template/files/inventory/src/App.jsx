import { useState } from 'react'

import { call } from './api.js'
import ItemDialog from './ItemDialog.jsx'
import { Choice, Field, Frame, Heading } from './parts.jsx'
import { findItems, isLow } from './stock.js'
import Stock from './Stock.jsx'
import { useRecords } from './useRecords.js'

export default function App({ initial }) {
  const state = useRecords('items', initial)
  const [query, setQuery] = useState('')
  const [onlyLow, setOnlyLow] = useState(false)
  const [order, setOrder] = useState({ column: 'name', descending: false })
  const [opened, setOpened] = useState(null)

  const items = state.records ?? []
  const low = items.filter(isLow).length
  const found = findItems(items, { query, onlyLow, ...order })

  function adjust(item, by) {
    const done = `${item.name}: ${item.quantity + by}.`
    return state.run(() => call(`/api/items/${item.id}/adjust`, 'POST', { by }), done)
  }

  return (
    <Frame state={state}>
      <section className="card">
        <div className="bar">
          <Heading state={state}>{items.length === 1 ? '1 item' : `${items.length} items`}</Heading>
          <button type="button" className="primary" onClick={() => setOpened({})}>New item</button>
        </div>
        <div className="row find">
          <Field label="Search" type="search" value={query} onChange={(event) => setQuery(event.target.value)} />
          <Choice
            label="Show"
            options={[{ value: false, label: 'All' }, { value: true, label: `Running out (${low})` }]}
            value={onlyLow}
            onChange={setOnlyLow}
          />
        </div>
        <p className="visually-hidden" role="status">{query !== '' && `${found.length} found`}</p>
        {found.length > 0 ? (
          <Stock items={found} order={order} onOrder={setOrder} onAdjust={adjust} onOpen={setOpened} />
        ) : (
          <p className="empty">
            {items.length === 0 && 'Nothing here yet. Add the first item.'}
            {items.length > 0 && query !== '' && `Nothing found for “${query}”.`}
            {items.length > 0 && query === '' && 'Nothing is running out.'}
          </p>
        )}
      </section>
      {opened !== null && <ItemDialog item={opened} state={state} onClose={() => setOpened(null)} />}
    </Frame>
  )
}
