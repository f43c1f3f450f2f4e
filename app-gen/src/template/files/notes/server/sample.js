const OTHERS = ['A first note', 'Another note']
const EXAMPLE = 'example'

/** Notes to begin with: the words of the description are their titles and their tags. */
export function sample(words) {
  const titles = words.length > 0 ? words : OTHERS
  const changed_at = new Date().toISOString()
  return titles.slice(0, 8).map((title, index) => ({
    title,
    text: index === 0 ? `Open a note to change it, pin it to keep it on top.\nThe tag “${EXAMPLE}” finds all that was here at the start.` : '',
    tags: words.length > 0 && title.length <= 30 ? [title.toLowerCase(), EXAMPLE] : [EXAMPLE],
    pinned: index === 0,
    changed_at,
  }))
}
