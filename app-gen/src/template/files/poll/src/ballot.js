// What this browser remembers: a random id of its own, and which option it chose in which poll.

const VOTER = 'voter'
const CHOICES = 'choices'

// A browser that keeps nothing still lets its user vote; only until the page is loaded again.
const memory = new Map()
const storage = {
  get(key) {
    try {
      return localStorage.getItem(key)
    } catch {
      return memory.get(key) ?? null
    }
  },
  set(key, value) {
    try {
      localStorage.setItem(key, value)
    } catch {
      memory.set(key, value)
    }
  },
}

export function voter() {
  const known = storage.get(VOTER)
  if (known !== null && /^[0-9a-f]{32}$/.test(known)) return known
  // Not randomUUID, which browsers have on encrypted pages only.
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  const id = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
  storage.set(VOTER, id)
  return id
}

/** The option that was chosen in a poll, or null. */
export function choiceIn(pollId) {
  return choices()[pollId] ?? null
}

export function rememberChoice(pollId, option) {
  storage.set(CHOICES, JSON.stringify({ ...choices(), [pollId]: option }))
}

function choices() {
  try {
    return JSON.parse(storage.get(CHOICES)) ?? {}
  } catch {
    return {}
  }
}
