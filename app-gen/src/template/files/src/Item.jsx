import { useState } from 'react'

/** One item: tick it, click its title to rename it, or delete it. */
export default function Item({ item, onChange, onRemove }) {
  const [draft, setDraft] = useState(null)

  function rename() {
    const title = (draft ?? '').trim()
    setDraft(null)
    if (title !== '' && title !== item.title) onChange({ title })
  }

  return (
    <li className={item.done ? 'done' : undefined}>
      <input
        type="checkbox"
        aria-label={`Done: ${item.title}`}
        checked={item.done}
        onChange={(event) => onChange({ done: event.target.checked })}
      />
      {draft === null ? (
        <button type="button" className="title" dir="auto" title="Rename" onClick={() => setDraft(item.title)}>
          {item.title}
        </button>
      ) : (
        <input
          aria-label="New title"
          className="title"
          dir="auto"
          autoFocus
          maxLength={200}
          value={draft}
          onChange={(event) => setDraft(event.target.value)}
          onBlur={rename}
          onKeyDown={(event) => {
            if (event.key === 'Enter') rename()
            if (event.key === 'Escape') setDraft(null)
          }}
        />
      )}
      <button type="button" className="remove" aria-label={`Delete: ${item.title}`} onClick={onRemove}>
        ×
      </button>
    </li>
  )
}
