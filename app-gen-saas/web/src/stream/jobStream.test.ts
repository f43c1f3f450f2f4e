import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { setCredentials } from "../accounts/credentials.ts";
import type { Connection } from "./connection.ts";
import type { JobEvent } from "./event.ts";
import { FakeEventSource } from "./fakeEventSource.ts";
import { IDLE_SILENCE_MS, openJobStream, SILENCE_MS } from "./jobStream.ts";

let events: JobEvent[];
let batches: number;
let phases: Connection["phase"][];
let finalSequence: number | null;

function follow(after = 0) {
  return openJobStream({
    jobId: "job",
    after,
    onEvents: (batch) => {
      batches += 1;
      events.push(...batch);
    },
    onConnection: (connection) => phases.push(connection.phase),
    finalSequence: () => finalSequence,
  });
}

beforeEach(() => {
  events = [];
  batches = 0;
  phases = [];
  finalSequence = null;
  FakeEventSource.opened = [];
  vi.useFakeTimers();
  vi.spyOn(Math, "random").mockReturnValue(0);
  vi.stubGlobal("EventSource", FakeEventSource);
  vi.stubGlobal("fetch", vi.fn(async () => new Response(null, { status: 502 })));
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const sequences = () => events.map((event) => event.sequence);
const say = (sequence: number) => FakeEventSource.latest.send(sequence, "log", { level: "info", message: "m" });

test("a burst is handed on at once", () => {
  const stream = follow();
  FakeEventSource.latest.open();
  for (let sequence = 1; sequence <= 100; sequence++) say(sequence);
  vi.advanceTimersByTime(100);
  expect(events).toHaveLength(100);
  expect(batches).toBe(1);
  stream.close();
});

test("a connection the browser gave up is opened anew after the last event", () => {
  const stream = follow(4);
  expect(FakeEventSource.latest.url).toBe("/api/jobs/job/events?after=4");
  FakeEventSource.latest.open();
  say(5);
  say(6);
  FakeEventSource.latest.drop(true);
  expect(phases).toEqual(["live", "waiting"]);
  vi.advanceTimersByTime(999);
  expect(FakeEventSource.opened).toHaveLength(1);
  vi.advanceTimersByTime(1);
  expect(FakeEventSource.opened).toHaveLength(2);
  expect(FakeEventSource.latest.url).toBe("/api/jobs/job/events?after=6");
  FakeEventSource.latest.open();
  say(6);
  say(7);
  vi.advanceTimersByTime(100);
  expect(sequences()).toEqual([5, 6, 7]);
  stream.close();
});

test("a connection the browser retries is left to it, and what overlaps is dropped", () => {
  const stream = follow();
  FakeEventSource.latest.open();
  say(1);
  FakeEventSource.latest.drop(false);
  expect(phases.at(-1)).toBe("reconnecting");
  FakeEventSource.latest.open();
  say(1);
  say(2);
  vi.advanceTimersByTime(20_000);
  expect(FakeEventSource.opened).toHaveLength(1);
  expect(sequences()).toEqual([1, 2]);
  stream.close();
});

test("the terminal event ends the stream: what the server closes then is not retried", () => {
  follow();
  const source = FakeEventSource.latest;
  source.open();
  source.send(1, "state", { state: "succeeded" });
  expect(events).toHaveLength(1);
  expect(phases.at(-1)).toBe("ended");
  expect(source.readyState).toBe(FakeEventSource.CLOSED);
  source.drop(true);
  vi.advanceTimersByTime(60_000);
  expect(FakeEventSource.opened).toHaveLength(1);
});

test("a finished job whose events are all held is at its end, not broken", () => {
  finalSequence = 9;
  follow(9);
  FakeEventSource.latest.drop(false);
  expect(phases).toEqual(["ended"]);
});

test("a retry by hand does not wait for the pause, nor does it connect twice", () => {
  const stream = follow();
  FakeEventSource.latest.drop(true);
  stream.retry();
  expect(FakeEventSource.opened).toHaveLength(2);
  vi.advanceTimersByTime(5000);
  expect(FakeEventSource.opened).toHaveLength(2);
  stream.close();
});

test("a server that has no room is asked how long to wait", async () => {
  const busy = new Response(null, { status: 503, headers: { "retry-after": "7" } });
  vi.stubGlobal("fetch", vi.fn(async () => busy));
  const stream = follow(3);
  FakeEventSource.latest.drop(true);
  await vi.advanceTimersByTimeAsync(6999);
  expect(fetch).toHaveBeenCalledTimes(1);
  expect(FakeEventSource.opened).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(1);
  expect(FakeEventSource.opened).toHaveLength(2);
  expect(FakeEventSource.latest.url).toBe("/api/jobs/job/events?after=3");
  stream.close();
});

test("a stream that was closed is not opened by a late answer", async () => {
  const stream = follow();
  const busy = new Response(null, { status: 503, headers: { "retry-after": "7" } });
  vi.stubGlobal("fetch", vi.fn(async () => busy));
  FakeEventSource.latest.drop(true);
  stream.close();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(FakeEventSource.opened).toHaveLength(1);
  expect(vi.getTimerCount()).toBe(0);
});

test("without a network it waits for it", () => {
  const stream = follow();
  FakeEventSource.latest.open();
  window.dispatchEvent(new Event("offline"));
  expect(phases.at(-1)).toBe("offline");
  vi.advanceTimersByTime(120_000);
  expect(FakeEventSource.opened).toHaveLength(1);
  window.dispatchEvent(new Event("online"));
  expect(FakeEventSource.opened).toHaveLength(2);
  stream.close();
});

test("a connection that fell silent is replaced", () => {
  const stream = follow();
  FakeEventSource.latest.open();
  vi.advanceTimersByTime(SILENCE_MS - 1);
  FakeEventSource.latest.send(1, "heartbeat", {});
  vi.advanceTimersByTime(SILENCE_MS - 1);
  expect(FakeEventSource.opened).toHaveLength(1);
  vi.advanceTimersByTime(1);
  expect(FakeEventSource.opened).toHaveLength(2);
  expect(FakeEventSource.latest.url).toBe("/api/jobs/job/events?after=1");
  stream.close();
});

test("a job that waits may be silent for longer", () => {
  const stream = follow();
  FakeEventSource.latest.open();
  FakeEventSource.latest.send(1, "state", { state: "waiting_approval" });
  vi.advanceTimersByTime(IDLE_SILENCE_MS - 1);
  expect(FakeEventSource.opened).toHaveLength(1);
  vi.advanceTimersByTime(1);
  expect(FakeEventSource.opened).toHaveLength(2);
  FakeEventSource.latest.open();
  FakeEventSource.latest.send(2, "state", { state: "running" });
  vi.advanceTimersByTime(SILENCE_MS);
  expect(FakeEventSource.opened).toHaveLength(3);
  stream.close();
});

test("a closed stream leaves nothing behind", () => {
  const stream = follow();
  FakeEventSource.latest.drop(true);
  stream.close();
  window.dispatchEvent(new Event("online"));
  vi.advanceTimersByTime(60_000);
  expect(FakeEventSource.opened).toHaveLength(1);
  expect(vi.getTimerCount()).toBe(0);
});

test("where there are accounts, each connection has a ticket of its own", async () => {
  let tickets = 0;
  const give = vi.fn(async () => {
    tickets += 1;
    return Response.json({ ticket: `agt_${tickets}` }, { status: 201 });
  });
  vi.stubGlobal("fetch", give);
  setCredentials(async () => ({ authorization: "Bearer token" }));
  const stream = follow(4);
  expect(FakeEventSource.opened).toHaveLength(0);
  await vi.advanceTimersByTimeAsync(0);
  expect(FakeEventSource.latest.url).toBe("/api/jobs/job/events?after=4&ticket=agt_1");
  FakeEventSource.latest.open();
  say(5);
  stream.retry();
  await vi.advanceTimersByTimeAsync(0);
  stream.close();
  setCredentials(null);
  for (const [path] of give.mock.calls as unknown as [string][]) expect(path).toBe("/api/stream-tickets");
});

test("a ticket that comes too late opens nothing", async () => {
  setCredentials(async () => ({ authorization: "Bearer token" }));
  vi.stubGlobal("fetch", vi.fn(async () => Response.json({ ticket: "agt_1" }, { status: 201 })));
  const stream = follow();
  stream.close();
  await vi.advanceTimersByTimeAsync(0);
  expect(FakeEventSource.opened).toHaveLength(0);
  setCredentials(null);
});
