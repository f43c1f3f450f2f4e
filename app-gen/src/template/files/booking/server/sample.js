import { LAST_HOUR, OPENS } from './routes.js'

const OTHERS = ['Example booking', 'Another example']

/** Bookings to begin with: the words of the description, on this day and the next ones. */
export function sample(words, today = new Date()) {
  const titles = words.length > 0 ? words : OTHERS
  return titles.slice(0, 8).map((title, index) => {
    const day = new Date(today.getFullYear(), today.getMonth(), today.getDate() + Math.floor(index / 2))
    const hour = OPENS + 1 + ((index * 3) % (LAST_HOUR - OPENS))
    return { title, date: localDay(day), hour }
  })
}

function localDay(date) {
  const twoDigits = (number) => String(number).padStart(2, '0')
  return `${date.getFullYear()}-${twoDigits(date.getMonth() + 1)}-${twoDigits(date.getDate())}`
}
