import assert from 'node:assert/strict'
import { test } from 'node:test'

import { addDays, addMonths, dayByKey, nameOfDay, nameOfHour, today, weekdayOf, weeksOf } from './calendar.js'

test('today is the day of this computer, early and late', () => {
  assert.equal(today(new Date(2026, 10, 30, 0, 5)), '2026-11-30')
  assert.equal(today(new Date(2026, 10, 30, 23, 55)), '2026-11-30')
})

test('days and months go over their ends', () => {
  assert.equal(addDays('2026-12-31', 1), '2027-01-01')
  assert.equal(addDays('2028-03-01', -1), '2028-02-29')
  assert.equal(addMonths('2027-01-31', 1), '2027-02-28')
  assert.equal(addMonths('2027-01-15', -1), '2026-12-15')
  assert.equal(weekdayOf('2026-11-30'), 0)
  assert.equal(weekdayOf('2026-11-29'), 6)
})

test('a month has whole weeks with each of its days once', () => {
  for (let month = 0; month < 48; month++) {
    const first = addMonths('2026-01-01', month)
    const days = weeksOf(first.slice(0, 7)).flat()
    assert.equal(weekdayOf(days[0]), 0)
    const own = days.filter((day) => day.startsWith(first.slice(0, 7)))
    assert.equal(own[0], first)
    assert.equal(own.length, Number(addDays(addMonths(first, 1), -1).slice(8)))
    assert.ok(days.length - own.length < 13, first)
  }
})

test('keys go from day to day', () => {
  const to = (key) => dayByKey(key, '2026-12-02')
  assert.deepEqual(
    ['ArrowLeft', 'ArrowRight', 'ArrowUp', 'ArrowDown', 'Home', 'End', 'PageUp', 'PageDown', 'a', 'toString'].map(to),
    ['2026-12-01', '2026-12-03', '2026-11-25', '2026-12-09', '2026-11-30', '2026-12-06', '2026-11-02', '2027-01-02', null, null],
  )
})

test('names are for people', () => {
  // Versions of Node differ in the comma.
  assert.match(nameOfDay('2026-11-30'), /^Monday,? 30 November 2026$/)
  assert.equal(nameOfHour(9), '09:00')
})
