import { expect, test } from "vitest";
import { parseEvent } from "./event.ts";

const time = "2026-11-21T12:00:00.000Z";

test("a known event is read with its body", () => {
  const data = JSON.stringify({ job_id: "j", sequence: 3, time, type: "log", body: { level: "warn", message: "slow" } });
  expect(parseEvent(data)).toEqual({ sequence: 3, time, type: "log", body: { level: "warn", message: "slow" } });
});

test("a body that was stored elsewhere keeps its place in the stream", () => {
  const data = JSON.stringify({ sequence: 4, time, type: "log", body: { uri: "s3://bucket/events/000004.json" } });
  expect(parseEvent(data)).toEqual({
    sequence: 4,
    time,
    type: "other",
    name: "log",
    body: { uri: "s3://bucket/events/000004.json" },
  });
});

test("an event of a newer generator is kept under its name", () => {
  expect(parseEvent(JSON.stringify({ sequence: 5, time, type: "review", body: { score: 9 } }))).toMatchObject({
    type: "other",
    name: "review",
  });
});

test.each(["", "{", "null", "[]", '{"type":"log"}', '{"type":"log","sequence":1.5}', '{"sequence":1}'])(
  "%j is no event",
  (data) => {
    expect(parseEvent(data)).toBeNull();
  },
);
