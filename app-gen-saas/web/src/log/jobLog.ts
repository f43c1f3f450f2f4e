/** A job's events combined: the lines of its log, its stages, and its outcome. */
import { tell } from "../stream/activity.ts";
import type { JobEvent } from "../stream/event.ts";
import { byteSize } from "../shared/time.ts";
import { isTerminal, wordsOf } from "../jobs/jobState.ts";

export type LineTone = "plain" | "note" | "warn" | "error" | "good";

export interface LogLine {
  sequence: number;
  time: string;
  tone: LineTone;
  text: string;
  /** More of it, which the reader unfolds. */
  more: string | null;
}

export interface Stage {
  name: string;
  state: "running" | "done" | "failed";
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
  stages: Stage[];
  failure: { reason: string; hint: string | null } | null;
  /** What the last event of the latest attempt said; the job's own state repeats it. */
  ending: string | null;
  summary: string | null;
  /** Where a delivery is. */
  place: string | null;
  /** Whether the latest attempt ended with something to wait for. */
  waited: boolean;
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
  stages: [],
  failure: null,
  ending: null,
  summary: null,
  place: null,
  waited: false,
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
    const line = lineOf(event, next.ending);
    if (line) lines.push({ sequence: event.sequence, time: event.time, more: null, ...line });
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
    case "started":
      // What an interrupted attempt left open is not what this one begins. What waited goes on, and is told again.
      log.stages = log.waited
        ? log.stages.filter((stage) => stage.state !== "running")
        : log.stages.map((stage) =>
            stage.state === "running" ? { ...stage, state: "failed", finishedAt: event.time } : stage,
          );
      log.waited = false;
      break;
    case "stage":
      log.stages = takeStage(log.stages, event.body, event.time);
      break;
    case "failed":
      log.failure = { reason: event.body.reason, hint: event.body.hint ?? null };
      log.ending = event.body.reason;
      break;
    case "waiting_approval":
      log.ending = event.body.question;
      log.waited = true;
      break;
    case "waiting_limit":
      log.ending = event.body.detail;
      log.waited = true;
      break;
    case "interrupted":
      log.ending = event.body.reason;
      break;
    case "delivered":
      log.place = /^https?:\/\//.test(event.body.url) ? event.body.url : null;
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

function takeStage(
  stages: readonly Stage[],
  body: { name: string; state: "running" | "done" | "failed"; detail?: string | null },
  time: string,
): Stage[] {
  const detail = body.detail ?? null;
  // The latest one of that name: a stage may run again in a later iteration.
  const open = stages.findLastIndex((stage) => stage.name === body.name && stage.state === "running");
  if (open >= 0) {
    return stages.map((stage, index) =>
      index === open
        ? {
            ...stage,
            state: body.state,
            detail: detail ?? stage.detail,
            finishedAt: body.state === "running" ? null : time,
          }
        : stage,
    );
  }
  return [
    ...stages,
    { name: body.name, state: body.state, detail, startedAt: time, finishedAt: body.state === "running" ? null : time },
  ];
}

/** What was not proven, or has an outcome that this page does not know, is to be looked at. */
const CHECK_TONES: Record<string, LineTone> = { passed: "good", failed: "error" };

/** `known` is what the generator said at its end; the state that follows repeats it. */
function lineOf(event: JobEvent, known: string | null): { tone: LineTone; text: string; more?: string | null } | null {
  switch (event.type) {
    case "heartbeat":
      return null;
    case "usage":
    case "resources":
      // The job's own totals are shown, and they count them all.
      return null;
    case "started": {
      const names = Object.entries(event.body.providers).map(([name, version]) => (version ? `${name} ${version}` : name));
      const attempt = event.body.attempt > 1 ? `, attempt ${event.body.attempt}` : "";
      const version = event.body.generator_version;
      return { tone: "note", text: `Generator ${version} started${attempt}, provider ${names.join(", ")}` };
    }
    case "stage": {
      const detail = event.body.detail ? `: ${event.body.detail}` : "";
      const words = { running: "Started", done: "Finished", failed: "Failed:" }[event.body.state] ?? event.body.state;
      return { tone: event.body.state === "failed" ? "error" : "note", text: `${words} ${event.body.name}${detail}` };
    }
    case "activity": {
      const told = tell(event.body.what);
      if (!told) return null;
      return { tone: told.isProblem ? "warn" : "plain", text: `${event.body.role}: ${told.text}`, more: told.more };
    }
    case "check":
      return {
        tone: CHECK_TONES[event.body.outcome] ?? "warn",
        text: `Check ${event.body.name}: ${event.body.outcome}`,
        more: event.body.detail ?? null,
      };
    case "commit":
      return {
        tone: "note",
        text: `Commit ${event.body.commit.slice(0, 10)} (iteration ${event.body.iteration}): ${event.body.message}`,
        more: event.body.diff || null,
      };
    case "checkpoint":
      return { tone: "note", text: `Kept as checkpoint ${event.body.number}` };
    case "waiting_approval":
      return { tone: "warn", text: event.body.question };
    case "waiting_limit":
      return { tone: "warn", text: `${event.body.provider}: ${event.body.detail}` };
    case "interrupted":
      return { tone: "warn", text: `Interrupted: ${event.body.reason}` };
    case "log":
      return { tone: event.body.level === "info" ? "plain" : event.body.level, text: event.body.message };
    case "artifact":
      return { tone: "good", text: `Stored ${event.body.name}, ${byteSize(event.body.size_bytes)}` };
    case "delivered":
      return {
        tone: "good",
        text: event.body.commit
          ? `${event.body.url} shows commit ${event.body.commit.slice(0, 10)}`
          : `${event.body.url} shows no commit`,
      };
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
