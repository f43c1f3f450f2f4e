import { expect, test } from "vitest";
import { askedPause, type Connection, FIRST_CONNECTION, nextConnection, pauseBefore, type Signal } from "./connection.ts";

const dropped = (closed: boolean): Signal => ({ type: "dropped", closed, now: 1000, jitter: 0 });

function run(...signals: Signal[]): Connection {
  return signals.reduce(nextConnection, FIRST_CONNECTION);
}

test("a broken connection is the browser's to retry, a closed one is ours", () => {
  expect(run({ type: "opened" }, dropped(false))).toEqual({ phase: "reconnecting", attempt: 1 });
  expect(run({ type: "opened" }, dropped(true))).toEqual({ phase: "waiting", attempt: 1, retryAt: 2000 });
});

test("pauses grow to a limit and start over after a success", () => {
  expect([1, 2, 3, 4, 5, 9].map((attempt) => pauseBefore(attempt, 0))).toEqual([
    1000, 2000, 4000, 8000, 15_000, 15_000,
  ]);
  expect(pauseBefore(1, 1)).toBe(1250);
  expect(run(dropped(true), { type: "retry" }, dropped(true))).toMatchObject({ attempt: 2 });
  expect(run(dropped(true), { type: "retry" }, { type: "opened" }, dropped(true))).toMatchObject({ attempt: 1 });
});

test("without a network nothing is retried until it is back", () => {
  expect(run({ type: "opened" }, { type: "offline" }, dropped(true))).toEqual({ phase: "offline", attempt: 0 });
  expect(run({ type: "offline" }, { type: "online" })).toEqual({ phase: "connecting", attempt: 0 });
});

test("the server may ask for a longer pause, and for no shorter one", () => {
  const asked = (retryAfterMs: number): Signal => ({ type: "asked", now: 1000, retryAfterMs, jitter: 0 });
  expect(run(dropped(true), asked(7000))).toEqual({ phase: "waiting", attempt: 1, retryAt: 8000 });
  expect(run(dropped(true), asked(200))).toEqual({ phase: "waiting", attempt: 1, retryAt: 2000 });
  expect(run({ type: "opened" }, asked(7000))).toEqual({ phase: "live", attempt: 0 });
  expect(askedPause(8000, 1)).toBe(10_000);
  expect(askedPause(1_000_000, 0)).toBe(60_000);
});

test("coming online does not disturb a stream that never stopped", () => {
  expect(run({ type: "opened" }, { type: "online" })).toEqual({ phase: "live", attempt: 0 });
});

test("the end is final", () => {
  for (const signal of [
    dropped(true),
    { type: "offline" },
    { type: "asked", now: 0, retryAfterMs: 1, jitter: 0 },
    { type: "retry" },
    { type: "opened" },
  ] as Signal[]) {
    expect(run({ type: "ended" }, signal)).toEqual({ phase: "ended", attempt: 0 });
  }
});
