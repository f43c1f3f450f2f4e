import { describe, expect, test } from "vitest";
import type { JobEvent } from "../stream/event.ts";
import { appendEvents, EMPTY_LOG, MAX_LINES } from "./jobLog.ts";

const time = (second: number) => `2026-11-21T12:00:${String(second).padStart(2, "0")}.000Z`;

function log(sequence: number, message: string): JobEvent {
  return { sequence, time: time(sequence % 60), type: "log", body: { level: "info", message } };
}

describe("a stream that overlaps after a reconnect", () => {
  test("shows each event once", () => {
    const first = appendEvents(EMPTY_LOG, [log(1, "one"), log(2, "two")]);
    const second = appendEvents(first, [log(1, "one"), log(2, "two"), log(3, "three")]);
    expect(second.lines.map((line) => line.text)).toEqual(["one", "two", "three"]);
    expect(second.lastSequence).toBe(3);
  });

  test("is the same object when nothing is new, so that nothing renders", () => {
    const first = appendEvents(EMPTY_LOG, [log(1, "one")]);
    expect(appendEvents(first, [log(1, "one")])).toBe(first);
  });
});

test("a heartbeat moves the resume point and adds no line", () => {
  const result = appendEvents(EMPTY_LOG, [{ sequence: 1, time: time(1), type: "heartbeat", body: {} }]);
  expect(result).toMatchObject({ lastSequence: 1, lines: [] });
});

test("stages open and close, and a repeated one is a new entry", () => {
  const stage = (sequence: number, name: string, state: "running" | "done" | "failed", detail?: string): JobEvent => ({
    sequence,
    time: time(sequence),
    type: "stage",
    body: { name, state, detail },
  });
  const result = appendEvents(EMPTY_LOG, [
    stage(1, "write", "running"),
    stage(2, "write", "done", "17 files"),
    stage(3, "write", "running"),
    stage(4, "pack", "done"),
  ]);
  expect(result.stages).toEqual([
    { name: "write", state: "done", detail: "17 files", startedAt: time(1), finishedAt: time(2) },
    { name: "write", state: "running", detail: null, startedAt: time(3), finishedAt: null },
    { name: "pack", state: "done", detail: null, startedAt: time(4), finishedAt: time(4) },
  ]);
});

test("a failure keeps reason and hint, and the terminal state ends the log", () => {
  const result = appendEvents(EMPTY_LOG, [
    { sequence: 1, time: time(1), type: "failed", body: { reason: "unknown provider", hint: "use template" } },
    { sequence: 2, time: time(2), type: "state", body: { state: "failed", reason: "unknown provider" } },
  ]);
  expect(result).toMatchObject({
    failure: { reason: "unknown provider", hint: "use template" },
    state: "failed",
    stateReason: "unknown provider",
    ended: true,
  });
  expect(result.lines.map((line) => line.text)).toEqual(["unknown provider", "Failed"]);
});

test("a question is in the log once", () => {
  const result = appendEvents(EMPTY_LOG, [
    { sequence: 1, time: time(1), type: "waiting_approval", body: { point: "before_publish", question: "Well?" } },
    { sequence: 2, time: time(2), type: "state", body: { state: "waiting_approval", reason: "Well?" } },
  ]);
  expect(result.lines.map((line) => line.text)).toEqual(["Well?", "Needs approval"]);
  expect(result.ended).toBe(false);
});

test("a reason that only the orchestrator knows stands in the log", () => {
  const result = appendEvents(EMPTY_LOG, [
    { sequence: 1, time: time(1), type: "state", body: { state: "failed", reason: "exit code 137" } },
  ]);
  expect(result.lines[0]?.text).toBe("Failed: exit code 137");
});

test("a very long log drops its oldest lines and says how many", () => {
  const events = Array.from({ length: MAX_LINES + 10 }, (_, index) => log(index + 1, `line ${index + 1}`));
  const result = appendEvents(EMPTY_LOG, events);
  expect(result.lines).toHaveLength(MAX_LINES);
  expect(result.droppedLines).toBe(10);
  expect(result.lines[0]?.text).toBe("line 11");
});

test("a body stored elsewhere says where", () => {
  const result = appendEvents(EMPTY_LOG, [
    { sequence: 1, time: time(1), type: "other", name: "log", body: { uri: "s3://b/000001.json" } },
  ]);
  expect(result.lines[0]?.text).toBe("log: too long to show here, stored at s3://b/000001.json");
});

test("a stage that failed is closed", () => {
  const result = appendEvents(EMPTY_LOG, [
    { sequence: 1, time: time(1), type: "stage", body: { name: "check", state: "running" } },
    { sequence: 2, time: time(2), type: "stage", body: { name: "check", state: "failed", detail: "2 of 5 failed" } },
  ]);
  expect(result.stages).toEqual([
    { name: "check", state: "failed", detail: "2 of 5 failed", startedAt: time(1), finishedAt: time(2) },
  ]);
});

test("a stage that an attempt left open is not continued by the next one", () => {
  const build = (sequence: number): JobEvent => ({
    sequence,
    time: time(sequence),
    type: "stage",
    body: { name: "build", state: "running" },
  });
  const started: JobEvent = {
    sequence: 3,
    time: time(3),
    type: "started",
    body: { generator_version: "0.1.0", attempt: 2, providers: { template: null } },
  };
  const interrupted: JobEvent = { sequence: 2, time: time(2), type: "interrupted", body: { reason: "stopped" } };
  const result = appendEvents(EMPTY_LOG, [build(1), interrupted, started, build(4)]);
  expect(result.stages).toEqual([
    { name: "build", state: "failed", detail: null, startedAt: time(1), finishedAt: time(3) },
    { name: "build", state: "running", detail: null, startedAt: time(4), finishedAt: null },
  ]);
  const asked: JobEvent = {
    sequence: 2,
    time: time(2),
    type: "waiting_approval",
    body: { point: "before_publish", question: "May it be published?" },
  };
  const resumed = appendEvents(EMPTY_LOG, [build(1), asked, started, build(4)]);
  expect(resumed.stages).toEqual([
    { name: "build", state: "running", detail: null, startedAt: time(4), finishedAt: null },
  ]);
});

test("an agent's work is readable, with the long parts folded", () => {
  const event = (sequence: number, body: unknown): JobEvent =>
    ({ sequence, time: time(sequence), type: "activity", body }) as JobEvent;
  const result = appendEvents(EMPTY_LOG, [
    event(1, { role: "builder", stage: "build", what: { activity: "said", text: { text: "I begin.", bytes: 8 } } }),
    event(2, {
      role: "builder",
      stage: "build",
      what: { activity: "tool_ended", result: { text: "line 1\nline 2", bytes: 13 }, is_error: false },
    }),
    event(3, { role: "builder", stage: "build", what: { activity: "used", usage: {} } }),
    {
      sequence: 4,
      time: time(4),
      type: "commit",
      body: { iteration: 2, commit: "0123456789abcdef", role: "builder", message: "Add tests", diff: "+one" },
    },
  ]);
  expect(result.lines.map((line) => [line.text, line.more])).toEqual([
    ["builder: I begin.", null],
    ["builder: result", "line 1\nline 2"],
    ["Commit 0123456789 (iteration 2): Add tests", "+one"],
  ]);
});

test("a later attempt says which one it is", () => {
  const result = appendEvents(EMPTY_LOG, [
    {
      sequence: 1,
      time: time(1),
      type: "started",
      body: { generator_version: "0.1.0", attempt: 2, providers: { claude: "2.1.0", template: null } },
    },
  ]);
  expect(result.lines[0]?.text).toBe("Generator 0.1.0 started, attempt 2, provider claude 2.1.0, template");
});
