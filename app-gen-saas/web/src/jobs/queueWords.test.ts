import { expect, test } from "vitest";
import type { Job } from "../api/types.ts";
import { queueWords } from "./queueWords.ts";

type Queue = NonNullable<Job["queue"]>;

const words = (queue: Partial<Queue> | null, waits_for: string | null = null, state: Job["state"] = "queued") =>
  queueWords({
    state,
    waits_for,
    queue: queue && { place: 1, reason: "room", running: 0, jobs_at_once: null, resets_at: null, ...queue },
  });

test("its place in line is said", () => {
  expect(words({})).toBe("Waiting for a free generator; it is the next in line.");
  expect(words({ place: 4 })).toBe("Waiting for a free generator; it is about number 4 in line.");
  expect(words({ place: null })).toBeNull();
});

test("a limit is said with its numbers", () => {
  expect(words({ reason: "tenant_jobs_at_once", running: 2, jobs_at_once: 2, place: 3 })).toBe(
    "2 of at most 2 jobs at once are running; it is about number 3 in line.",
  );
  expect(words({ reason: "tenant_micro_usd_per_month", resets_at: "2026-12-01T00:00:00.000Z" })).toBe(
    "This month’s dollars for models are used up. It begins on December 1, or when an operator allows more.",
  );
});

test("a change waits for the one before it", () => {
  const sentence = "It begins when the change before it has ended.";
  expect(words({ reason: "project" }, "before")).toBe(sentence);
  expect(words(null, "before")).toBe(sentence);
});

test("a job that has begun waits for nothing", () => {
  expect(words({}, null, "running")).toBeNull();
  expect(words(null)).toBeNull();
});
