import { useState } from 'react'

import { nameOfDay, nameOfHour } from './calendar.js'
import { Dialog, Field } from './parts.jsx'

/** Books an hour, or changes or cancels a booking: one with an id. */
export default function BookingDialog({ booking, hours, state, onClose }) {
  const [title, setTitle] = useState(booking.title)
  const [date, setDate] = useState(booking.date)
  const [hour, setHour] = useState(booking.hour)
  const exists = booking.id !== undefined

  function save() {
    const fields = { title, date, hour }
    const when = `${nameOfDay(date)} at ${nameOfHour(hour)}`
    return exists ? state.change(booking.id, fields, `Changed: ${title}, ${when}.`) : state.add(fields, `Booked ${when}.`)
  }

  return (
    <Dialog
      title={exists ? 'Change the booking' : `Book ${nameOfHour(booking.hour)}`}
      state={state}
      submit={exists ? 'Save' : 'Book'}
      onSubmit={save}
      onDelete={exists ? () => state.remove(booking.id, `Cancelled ${booking.title}.`) : undefined}
      onClose={onClose}
    >
      <Field label="Name" required autoFocus maxLength={100} value={title} onChange={(event) => setTitle(event.target.value)} />
      <div className="row">
        <Field label="Day" type="date" required value={date} onChange={(event) => setDate(event.target.value)} />
        <Field label="Hour" control="select" value={hour} onChange={(event) => setHour(Number(event.target.value))}>
          {hours.map((choice) => <option key={choice} value={choice}>{nameOfHour(choice)}</option>)}
        </Field>
      </div>
    </Dialog>
  )
}
