import { useEffect, useRef, useState } from 'react'

/** One item: tick it, click its title to rename it, or delete it. */
export default function Item({ item, onChange, onRemove }) {
  const [draft, setDraft] = useState(null)
  // The tick follows the click at once, not when the server has answered.
  const [ticked, setTicked] = useState(null)
  const title = useRef(null)
  const returns = useRef(false)

  // After Enter and Escape the focus returns from the field to the title; otherwise it is elsewhere already.
  useEffect(() => {
    if (draft === null && returns.current) title.current.focus()
    returns.current = false
  }, [draft])

  function rename() {
    const next = (draft ?? '').trim()
    setDraft(null)
    if (next !== '' && next !== item.title) onChange({ title: next })
  }

  async function tick(done) {
    setTicked(done)
    await onChange({ done })
    setTicked(null)
  }

  function pressKey(event) {
    if (event.key !== 'Enter' && event.key !== 'Escape') return
    // Otherwise the same key would also press the title, which has the focus then.
    event.preventDefault()
    returns.current = true
    if (event.key === 'Enter') rename()
    else setDraft(null)
  }

  return (
    <li className={item.done ? 'done' : undefined}>
      <input
        type="checkbox"
        aria-label={`Done: ${item.title}`}
        checked={ticked ?? item.done}
        onChange={(event) => tick(event.target.checked)}
      />
      {draft === null ? (
        <button
          ref={title}
          type="button"
          className="title"
          dir="auto"
          title="Click to rename"
          onClick={() => setDraft(item.title)}
        >
          {item.title}
        </button>
      ) : (
        <input
          aria-label={`New title of ${item.title}`}
          dir="auto"
          autoFocus
          maxLength={200}
          value={draft}
          onChange={(event) => setDraft(event.target.value)}
          onBlur={rename}
          onKeyDown={pressKey}
        />
      )}
      <button type="button" className="quiet remove" aria-label={`Delete ${item.title}`} onClick={onRemove}>×</button>
    </li>
  )
}
