// Why a request is refused, in words for the person who made it, and the checks of what they sent.

/** Answered with `status` and `message`; any other error is answered without its message. */
export class Refusal extends Error {
  constructor(status, message) {
    super(message)
    this.status = status
    this.expose = true
  }
}

/** One line of text without space around it. An `optional` one may be missing, which is ''. */
export function readLine(value, name, { max = 200, optional = false } = {}) {
  return readText(typeof value === 'string' ? value.replace(/\s+/gu, ' ') : value, name, { max, optional })
}

/** The same with its line breaks. */
export function readText(value, name, { max, optional = false }) {
  const text = typeof value === 'string' ? value.trim() : optional && value === undefined ? '' : null
  if (text === null || text.length > max || (text === '' && !optional)) {
    throw new Refusal(400, `${name} must be a text of ${optional ? 'at most' : '1 to'} ${max} characters.`)
  }
  return text
}

export function readWhole(value, name, { min, max }) {
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new Refusal(400, `${name} must be a whole number from ${min} to ${max}.`)
  }
  return value
}

export function readOneOf(value, name, choices) {
  if (!choices.includes(value)) throw new Refusal(400, `${name} must be one of: ${choices.join(', ')}.`)
  return value
}

export function readFlag(value, name) {
  if (typeof value !== 'boolean') throw new Refusal(400, `${name} must be true or false.`)
  return value
}

/** What `readers` make of the fields that `body` has; a change names only what it changes. */
export function readChange(body, readers) {
  const change = {}
  for (const [name, read] of Object.entries(readers)) {
    if (body?.[name] !== undefined) change[name] = read(body[name])
  }
  if (Object.keys(change).length === 0) {
    throw new Refusal(400, `A change names one of: ${Object.keys(readers).join(', ')}.`)
  }
  return change
}
