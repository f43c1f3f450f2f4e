import { expect, test } from "vitest";
import { type Activity, tell } from "./activity.ts";

const excerpt = (text: string) => ({ text, bytes: text.length });

test("a short saying stands alone, and a long one unfolds", () => {
  expect(tell({ activity: "said", text: excerpt("I begin.\n") })).toEqual({
    text: "I begin.",
    more: null,
    isProblem: false,
  });
  expect(tell({ activity: "said", text: excerpt("First\nSecond") })).toEqual({
    text: "First …",
    more: "First\nSecond",
    isProblem: false,
  });
  const told = tell({ activity: "tool_started", name: "Bash", input: excerpt("x".repeat(500)) });
  expect([...(told?.text ?? "")]).toHaveLength("Bash: ".length + 161);
  expect(told?.more).toHaveLength(500);
});

test("what a tool gave is folded, and a failure is a problem", () => {
  expect(tell({ activity: "tool_ended", result: excerpt("ok"), is_error: false })).toEqual({
    text: "result",
    more: "ok",
    isProblem: false,
  });
  expect(tell({ activity: "tool_ended", result: excerpt(""), is_error: false })).toBeNull();
  expect(tell({ activity: "tool_ended", result: excerpt("exit 1"), is_error: true })?.isProblem).toBe(true);
});

test("what is counted elsewhere is not told", () => {
  expect(tell({ activity: "used" })).toBeNull();
  expect(tell({ activity: "noted", event: "status" })).toBeNull();
});

test("an activity of a newer generator, or one with other fields, is shown plainly", () => {
  const newer = { activity: "looked_around", at: "files" } as unknown as Activity;
  expect(tell(newer)).toEqual({ text: "looked around", more: JSON.stringify(newer), isProblem: false });
  const odd = { activity: "said", words: "x" } as unknown as Activity;
  expect(tell(odd)?.more).toBe(JSON.stringify(odd));
});
