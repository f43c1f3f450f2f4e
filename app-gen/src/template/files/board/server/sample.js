const OTHERS = ['Add a card of your own', 'Move a card to the next column', 'Open a card to write more about it']

/** Cards to begin with: the words of the description, the first of them already in work. */
export function sample(words) {
  const titles = words.length > 0 ? words : OTHERS
  return titles.slice(0, 8).map((title, index) => ({
    title,
    text: '',
    column: index === 0 ? 'doing' : 'todo',
  }))
}
