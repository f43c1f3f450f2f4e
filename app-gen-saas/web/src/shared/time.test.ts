import { describe, expect, test } from "vitest";
import { byteSize, clockTime, duration, relativeTime } from "./time.ts";

const calendar = { locale: "en-GB", timeZone: "UTC" };
const now = Date.parse("2026-11-21T12:00:00Z");

describe("relativeTime", () => {
  test.each([
    ["2026-11-21T11:59:55Z", "just now"],
    ["2026-11-21T12:00:03Z", "just now"],
    ["2026-11-21T11:59:20Z", "40 s ago"],
    ["2026-11-21T11:57:00Z", "3 min ago"],
    ["2026-11-21T00:30:00Z", "11 h ago"],
    ["2026-11-20T23:30:00Z", "yesterday at 23:30"],
    ["2026-11-12T14:05:00Z", "12 Nov at 14:05"],
    ["2025-11-12T14:05:00Z", "12 Nov 2025"],
    ["nonsense", "at an unknown time"],
  ])("%s is %s", (time, words) => {
    expect(relativeTime(time, now, calendar)).toBe(words);
  });

  test("the day changes in the reader's time zone, not in UTC", () => {
    const tokyo = { locale: "en-GB", timeZone: "Asia/Tokyo" };
    // 23:30 UTC on the 20th is 08:30 on the 21st in Tokyo, where it is now 21:00.
    expect(relativeTime("2026-11-20T23:30:00Z", now, tokyo)).toBe("12 h ago");
  });
});

test("clockTime counts hours from 00 to 23 and has optional seconds", () => {
  expect(clockTime("2026-11-21T00:05:09Z", calendar)).toBe("00:05:09");
  expect(clockTime("2026-11-21T00:05:09Z", calendar, false)).toBe("00:05");
});

test.each([
  [-5, "0.0 s"],
  [840, "0.8 s"],
  [9_960, "10 s"],
  [12_400, "12 s"],
  [59_700, "1 min 00 s"],
  [65_000, "1 min 05 s"],
  [7_800_000, "2 h 10 min"],
])("a duration of %d ms is %s", (milliseconds, words) => {
  expect(duration(milliseconds)).toBe(words);
});

test.each([
  [812, "812 B"],
  [32_440, "32.4 kB"],
  [999_960, "1.0 MB"],
  [1_234_567_890, "1.2 GB"],
])("%d bytes are %s", (bytes, words) => {
  expect(byteSize(bytes)).toBe(words);
});
