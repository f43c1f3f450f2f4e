// The page's view of the server. Every call returns the JSON answer or throws an Error fit to be shown.

async function call(path, method = 'GET', body) {
  let response
  try {
    response = await fetch(path, {
      method,
      headers: body === undefined ? {} : { 'content-type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(10_000),
    })
  } catch {
    throw new Error('The server does not answer.')
  }
  if (response.status === 204) return null
  const answer = await response.json().catch(() => null)
  if (!response.ok) throw new Error(answer?.error?.message ?? `The server answered ${response.status}.`)
  return answer
}

export const listItems = async () => (await call('/api/items')).items
export const addItem = (title) => call('/api/items', 'POST', { title })
export const changeItem = (id, change) => call(`/api/items/${id}`, 'PATCH', change)
export const removeItem = (id) => call(`/api/items/${id}`, 'DELETE')
