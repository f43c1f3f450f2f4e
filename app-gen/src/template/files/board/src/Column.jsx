import { useState } from 'react'

/** A column: its cards, each with buttons for what the mouse does by dragging, and a field for a new one. */
export default function Column({ column, neighbours, cards, dragged, onDrag, onMove, onOpen, onAdd }) {
  const [title, setTitle] = useState('')
  // Where a dragged card would go: the id of the card below it, 'end', or null while none is above this column.
  const [target, setTarget] = useState(null)

  async function add(event) {
    event.preventDefault()
    if (title.trim() !== '' && (await onAdd(title))) setTitle('')
  }

  function dragOver(event, place) {
    if (dragged === null) return
    event.preventDefault()
    event.stopPropagation()
    setTarget(place)
  }

  function drop(event) {
    event.preventDefault()
    setTarget(null)
    if (dragged !== null) onMove(dragged, column, target === 'end' ? null : target)
    onDrag(null)
  }

  return (
    <section
      className={target === 'end' ? 'column target' : 'column'}
      aria-label={column.title}
      onDragOver={(event) => dragOver(event, 'end')}
      onDragLeave={(event) => event.currentTarget.contains(event.relatedTarget) || setTarget(null)}
      onDrop={drop}
    >
      <h3>
        {column.title} <span className="muted">{cards.length}</span>
      </h3>
      <ul>
        {cards.map((card, index) => (
          <li
            key={card.id}
            id={card.id}
            className={target === card.id ? 'board-card target' : 'board-card'}
            draggable
            onDragStart={(event) => {
              event.dataTransfer.effectAllowed = 'move'
              event.dataTransfer.setData('text/plain', card.title)
              onDrag(card)
            }}
            onDragEnd={() => onDrag(null)}
            onDragOver={(event) => dragOver(event, card.id)}
          >
            <button type="button" className="open" dir="auto" title="Open" onClick={() => onOpen(card)}>
              {card.title}
              {card.text !== '' && <span className="text muted">{card.text}</span>}
            </button>
            <div className="moves">
              <Move card={card} name="up" sign="↑" to={cards[index - 1]} onClick={(above) => onMove(card, column, above.id, 'up')} />
              <Move card={card} name="back" sign="←" to={neighbours[0]} onClick={(to) => onMove(card, to, null, 'back')} />
              <Move card={card} name="on" sign="→" to={neighbours[1]} onClick={(to) => onMove(card, to, null, 'on')} />
            </div>
          </li>
        ))}
      </ul>
      <form onSubmit={add}>
        <input
          aria-label={`New card in ${column.title}`}
          placeholder="New card"
          dir="auto"
          maxLength={200}
          value={title}
          onChange={(event) => setTitle(event.target.value)}
        />
        <button type="submit" aria-label={`Add to ${column.title}`}>Add</button>
      </form>
    </section>
  )
}

/** A button that moves a card up or to the column `to`; nothing where there is nowhere to go. */
function Move({ card, name, sign, to, onClick }) {
  if (to === undefined) return null
  const where = name === 'up' ? 'up' : `to ${to.title}`
  return (
    <button
      type="button"
      className="quiet small"
      data-move={name}
      aria-label={`Move ${card.title} ${where}`}
      onClick={() => onClick(to)}
    >
      {sign}
    </button>
  )
}
