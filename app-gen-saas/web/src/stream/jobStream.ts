/** Follows one job's events until its last one, through lost connections, without losing or repeating any. */
import { hasCredentials } from "../accounts/credentials.ts";
import { eventsHref, retryAfterMs, streamTicket } from "../api/client.ts";
import { isTerminal, isWaiting } from "../jobs/jobState.ts";
import { type Connection, FIRST_CONNECTION, nextConnection, type Signal } from "./connection.ts";
import { EVENT_TYPES, type JobEvent, parseEvent } from "./event.ts";

export interface JobStreamOptions {
  jobId: string;
  /** The last event already held. */
  after: number;
  onEvents: (events: JobEvent[]) => void;
  onConnection: (connection: Connection) => void;
  /** The job's last sequence once it is over, otherwise null: it distinguishes a finished stream from a broken one. */
  finalSequence: () => number | null;
}

export interface JobStream {
  /** Tries now instead of after the pause. */
  retry: () => void;
  close: () => void;
}

/** A replay arrives as hundreds of events at once; they are passed on together. */
const FLUSH_MS = 40;

/**
 * A working generator sends a heartbeat every 10 s. Silence this long means a connection that
 * died unnoticed (a laptop that slept, a proxy that forgot us) or never came about, which no
 * error event reports.
 */
export const SILENCE_MS = 45_000;
/** The same for a job that waits: no generator works, so nothing comes, and a reconnect now and then is enough. */
export const IDLE_SILENCE_MS = 300_000;

export function openJobStream(options: JobStreamOptions): JobStream {
  let connection = FIRST_CONNECTION;
  let source: EventSource | null = null;
  let lastSequence = options.after;
  let idle = false;
  let isClosed = false;
  let pending: JobEvent[] = [];
  let flushTimer: ReturnType<typeof setTimeout> | undefined;
  let retryTimer: ReturnType<typeof setTimeout> | undefined;
  let silenceTimer: ReturnType<typeof setTimeout> | undefined;

  function signal(input: Signal): void {
    const next = nextConnection(connection, input);
    if (next === connection) return;
    connection = next;
    clearTimeout(retryTimer);
    switch (next.phase) {
      case "connecting":
        connect();
        break;
      case "waiting":
        disconnect();
        retryTimer = setTimeout(() => signal({ type: "retry" }), next.retryAt - Date.now());
        break;
      case "offline":
        disconnect();
        break;
      case "ended":
        disconnect();
        flush();
        break;
    }
    options.onConnection(next);
  }

  function connect(): void {
    disconnect();
    const href = eventsHref(options.jobId, lastSequence);
    if (!hasCredentials()) return listen(href, href);
    const attempt = connection;
    const isCurrent = () => !isClosed && connection === attempt && source === null;
    expectSound();
    streamTicket(options.jobId).then(
      (ticket) => {
        if (isCurrent()) listen(href, `${href}&ticket=${ticket}`);
      },
      () => {
        if (isCurrent()) signal({ type: "dropped", closed: true, now: Date.now(), jitter: Math.random() });
      },
    );
  }

  function listen(href: string, opening: string): void {
    const opened = new EventSource(opening);
    source = opened;
    expectSound();
    let wasOpen = false;
    opened.onopen = () => {
      wasOpen = true;
      signal({ type: "opened" });
    };
    opened.onerror = () => {
      const final = options.finalSequence();
      if (final !== null && lastSequence >= final) return signal({ type: "ended" });
      if (!navigator.onLine) return signal({ type: "offline" });
      const closed = opened.readyState === EventSource.CLOSED;
      signal({ type: "dropped", closed, now: Date.now(), jitter: Math.random() });
      if (closed && !wasOpen) void askWhenToRetry(href);
    };
    for (const type of EVENT_TYPES) opened.addEventListener(type, receive);
    opened.onmessage = receive;
  }

  /** An EventSource does not say why it was refused, so the server is asked once more, for the head alone. */
  async function askWhenToRetry(href: string): Promise<void> {
    const refused = connection;
    const pause = await retryAfterMs(href);
    // Meanwhile the next try may have begun.
    if (pause === null || isClosed || connection !== refused) return;
    signal({ type: "asked", now: Date.now(), retryAfterMs: pause, jitter: Math.random() });
  }

  function disconnect(): void {
    clearTimeout(silenceTimer);
    source?.close();
    source = null;
  }

  function expectSound(): void {
    clearTimeout(silenceTimer);
    silenceTimer = setTimeout(() => signal({ type: "retry" }), idle ? IDLE_SILENCE_MS : SILENCE_MS);
  }

  function receive(message: MessageEvent<string>): void {
    const event = parseEvent(message.data);
    if (!event) return;
    if (event.type === "state") idle = isWaiting(event.body.state);
    expectSound();
    if (event.sequence <= lastSequence) return;
    lastSequence = event.sequence;
    pending.push(event);
    flushTimer ??= setTimeout(flush, FLUSH_MS);
    if (event.type === "state" && isTerminal(event.body.state)) signal({ type: "ended" });
  }

  function flush(): void {
    clearTimeout(flushTimer);
    flushTimer = undefined;
    if (pending.length === 0) return;
    const events = pending;
    pending = [];
    options.onEvents(events);
  }

  const onOffline = () => signal({ type: "offline" });
  const onOnline = () => signal({ type: "online" });
  window.addEventListener("offline", onOffline);
  window.addEventListener("online", onOnline);
  connect();

  return {
    retry: () => signal({ type: "retry" }),
    close: () => {
      isClosed = true;
      window.removeEventListener("offline", onOffline);
      window.removeEventListener("online", onOnline);
      clearTimeout(retryTimer);
      disconnect();
      flush();
    },
  };
}
