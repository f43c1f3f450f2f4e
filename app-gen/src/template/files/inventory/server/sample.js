const OTHERS = ['Batteries', 'Light bulbs', 'Printer paper']

/** Items to begin with: the words of the description, the last of them running out. */
export function sample(words) {
  const names = (words.length > 0 ? words : OTHERS).slice(0, 8)
  return names.map((name, index) => ({
    name,
    place: `Shelf ${(index % 3) + 1}`,
    quantity: 3 * (names.length - 1 - index),
    minimum: 2,
  }))
}
