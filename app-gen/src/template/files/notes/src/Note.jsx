/** A note with the beginning of its text. */
export default function Note({ note, onOpen, onTag, onPin }) {
  return (
    <article className="card note">
      <div className="bar">
        <h3 dir="auto">
          <button type="button" className="open" title="Open" onClick={onOpen}>{note.title}</button>
        </h3>
        <button type="button" className="quiet small" aria-label={`Pin ${note.title}`} aria-pressed={note.pinned} onClick={onPin}>
          Pin
        </button>
      </div>
      {note.text !== '' && <p className="text" dir="auto">{note.text}</p>}
      {note.tags.length > 0 && (
        <ul className="tags" aria-label={`Tags of ${note.title}`}>
          {note.tags.map((tag) => (
            <li key={tag}>
              <button type="button" className="small" dir="auto" onClick={() => onTag(tag)}>{tag}</button>
            </li>
          ))}
        </ul>
      )}
    </article>
  )
}
