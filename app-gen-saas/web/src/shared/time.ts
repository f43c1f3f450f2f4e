/** Times and sizes in the words people use. Everything takes `now` and the locale, so that it is testable. */

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

export interface Calendar {
  locale?: string;
  timeZone?: string;
}

/** "just now", "40 s ago", "3 min ago", "5 h ago", "yesterday at 14:05", "12 Nov at 14:05", "12 Nov 2025". */
export function relativeTime(time: string, now: number, calendar: Calendar = {}): string {
  const then = Date.parse(time);
  if (Number.isNaN(then)) return "at an unknown time";
  const age = now - then;
  // A server clock slightly ahead of this one must not read as the future.
  if (age < 10 * SECOND) return "just now";
  if (age < MINUTE) return `${Math.floor(age / SECOND)} s ago`;
  if (age < HOUR) return `${Math.floor(age / MINUTE)} min ago`;
  const day = dayOf(then, calendar);
  if (day === dayOf(now, calendar)) return `${Math.floor(age / HOUR)} h ago`;
  if (day === dayOf(now - 24 * HOUR, calendar)) return `yesterday at ${clockTime(time, calendar, false)}`;
  const sameYear = day.slice(0, 4) === dayOf(now, calendar).slice(0, 4);
  const date = new Intl.DateTimeFormat(calendar.locale, {
    day: "numeric",
    month: "short",
    ...(sameYear ? {} : { year: "numeric" }),
    timeZone: calendar.timeZone,
  }).format(then);
  return sameYear ? `${date} at ${clockTime(time, calendar, false)}` : date;
}

/** The calendar day as YYYY-MM-DD in the reader's time zone. */
function dayOf(time: number, calendar: Calendar): string {
  return new Intl.DateTimeFormat("en-CA", {
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    timeZone: calendar.timeZone,
  }).format(time);
}

/** "14:05:09" or, without seconds, "14:05". */
export function clockTime(time: string, calendar: Calendar = {}, seconds = true): string {
  const then = Date.parse(time);
  if (Number.isNaN(then)) return "";
  return new Intl.DateTimeFormat(calendar.locale, {
    hour: "2-digit",
    minute: "2-digit",
    ...(seconds ? { second: "2-digit" } : {}),
    hourCycle: "h23",
    timeZone: calendar.timeZone,
  }).format(then);
}

/** The whole date and time, for tooltips. */
export function fullTime(time: string, calendar: Calendar = {}): string {
  const then = Date.parse(time);
  if (Number.isNaN(then)) return time;
  return new Intl.DateTimeFormat(calendar.locale, {
    dateStyle: "full",
    timeStyle: "medium",
    timeZone: calendar.timeZone,
  }).format(then);
}

/** "0.8 s", "12 s", "1 min 05 s", "2 h 10 min". */
export function duration(milliseconds: number): string {
  const value = Math.max(0, milliseconds);
  if (value < 9_950) return `${(value / SECOND).toFixed(1)} s`;
  const seconds = Math.round(value / SECOND);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${String(seconds % 60).padStart(2, "0")} s`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
}

/** "812 B", "32.4 kB", "1.2 MB" (powers of ten, as browsers show downloads). */
export function byteSize(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  const units = ["kB", "MB", "GB"];
  let value = bytes / 1000;
  let unit = 0;
  while (value >= 999.95 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value.toFixed(1)} ${units[unit]}`;
}
