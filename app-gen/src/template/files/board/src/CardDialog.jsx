import { useState } from 'react'

import { Dialog, Field } from './parts.jsx'

/** Shows all of a card, to change or to delete it. */
export default function CardDialog({ card, state, onClose }) {
  const [title, setTitle] = useState(card.title)
  const [text, setText] = useState(card.text)

  return (
    <Dialog
      title="Card"
      state={state}
      submit="Save"
      onSubmit={() => state.change(card.id, { title, text }, `Saved ${title}.`)}
      onDelete={() => state.remove(card.id, `Deleted ${card.title}.`)}
      onClose={onClose}
    >
      <Field label="Title" required maxLength={200} value={title} onChange={(event) => setTitle(event.target.value)} />
      <Field
        label="Text"
        control="textarea"
        rows={6}
        maxLength={2000}
        value={text}
        onChange={(event) => setText(event.target.value)}
      />
    </Dialog>
  )
}
