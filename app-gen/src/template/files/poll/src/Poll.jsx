import { useEffect, useId, useState } from 'react'

import { call } from './api.js'
import { choiceIn, rememberChoice, voter } from './ballot.js'

/** A question with its options to vote for, and how many voted for each of them. */
export default function Poll({ poll, state }) {
  const heading = useId()
  const [chosen, setChosen] = useState(null)
  const [voted, setVoted] = useState(null)
  useEffect(() => {
    setVoted(choiceIn(poll.id))
    setChosen(choiceIn(poll.id))
  }, [poll.id])

  const total = poll.options.reduce((sum, option) => sum + option.votes, 0)
  const most = Math.max(...poll.options.map((option) => option.votes))

  async function vote(event) {
    event.preventDefault()
    const send = () => call(`/api/polls/${poll.id}/votes`, 'POST', { voter: voter(), option: chosen })
    if (!(await state.run(send, `Voted for ${poll.options[chosen].text}.`))) return
    rememberChoice(poll.id, chosen)
    setVoted(chosen)
  }

  return (
    <section className="card" aria-labelledby={heading}>
      <h3 id={heading} dir="auto">{poll.question}</h3>
      <form onSubmit={vote}>
        <ul className="options">
          {poll.options.map((option, index) => (
            <li key={index}>
              <label>
                <input
                  type="radio"
                  name={poll.id}
                  aria-label={`${option.text}, ${counted(option.votes)}`}
                  disabled={poll.closed}
                  checked={chosen === index}
                  onChange={() => setChosen(index)}
                />
                <span className="text" dir="auto">
                  {option.text}
                  {voted === index && <span className="muted"> (your vote)</span>}
                </span>
                <span className={option.votes === most && total > 0 ? 'votes most' : 'votes'}>{option.votes}</span>
              </label>
              <meter aria-hidden="true" min={0} max={Math.max(total, 1)} value={option.votes} />
            </li>
          ))}
        </ul>
        <div className="bar">
          <span className="muted small">
            {counted(total)}
            {poll.closed && ', closed'}
          </span>
          <button
            type="button"
            className="quiet small"
            aria-label={`Delete ${poll.question}`}
            onClick={() => state.remove(poll.id, `Deleted ${poll.question}.`)}
          >
            Delete
          </button>
          <button
            type="button"
            className="quiet small"
            aria-label={`${poll.closed ? 'Open' : 'Close'} ${poll.question}`}
            onClick={() => state.change(poll.id, { closed: !poll.closed }, poll.closed ? 'Opened again.' : 'Closed.')}
          >
            {poll.closed ? 'Open again' : 'Close'}
          </button>
          {!poll.closed && (
            <button type="submit" className="primary" disabled={chosen === null || chosen === voted}>
              {voted === null ? 'Vote' : 'Change vote'}
            </button>
          )}
        </div>
      </form>
    </section>
  )
}

const counted = (votes) => (votes === 1 ? '1 vote' : `${votes} votes`)
