import { useEffect, useRef } from 'react'

import { addMonths, dayByKey, monthOf, nameOfDay, nameOfMonth, today, weeksOf } from './calendar.js'

const WEEKDAYS = ['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday']

/** The month of `day` as a grid: one day has the focus, and the arrow keys go to the others. */
export default function Month({ day, bookings, onChoose }) {
  const grid = useRef(null)
  const followFocus = useRef(false)
  useEffect(() => {
    if (followFocus.current) grid.current.querySelector('[tabindex="0"]').focus()
    followFocus.current = false
  }, [day])

  function pressKey(event) {
    const next = dayByKey(event.key, day)
    if (next === null) return
    event.preventDefault()
    followFocus.current = true
    onChoose(next)
  }

  const month = monthOf(day)
  const isToday = today()
  return (
    <>
      <div className="month-head">
        <button type="button" className="quiet" aria-label="Month before" onClick={() => onChoose(addMonths(day, -1))}>←</button>
        <h2 id="month" aria-live="polite">{nameOfMonth(day)}</h2>
        <button type="button" className="quiet" aria-label="Month after" onClick={() => onChoose(addMonths(day, 1))}>→</button>
      </div>
      <table ref={grid} className="month" role="grid" aria-labelledby="month" onKeyDown={pressKey}>
        <thead>
          <tr>
            {WEEKDAYS.map((name) => (
              <th key={name} scope="col" abbr={name}>{name.slice(0, 2)}</th>
            ))}
          </tr>
        </thead>
        <tbody>
          {weeksOf(month).map((week) => (
            <tr key={week[0]}>
              {week.map((date) => {
                const count = bookings.filter((booking) => booking.date === date).length
                return (
                  <td key={date} role="gridcell" aria-selected={date === day}>
                    <button
                      type="button"
                      className={monthOf(date) === month ? undefined : 'other-month'}
                      tabIndex={date === day ? 0 : -1}
                      aria-current={date === isToday ? 'date' : undefined}
                      onClick={() => onChoose(date)}
                    >
                      <span className="visually-hidden">{nameOfDay(date)}, {count === 0 ? 'nothing' : count} booked</span>
                      <span aria-hidden="true">{Number(date.slice(8))}</span>
                      <span aria-hidden="true" className="count">{count > 0 && count}</span>
                    </button>
                  </td>
                )
              })}
            </tr>
          ))}
        </tbody>
      </table>
      {day !== isToday && <button type="button" className="quiet small" onClick={() => onChoose(isToday)}>Go to today</button>}
    </>
  )
}
