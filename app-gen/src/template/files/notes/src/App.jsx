import { useState } from 'react'

import { countTags, findNotes } from './find.js'
import Note from './Note.jsx'
import NoteDialog from './NoteDialog.jsx'
import { Choice, Field, Frame, Heading } from './parts.jsx'
import { useRecords } from './useRecords.js'

export default function App({ initial }) {
  const state = useRecords('notes', initial)
  const [query, setQuery] = useState('')
  const [chosenTag, setTag] = useState(null)
  const [opened, setOpened] = useState(null)

  const notes = state.records ?? []
  const tags = countTags(notes)
  // The last note of the chosen tag may have been deleted.
  const tag = tags.some((other) => other.tag === chosenTag) ? chosenTag : null
  const found = findNotes(notes, query, tag)

  return (
    <Frame state={state}>
      <section className="card">
        <div className="bar">
          <Heading state={state}>{notes.length === 1 ? '1 note' : `${notes.length} notes`}</Heading>
          <button type="button" className="primary" onClick={() => setOpened({ tags: tag === null ? [] : [tag] })}>New note</button>
        </div>
        <div className="row find">
          <Field label="Search" type="search" value={query} onChange={(event) => setQuery(event.target.value)} />
        </div>
        {tags.length > 0 && (
          <Choice
            label="Tags"
            options={[
              { value: null, label: 'All' },
              ...tags.map((other) => ({ value: other.tag, label: `${other.tag} (${other.count})` })),
            ]}
            value={tag}
            onChange={setTag}
          />
        )}
      </section>
      <p className="visually-hidden" role="status">{query !== '' && `${found.length} found`}</p>
      <div className="notes">
        {found.map((note) => (
          <Note
            key={note.id}
            note={note}
            onOpen={() => setOpened(note)}
            onTag={setTag}
            onPin={() => state.change(note.id, { pinned: !note.pinned }, note.pinned ? 'Not pinned any more.' : 'Pinned.')}
          />
        ))}
      </div>
      {found.length === 0 && (
        <p className="empty">{notes.length === 0 ? 'Nothing here yet. Write the first note.' : 'No note has all of this.'}</p>
      )}
      {opened !== null && <NoteDialog note={opened} state={state} onClose={() => setOpened(null)} />}
    </Frame>
  )
}
