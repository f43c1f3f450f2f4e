const OTHERS = ['Add an item of your own', 'Tick what is done', 'Click a title to rename it']

/** Items to begin with: the words of the description. */
export function sample(words) {
  const titles = words.length > 0 ? words : OTHERS
  return titles.slice(0, 8).map((title) => ({ title, done: false }))
}
