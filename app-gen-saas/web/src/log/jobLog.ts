/** A job's events combined: the lines of its log, its steps, and its outcome. */
import type { JobEvent } from "../stream/event.ts";
import { byteSize } from "../shared/time.ts";
import { isTerminal, wordsOf } from "../jobs/jobState.ts";

export type LineTone = "plain" | "note" | "warn" | "error" | "good";

export interface LogLine {
  sequence: number;
  time: string;
  tone: LineTone;
  text: string;
}

export interface Step {
  name: string;
  state: "running" | "done";
  detail: string | null;
  startedAt: string;
  finishedAt: string | null;
}

export interface JobLog {
  /** The last event taken; a reconnect resumes after it. */
  lastSequence: number;
  lines: LogLine[];
  /** Number of lines removed at the top to keep the page fast. */
  droppedLines: number;
  steps: Step[];
  failure: { reason: string; hint: string | null } | null;
  summary: string | null;
  /** The latest state event, which may be ahead of the job as last fetched. */
  state: string | null;
  stateReason: string | null;
  /** True once the stream's own last event (a terminal state) is in. */
  ended: boolean;
}

export const EMPTY_LOG: JobLog = {
  lastSequence: 0,
  lines: [],
  droppedLines: 0,
  steps: [],
  failure: null,
  summary: null,
  state: null,
  stateReason: null,
  ended: false,
};

/** With more lines than this a browser scrolls badly; the oldest lines are removed. */
export const MAX_LINES = 4000;

/** Events may arrive twice (a reconnect overlaps); what is not newer than the last one taken is dropped. */
export function appendEvents(log: JobLog, events: readonly JobEvent[]): JobLog {
  const next = { ...log };
  const lines: LogLine[] = [];
  for (const event of events) {
    if (event.sequence <= next.lastSequence) continue;
    next.lastSequence = event.sequence;
    takeEvent(next, event);
    const line = lineOf(event, next.failure?.reason ?? null);
    if (line) lines.push({ sequence: event.sequence, time: event.time, ...line });
  }
  if (next.lastSequence === log.lastSequence) return log;
  if (lines.length > 0) {
    const all = [...log.lines, ...lines];
    const excess = Math.max(0, all.length - MAX_LINES);
    next.lines = all.slice(excess);
    next.droppedLines = log.droppedLines + excess;
  }
  return next;
}

function takeEvent(log: JobLog, event: JobEvent): void {
  switch (event.type) {
    case "step":
      log.steps = takeStep(log.steps, event.body, event.time);
      break;
    case "failed":
      log.failure = { reason: event.body.reason, hint: event.body.hint ?? null };
      break;
    case "succeeded":
      log.summary = event.body.summary;
      break;
    case "state":
      log.state = event.body.state;
      log.stateReason = event.body.reason ?? null;
      log.ended = isTerminal(event.body.state);
      break;
  }
}

function takeStep(
  steps: readonly Step[],
  body: { name: string; state: "running" | "done"; detail?: string | null },
  time: string,
): Step[] {
  const detail = body.detail ?? null;
  // The latest one of that name: a step may run again in a later iteration.
  const open = steps.findLastIndex((step) => step.name === body.name && step.state === "running");
  if (open >= 0) {
    return steps.map((step, index) =>
      index === open
        ? {
            ...step,
            state: body.state,
            detail: detail ?? step.detail,
            finishedAt: body.state === "done" ? time : null,
          }
        : step,
    );
  }
  return [
    ...steps,
    { name: body.name, state: body.state, detail, startedAt: time, finishedAt: body.state === "done" ? time : null },
  ];
}

/** `known` is the reason that a failed generator gave; the job's last event repeats it. */
function lineOf(event: JobEvent, known: string | null): { tone: LineTone; text: string } | null {
  switch (event.type) {
    case "heartbeat":
      return null;
    case "started":
      return {
        tone: "note",
        text: `Generator ${event.body.generator_version} started, provider ${event.body.provider}`,
      };
    case "step": {
      const detail = event.body.detail ? `: ${event.body.detail}` : "";
      return { tone: "note", text: `${event.body.state === "done" ? "Finished" : "Started"} ${event.body.name}${detail}` };
    }
    case "log":
      return { tone: event.body.level === "info" ? "plain" : event.body.level, text: event.body.message };
    case "artifact":
      return { tone: "good", text: `Stored ${event.body.name}, ${byteSize(event.body.size_bytes)}` };
    case "succeeded":
      return { tone: "good", text: event.body.summary };
    case "failed":
      return { tone: "error", text: event.body.reason };
    case "state": {
      const reason = event.body.reason && event.body.reason !== known ? `: ${event.body.reason}` : "";
      return { tone: "note", text: `${wordsOf(event.body.state).label}${reason}` };
    }
    case "other":
      return { tone: "note", text: otherText(event.name, event.body) };
  }
}

function otherText(name: string, body: unknown): string {
  const uri = (body as { uri?: unknown } | null)?.uri;
  if (typeof uri === "string") return `${name}: too long to show here, stored at ${uri}`;
  const text = JSON.stringify(body) ?? "";
  return text === "" || text === "{}" || text === "null" ? name : `${name}: ${text.slice(0, 2000)}`;
}
