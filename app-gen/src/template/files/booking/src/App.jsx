import { useState } from 'react'

import BookingDialog from './BookingDialog.jsx'
import { monthOf, nameOfDay, nameOfHour, today } from './calendar.js'
import Month from './Month.jsx'
import { Frame, Heading } from './parts.jsx'
import { useRecords } from './useRecords.js'

/** Those that the server takes: from 8:00 on, the last one from 17:00 to 18:00. */
const HOURS = Array.from({ length: 10 }, (_, index) => 8 + index)

export default function App({ initial }) {
  const state = useRecords('bookings', initial)
  const [day, setDay] = useState(today)
  const [opened, setOpened] = useState(null)

  const bookings = state.records ?? []
  const ofDay = bookings.filter((booking) => booking.date === day)
  const ofMonth = bookings.filter((booking) => monthOf(booking.date) === monthOf(day))
  const past = day < today()

  return (
    <Frame state={state}>
      <div className="calendar">
        <section className="card" aria-label="Calendar">
          <Month day={day} bookings={bookings} onChoose={setDay} />
          {ofMonth.length === 0 && <p className="empty">Nothing is booked in this month. Choose a day, then an hour.</p>}
        </section>
        <section className="card" aria-label="Hours">
          <Heading state={state}>{nameOfDay(day)}</Heading>
          <p className="muted small">
            {ofDay.length} of {HOURS.length} hours booked{past && '. This day is over.'}
          </p>
          <ol className="hours">
            {HOURS.map((hour) => (
              <Hour
                key={hour}
                hour={hour}
                past={past}
                booking={ofDay.find((booking) => booking.hour === hour)}
                onOpen={(booking) => setOpened(booking ?? { title: '', date: day, hour })}
              />
            ))}
          </ol>
        </section>
      </div>
      {opened !== null && <BookingDialog booking={opened} hours={HOURS} state={state} onClose={() => setOpened(null)} />}
    </Frame>
  )
}

/** One hour of the chosen day, free or booked. */
function Hour({ hour, past, booking, onOpen }) {
  const name = nameOfHour(hour)
  return (
    <li>
      <time>{name}</time>
      {booking ? (
        <button type="button" className="booked" dir="auto" title="Change or cancel" onClick={() => onOpen(booking)}>
          {booking.title}
        </button>
      ) : (
        <>
          <span className="muted">free</span>
          {!past && <button type="button" className="small" aria-label={`Book ${name}`} onClick={() => onOpen()}>Book</button>}
        </>
      )}
    </li>
  )
}
