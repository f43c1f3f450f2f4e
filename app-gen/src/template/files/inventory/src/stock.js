import { matches } from './search.js'

export const isLow = (item) => item.quantity < item.minimum

/** The items that a search finds, in order of a column; equal ones by name. */
export function findItems(items, { query, onlyLow, column, descending }) {
  const byName = (one, other) => one.name.localeCompare(other.name, 'en', { numeric: true, sensitivity: 'base' })
  const compare = {
    name: byName,
    place: (one, other) => one.place.localeCompare(other.place, 'en', { numeric: true, sensitivity: 'base' }),
    quantity: (one, other) => one.quantity - other.quantity,
  }[column]
  const direction = descending ? -1 : 1
  return items
    .filter((item) => matches(query, [item.name, item.place]) && (!onlyLow || isLow(item)))
    .sort((one, other) => direction * compare(one, other) || byName(one, other))
}
