// The page: shows the plants and sends what is typed and clicked.

const plants = document.querySelector('#plants')
const message = document.querySelector('#message')
const form = document.querySelector('#add')

async function call(method, path, body) {
  const response = await fetch(`/api${path}`, {
    method,
    headers: { 'content-type': 'application/json' },
    body: body === undefined ? undefined : JSON.stringify(body),
  })
  const answer = response.status === 204 ? null : await response.json()
  if (!response.ok) throw new Error(answer.error.message)
  return answer
}

function button(text, action) {
  const element = document.createElement('button')
  element.type = 'button'
  element.textContent = text
  element.addEventListener('click', () => attempt(action))
  return element
}

function row(plant) {
  const element = document.createElement('li')
  const text = document.createElement('span')
  const watered = plant.watered_at === null ? 'never' : new Date(plant.watered_at).toLocaleString()
  text.textContent = `${plant.name}: last watered ${watered}`
  element.append(
    text,
    button('Water', () => call('POST', `/plants/${plant.id}/water`)),
    button('Remove', () => call('DELETE', `/plants/${plant.id}`)),
  )
  return element
}

async function show() {
  const answer = await call('GET', '/plants')
  plants.replaceChildren(...answer.plants.map(row))
  message.textContent = answer.plants.length === 0 ? 'No plants yet.' : ''
}

async function attempt(action) {
  try {
    await action()
    await show()
  } catch (error) {
    message.textContent = error.message
  }
}

form.addEventListener('submit', (event) => {
  event.preventDefault()
  attempt(async () => {
    await call('POST', '/plants', { name: new FormData(form).get('name') })
    form.reset()
  })
})

attempt(() => undefined)
