import { useState } from 'react'

import { parseTags } from './find.js'
import { Dialog, Field } from './parts.jsx'

/** Writes a note, or changes or deletes one: that with an id. */
export default function NoteDialog({ note, state, onClose }) {
  const [title, setTitle] = useState(note.title ?? '')
  const [text, setText] = useState(note.text ?? '')
  const [tags, setTags] = useState(note.tags.join(', '))
  const exists = note.id !== undefined

  function save() {
    const fields = { title, text, tags: parseTags(tags) }
    return exists ? state.change(note.id, fields, `Saved ${title}.`) : state.add(fields, `Added ${title}.`)
  }

  return (
    <Dialog
      title={exists ? 'Change the note' : 'New note'}
      state={state}
      submit="Save"
      onSubmit={save}
      onDelete={exists ? () => state.remove(note.id, `Deleted ${note.title}.`) : undefined}
      onClose={onClose}
    >
      <Field label="Title" required autoFocus maxLength={200} value={title} onChange={(event) => setTitle(event.target.value)} />
      <Field
        label="Text"
        control="textarea"
        rows={8}
        maxLength={20_000}
        value={text}
        onChange={(event) => setText(event.target.value)}
      />
      <Field label="Tags, with commas between them" value={tags} onChange={(event) => setTags(event.target.value)} />
    </Dialog>
  )
}
