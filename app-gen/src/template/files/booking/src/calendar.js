// Days are texts like 2026-11-30 and months like 2026-11, so that no time zone can move them.

/** The day that it is for the person at this computer. */
export function today(now = new Date()) {
  return toDay(Date.UTC(now.getFullYear(), now.getMonth(), now.getDate()))
}

export function addDays(day, count) {
  return toDay(toTime(day) + count * 86_400_000)
}

/** The same day of another month, or that month's last day. */
export function addMonths(day, count) {
  const [year, month, number] = day.split('-').map(Number)
  const first = Date.UTC(year, month - 1 + count, 1)
  const lastNumber = new Date(Date.UTC(year, month + count, 0)).getUTCDate()
  return addDays(toDay(first), Math.min(number, lastNumber) - 1)
}

export const monthOf = (day) => day.slice(0, 7)

/** 0 for Monday to 6 for Sunday. */
export const weekdayOf = (day) => (new Date(toTime(day)).getUTCDay() + 6) % 7

/** The weeks that a month is in, each with its seven days from Monday on. */
export function weeksOf(month) {
  const weeks = []
  let day = addDays(`${month}-01`, -weekdayOf(`${month}-01`))
  do {
    weeks.push(Array.from({ length: 7 }, (_, index) => addDays(day, index)))
    day = addDays(day, 7)
  } while (monthOf(day) === month)
  return weeks
}

/** The day that a key of the keyboard leads to, or null for any other key. */
export function dayByKey(key, day) {
  const weekday = weekdayOf(day)
  switch (key) {
    case 'ArrowLeft':
      return addDays(day, -1)
    case 'ArrowRight':
      return addDays(day, 1)
    case 'ArrowUp':
      return addDays(day, -7)
    case 'ArrowDown':
      return addDays(day, 7)
    case 'Home':
      return addDays(day, -weekday)
    case 'End':
      return addDays(day, 6 - weekday)
    case 'PageUp':
      return addMonths(day, -1)
    case 'PageDown':
      return addMonths(day, 1)
    default:
      return null
  }
}

export const nameOfDay = formatter({ weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' })
export const nameOfMonth = formatter({ month: 'long', year: 'numeric' })
export const nameOfHour = (hour) => `${String(hour).padStart(2, '0')}:00`

function formatter(options) {
  const format = new Intl.DateTimeFormat('en-GB', { ...options, timeZone: 'UTC' })
  return (day) => format.format(toTime(day))
}

const toTime = (day) => Date.parse(`${day}T00:00:00Z`)
const toDay = (time) => new Date(time).toISOString().slice(0, 10)
