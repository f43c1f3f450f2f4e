import { matches } from './search.js'

/** The notes that a search finds, pinned ones first, then the newest. `tag` is null for all tags. */
export function findNotes(notes, query, tag) {
  return notes
    .filter((note) => tag === null || note.tags.includes(tag))
    .filter((note) => matches(query, [note.title, note.text, ...note.tags]))
    .sort((one, other) => Number(other.pinned) - Number(one.pinned) || other.changed_at.localeCompare(one.changed_at))
}

/** Every tag with the number of its notes, the most used first. */
export function countTags(notes) {
  const counts = new Map()
  for (const tag of notes.flatMap((note) => note.tags)) counts.set(tag, (counts.get(tag) ?? 0) + 1)
  return [...counts]
    .map(([tag, count]) => ({ tag, count }))
    .sort((one, other) => other.count - one.count || one.tag.localeCompare(other.tag))
}

/** What somebody typed as tags, with commas or spaces between them, as the server takes it. */
export function parseTags(text) {
  return text.split(text.includes(',') ? ',' : /\s+/u).map((tag) => tag.trim()).filter((tag) => tag !== '')
}
