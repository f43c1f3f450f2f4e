import { useState } from 'react'

import { Dialog, Field } from './parts.jsx'

const MAX_OPTIONS = 10

/** Asks a new question. There is always an empty field for one more option. */
export default function PollDialog({ state, onClose }) {
  const [question, setQuestion] = useState('')
  const [options, setOptions] = useState(['', ''])

  function write(index, text) {
    const next = options.with(index, text)
    if (next.length < MAX_OPTIONS && next.every((option) => option !== '')) next.push('')
    setOptions(next)
  }

  function save() {
    const filled = options.filter((option) => option.trim() !== '')
    return state.add({ question, options: filled }, `Added ${question}`)
  }

  return (
    <Dialog title="New poll" state={state} submit="Add" onSubmit={save} onClose={onClose}>
      <Field
        label="Question"
        required
        autoFocus
        maxLength={200}
        value={question}
        onChange={(event) => setQuestion(event.target.value)}
      />
      {options.map((option, index) => (
        <Field
          key={index}
          label={`Option ${index + 1}`}
          required={index < 2}
          maxLength={100}
          value={option}
          onChange={(event) => write(index, event.target.value)}
        />
      ))}
    </Dialog>
  )
}
