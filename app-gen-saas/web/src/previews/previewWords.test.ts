import { expect, test } from "vitest";
import { aPreview } from "./aPreview.ts";
import { phaseWords, remainingWords } from "./previewWords.ts";

test.each([
  ["2026-11-21T12:30:00.000Z", "ends in 30 min"],
  ["2026-11-21T12:00:01.000Z", "ends in 1 min"],
  ["2026-11-21T12:00:00.000Z", "ends now"],
  ["2026-11-21T11:00:00.000Z", "ends now"],
])("a preview until %s %s", (expiresAt, words) => {
  expect(remainingWords(expiresAt, Date.parse("2026-11-21T12:00:00.000Z"))).toBe(words);
});

test("each step of a start has its words, and so has one that only a newer server knows", () => {
  expect(phaseWords(aPreview({ phase: "installing" }))).toBe("Installing its packages…");
  expect(phaseWords(aPreview({ phase: null }))).toBe("Preparing its place…");
  expect(phaseWords(aPreview({ phase: "dreaming" }))).toBe("Starting it…");
});
