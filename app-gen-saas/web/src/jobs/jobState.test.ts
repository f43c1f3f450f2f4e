import { expect, test } from "vitest";
import { isTerminal, titleOf, wordsOf } from "./jobState.ts";

test("a state of a newer server is shown by its own name and is not taken for an end", () => {
  expect(wordsOf("waiting_payment").label).toBe("waiting payment");
  expect(isTerminal("waiting_payment")).toBe(false);
});

test("every terminal state has its words", () => {
  for (const state of ["succeeded", "failed", "cancelled", "timed_out", "lost"]) {
    expect(isTerminal(state)).toBe(true);
    expect(wordsOf(state).sentence).not.toBe("");
  }
});

test("a title is the first line, cut at a word", () => {
  expect(titleOf("\n  A recipe box\nwith tags")).toBe("A recipe box");
  const title = titleOf(`${"quiet words, ".repeat(20)}`);
  expect(title).toBe("quiet words, quiet words, quiet words, quiet words, quiet words, quiet words…");
  expect([...titleOf("🍲".repeat(200))]).toHaveLength(81);
});

test("what is not a new app is told as what it is", () => {
  expect(wordsOf("failed", "change")).toMatchObject({ label: "Failed", sentence: "This change could not be made." });
  expect(wordsOf("succeeded", "deliver").sentence).toBe("The delivery is done.");
  expect(wordsOf("cancelled", "change").sentence).toBe(wordsOf("cancelled").sentence);
});
