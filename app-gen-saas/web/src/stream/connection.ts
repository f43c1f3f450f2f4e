/**
 * The life of one event stream as a pure state machine; jobStream.ts carries out its decisions.
 *
 * A connection that breaks is first retried by the browser itself (with Last-Event-ID); one the
 * browser has given up, because the server answered with an error, is opened anew after a pause. What the
 * server says about the pause (`Retry-After`) arrives a little later and can only make it longer.
 */

export type Connection =
  | { phase: "connecting"; attempt: number }
  | { phase: "live"; attempt: 0 }
  /** The browser is trying again by itself. */
  | { phase: "reconnecting"; attempt: number }
  /** Given up by the browser; opened anew at `retryAt` (ms since the epoch). */
  | { phase: "waiting"; attempt: number; retryAt: number }
  /** The device has no network; nothing is tried until it has. */
  | { phase: "offline"; attempt: number }
  /** The job's last event has arrived. */
  | { phase: "ended"; attempt: 0 };

export type Signal =
  | { type: "opened" }
  | { type: "dropped"; closed: boolean; now: number; jitter: number }
  | { type: "asked"; now: number; retryAfterMs: number; jitter: number }
  | { type: "retry" }
  | { type: "offline" }
  | { type: "online" }
  | { type: "ended" };

export const FIRST_CONNECTION: Connection = { phase: "connecting", attempt: 0 };

const LONGEST_PAUSE_MS = 15_000;
/** A server that asks for more than this gets this: the reader is looking at the page. */
const LONGEST_ASKED_PAUSE_MS = 60_000;

/** 1, 2, 4, 8, 15, 15, … seconds, each up to a quarter longer so that many pages do not return at once. */
export function pauseBefore(attempt: number, jitter: number): number {
  return Math.min(1000 * 2 ** (attempt - 1), LONGEST_PAUSE_MS) * (1 + jitter / 4);
}

/** As long as the server asks for, and up to a quarter longer. */
export function askedPause(retryAfterMs: number, jitter: number): number {
  return Math.min(retryAfterMs, LONGEST_ASKED_PAUSE_MS) * (1 + jitter / 4);
}

export function nextConnection(connection: Connection, signal: Signal): Connection {
  if (connection.phase === "ended") return connection;
  switch (signal.type) {
    case "opened":
      return { phase: "live", attempt: 0 };
    case "ended":
      return { phase: "ended", attempt: 0 };
    case "offline":
      return { phase: "offline", attempt: connection.attempt };
    case "online":
      return connection.phase === "offline" ? { phase: "connecting", attempt: connection.attempt } : connection;
    case "asked": {
      if (connection.phase !== "waiting") return connection;
      const retryAt = signal.now + askedPause(signal.retryAfterMs, signal.jitter);
      return retryAt > connection.retryAt ? { ...connection, retryAt } : connection;
    }
    case "retry":
      return { phase: "connecting", attempt: connection.attempt };
    case "dropped": {
      if (connection.phase === "offline") return connection;
      const attempt = connection.attempt + 1;
      if (!signal.closed) return { phase: "reconnecting", attempt };
      return { phase: "waiting", attempt, retryAt: signal.now + pauseBefore(attempt, signal.jitter) };
    }
  }
}
