/** One event of a job's stream, as the page understands it. Kinds it does not know are kept and shown plainly. */

import type { Activity } from "./activity.ts";

interface Head {
  sequence: number;
  time: string;
}

export type JobEvent = Head &
  (
    | {
        type: "started";
        body: {
          generator_version: string;
          attempt: number;
          providers: Record<string, string | null>;
          request_id?: string;
        };
      }
    | { type: "stage"; body: { name: string; state: "running" | "done" | "failed"; detail?: string | null } }
    | { type: "activity"; body: { role: string; stage: string; what: Activity } }
    | { type: "check"; body: { name: string; outcome: string; detail?: string | null; seconds: number } }
    | { type: "commit"; body: { iteration: number; commit: string; role: string; message: string; diff: string } }
    | { type: "usage"; body: { role: string; stage: string; provider: string; model: string; micro_usd: number | null } }
    | { type: "checkpoint"; body: { number: number; commit: string } }
    | { type: "resources"; body: { peak_memory_bytes: number; peak_disk_bytes: number; processor_milliseconds: number } }
    | { type: "log"; body: { level: "info" | "warn" | "error"; message: string } }
    | { type: "heartbeat"; body: unknown }
    | { type: "artifact"; body: { name: string; size_bytes: number } }
    | { type: "delivered"; body: { url: string; commit?: string | null } }
    | { type: "succeeded"; body: { summary: string } }
    | { type: "failed"; body: { reason: string; hint?: string | null } }
    | { type: "waiting_approval"; body: { point: string; question: string } }
    | { type: "waiting_limit"; body: { provider: string; until: string | null; detail: string } }
    | { type: "interrupted"; body: { reason: string } }
    | { type: "state"; body: { state: string; reason?: string | null } }
    | { type: "other"; name: string; body: unknown }
  );

/** EventSource delivers a named event only to a listener of that name. */
export const EVENT_TYPES = [
  "started",
  "stage",
  "activity",
  "check",
  "commit",
  "usage",
  "checkpoint",
  "resources",
  "log",
  "heartbeat",
  "artifact",
  "delivered",
  "succeeded",
  "failed",
  "waiting_approval",
  "waiting_limit",
  "interrupted",
  "state",
] as const;

/** The fields a body must have to be read as its type. */
const REQUIRED: Record<(typeof EVENT_TYPES)[number], Record<string, "string" | "number" | "object">> = {
  started: { generator_version: "string", attempt: "number", providers: "object" },
  stage: { name: "string", state: "string" },
  activity: { role: "string", stage: "string", what: "object" },
  check: { name: "string", outcome: "string", seconds: "number" },
  commit: { iteration: "number", commit: "string", role: "string", message: "string", diff: "string" },
  usage: { role: "string", stage: "string", provider: "string", model: "string" },
  checkpoint: { number: "number", commit: "string" },
  resources: { peak_memory_bytes: "number", peak_disk_bytes: "number", processor_milliseconds: "number" },
  log: { level: "string", message: "string" },
  heartbeat: {},
  artifact: { name: "string", size_bytes: "number" },
  delivered: { url: "string" },
  succeeded: { summary: "string" },
  failed: { reason: "string" },
  waiting_approval: { point: "string", question: "string" },
  waiting_limit: { provider: "string", detail: "string" },
  interrupted: { reason: "string" },
  state: { state: "string" },
};

/** Null for data that is not an event at all. A known type with another body (by reference, newer) becomes "other". */
export function parseEvent(data: string): JobEvent | null {
  let value: unknown;
  try {
    value = JSON.parse(data);
  } catch {
    return null;
  }
  if (!isRecord(value) || typeof value.type !== "string" || !Number.isSafeInteger(value.sequence)) return null;
  const head = { sequence: value.sequence as number, time: typeof value.time === "string" ? value.time : "" };
  const required = isKnown(value.type) ? REQUIRED[value.type] : null;
  const body = isRecord(value.body) ? value.body : {};
  if (required && Object.entries(required).every(([field, kind]) => isOf(kind, body[field]))) {
    return { ...head, type: value.type, body } as JobEvent;
  }
  return { ...head, type: "other", name: value.type, body: value.body };
}

function isOf(kind: string, value: unknown): boolean {
  return kind === "object" ? isRecord(value) : typeof value === kind;
}

function isKnown(type: string): type is (typeof EVENT_TYPES)[number] {
  return (EVENT_TYPES as readonly string[]).includes(type);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
