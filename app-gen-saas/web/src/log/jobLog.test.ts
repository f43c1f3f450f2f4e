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

test("steps open and close, and a repeated one is a new entry", () => {
  const step = (sequence: number, name: string, state: "running" | "done", detail?: string): JobEvent => ({
    sequence,
    time: time(sequence),
    type: "step",
    body: { name, state, detail },
  });
  const result = appendEvents(EMPTY_LOG, [
    step(1, "write", "running"),
    step(2, "write", "done", "17 files"),
    step(3, "write", "running"),
    step(4, "pack", "done"),
  ]);
  expect(result.steps).toEqual([
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
