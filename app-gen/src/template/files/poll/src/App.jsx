import { useState } from 'react'

import { Frame, Heading } from './parts.jsx'
import Poll from './Poll.jsx'
import PollDialog from './PollDialog.jsx'
import { useRecords } from './useRecords.js'

export default function App({ initial }) {
  const state = useRecords('polls', initial)
  const [isNew, setIsNew] = useState(false)
  // The newest first, those that take no votes any more last.
  const polls = (state.records ?? []).toReversed().sort((one, other) => Number(one.closed) - Number(other.closed))

  return (
    <Frame state={state}>
      <div className="bar polls-head">
        <Heading state={state}>{polls.length === 1 ? '1 poll' : `${polls.length} polls`}</Heading>
        <button type="button" className="primary" onClick={() => setIsNew(true)}>New poll</button>
      </div>
      {polls.length === 0 && <p className="empty">Nothing to vote on yet. Ask the first question.</p>}
      {polls.map((poll) => (
        <Poll key={poll.id} poll={poll} state={state} />
      ))}
      {isNew && <PollDialog state={state} onClose={() => setIsNew(false)} />}
    </Frame>
  )
}
