import { useEffect, useRef, useState } from 'react'

import { call } from './api.js'
import CardDialog from './CardDialog.jsx'
import Column from './Column.jsx'
import { COLUMNS } from './columns.js'
import { Frame, Heading } from './parts.jsx'
import { useRecords } from './useRecords.js'

export default function App({ initial }) {
  const state = useRecords('cards', initial)
  const [opened, setOpened] = useState(null)
  const [dragged, setDragged] = useState(null)
  const cards = state.records ?? []

  // A card that moved takes the keyboard's focus along: to the same button, or to the card.
  const moved = useRef(null)
  useEffect(() => {
    if (moved.current === null) return
    const card = document.getElementById(moved.current.id)
    const button = card?.querySelector(`[data-move="${moved.current.button}"]`) ?? card?.querySelector('.open')
    button?.focus()
    moved.current = null
  }, [state.records])

  /** `before` is the id of the card that will be below it, or null for the end of the column. */
  function move(card, column, before = null, button = null) {
    if (card.id === before) return
    moved.current = { id: card.id, button }
    const path = `/api/cards/${card.id}/move`
    state.run(() => call(path, 'POST', { column: column.id, before }), `Moved ${card.title} to ${column.title}.`)
  }

  return (
    <Frame state={state}>
      <div className="board-head">
        <Heading state={state}>{cards.length === 1 ? '1 card' : `${cards.length} cards`}</Heading>
        {cards.length === 0 && <p className="empty">Nothing here yet. Add the first card below.</p>}
      </div>
      <div className="board">
        {COLUMNS.map((column, index) => (
          <Column
            key={column.id}
            column={column}
            neighbours={[COLUMNS[index - 1], COLUMNS[index + 1]]}
            cards={cards.filter((card) => card.column === column.id)}
            dragged={dragged}
            onDrag={setDragged}
            onMove={move}
            onOpen={setOpened}
            onAdd={(title) => state.add({ title, column: column.id }, `Added ${title} to ${column.title}.`)}
          />
        ))}
      </div>
      {opened !== null && <CardDialog card={opened} state={state} onClose={() => setOpened(null)} />}
    </Frame>
  )
}
