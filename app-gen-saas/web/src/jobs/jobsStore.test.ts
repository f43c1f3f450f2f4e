import { describe, expect, test } from "vitest";
import type { Job } from "../api/types.ts";
import { aJob } from "./aJob.ts";
import { type JobsAction, newestFirst, NO_JOBS, reduceJobs } from "./jobsStore.ts";

const listed = (jobs: Job[], older = false, pageSize = 50): JobsAction => ({ type: "listed", jobs, pageSize, older });
const run = (...actions: JobsAction[]) => actions.reduce(reduceJobs, NO_JOBS);

describe("answers that overtake each other", () => {
  const queued = aJob({ id: "a", state: "queued", last_sequence: 1 });

  test("a list that left before the stream's news does not turn the job back", () => {
    const state = run(
      listed([queued]),
      { type: "streamed", jobId: "a", state: "running", reason: null, sequence: 4 },
      listed([queued]),
    );
    expect(state.jobs.get("a")).toMatchObject({ state: "running", last_sequence: 4 });
  });

  test("a finished job stays finished", () => {
    const done = aJob({ id: "a", state: "succeeded", last_sequence: 9 });
    const state = run(listed([done]), listed([{ ...done, state: "running" }]));
    expect(state.jobs.get("a")?.state).toBe("succeeded");
  });

  test("the fetched job adds what the stream could not tell", () => {
    const done = aJob({
      id: "a",
      state: "succeeded",
      last_sequence: 9,
      artifact: { name: "app.zip", size_bytes: 1, sha256: "00" },
    });
    const state = run(
      listed([queued]),
      { type: "streamed", jobId: "a", state: "succeeded", reason: null, sequence: 9 },
      { type: "received", job: done },
    );
    expect(state.jobs.get("a")).toEqual(done);
  });

  test("a poll that brings nothing new keeps the same jobs", () => {
    const first = run(listed([queued]));
    expect(reduceJobs(first, listed([{ ...queued }])).jobs).toBe(first.jobs);
  });
});

test("a failed call keeps what is known and says why", () => {
  const state = run(listed([aJob({ id: "a" })]), { type: "failed", message: "The server can’t be reached." });
  expect(state).toMatchObject({ status: "failed", problem: "The server can’t be reached." });
  expect(state.jobs.size).toBe(1);
  expect(reduceJobs(state, listed([]))).toMatchObject({ status: "ready", problem: null });
});

test("older pages are offered until a page comes back short", () => {
  const page = (from: number, count: number) =>
    Array.from({ length: count }, (_, index) => aJob({ id: `job-${from + index}` }));
  const first = run(listed(page(0, 2), false, 2));
  expect(first.hasOlder).toBe(true);
  const second = reduceJobs(first, listed(page(2, 1), true, 2));
  expect(second.hasOlder).toBe(false);
  expect(reduceJobs(second, listed(page(0, 2), false, 2)).hasOlder).toBe(false);
});

test("jobs are shown newest first, and by id within one moment", () => {
  const state = run(
    listed([
      aJob({ id: "a", created_at: "2026-11-21T10:00:00.000Z" }),
      aJob({ id: "c", created_at: "2026-11-21T11:00:00.000Z" }),
      aJob({ id: "b", created_at: "2026-11-21T11:00:00.000Z" }),
    ]),
  );
  expect(newestFirst(state.jobs).map((job) => job.id)).toEqual(["c", "b", "a"]);
});
