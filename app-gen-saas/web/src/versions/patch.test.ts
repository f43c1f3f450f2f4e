import { expect, test } from "vitest";
import { parsePatch } from "./patch.ts";

test("lines have their kind, and their numbers in both versions", () => {
  expect(parsePatch("@@ -1,2 +1,3 @@\n one\n-two\n+2\n+3\n@@ -10 +11 @@\n-x\n+y\n")).toEqual([
    { kind: "place", text: "@@ -1,2 +1,3 @@" },
    { kind: "same", before: 1, after: 1, text: "one" },
    { kind: "removed", before: 2, after: null, text: "two" },
    { kind: "added", before: null, after: 2, text: "2" },
    { kind: "added", before: null, after: 3, text: "3" },
    { kind: "place", text: "@@ -10 +11 @@" },
    { kind: "removed", before: 10, after: null, text: "x" },
    { kind: "added", before: null, after: 11, text: "y" },
  ]);
});

test("what looks like a sign inside a line is text", () => {
  expect(parsePatch("@@ -1 +1 @@\n--- a\n+++ b\n+@@ c\n").slice(1)).toEqual([
    { kind: "removed", before: 1, after: null, text: "-- a" },
    { kind: "added", before: null, after: 1, text: "++ b" },
    { kind: "added", before: null, after: 2, text: "@@ c" },
  ]);
});

test("a missing newline is a note", () => {
  expect(parsePatch("@@ -0,0 +1 @@\n+a\n\\ No newline at end of file\n").at(-1)).toEqual({
    kind: "note",
    text: "No newline at end of file",
  });
  expect(parsePatch("")).toEqual([]);
});
