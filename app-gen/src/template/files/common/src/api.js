/** Asks the server; gives the JSON answer or throws an Error whose message is fit to be shown. */
export async function call(path, method = 'GET', body) {
  let response
  try {
    response = await fetch(path, {
      method,
      headers: body === undefined ? {} : { 'content-type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(10_000),
    })
  } catch {
    throw new Error('The server does not answer. Try again in a moment.')
  }
  if (response.status === 204) return null
  const answer = await response.json().catch(() => null)
  if (!response.ok) throw new Error(answer?.error?.message ?? `The server answered ${response.status}.`)
  return answer
}
