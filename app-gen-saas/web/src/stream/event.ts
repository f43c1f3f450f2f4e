/** One event of a job's stream, as the page understands it. Kinds it does not know are kept and shown plainly. */

interface Head {
  sequence: number;
  time: string;
}

export type JobEvent = Head &
  (
    | { type: "started"; body: { generator_version: string; provider: string } }
    | { type: "step"; body: { name: string; state: "running" | "done"; detail?: string | null } }
    | { type: "log"; body: { level: "info" | "warn" | "error"; message: string } }
    | { type: "heartbeat"; body: unknown }
    | { type: "artifact"; body: { name: string; size_bytes: number } }
    | { type: "succeeded"; body: { summary: string } }
    | { type: "failed"; body: { reason: string; hint?: string | null } }
    | { type: "state"; body: { state: string; reason?: string | null } }
    | { type: "other"; name: string; body: unknown }
  );

/** EventSource delivers a named event only to a listener of that name. */
export const EVENT_TYPES = [
  "started",
  "step",
  "log",
  "heartbeat",
  "artifact",
  "succeeded",
  "failed",
  "state",
] as const;

/** The fields a body must have to be read as its type. */
const REQUIRED: Record<(typeof EVENT_TYPES)[number], Record<string, "string" | "number">> = {
  started: { generator_version: "string", provider: "string" },
  step: { name: "string", state: "string" },
  log: { level: "string", message: "string" },
  heartbeat: {},
  artifact: { name: "string", size_bytes: "number" },
  succeeded: { summary: "string" },
  failed: { reason: "string" },
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
  if (required && Object.entries(required).every(([field, kind]) => typeof body[field] === kind)) {
    return { ...head, type: value.type, body } as JobEvent;
  }
  return { ...head, type: "other", name: value.type, body: value.body };
}

function isKnown(type: string): type is (typeof EVENT_TYPES)[number] {
  return (EVENT_TYPES as readonly string[]).includes(type);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
