import { expect, test } from "vitest";
import { projectCostWords, usageWords } from "./usage.ts";

const usage = (tokens: number, micro_usd: number, unpriced_tokens = 0, task_micro_usd = 0, own_micro_usd = 0) => ({
  tokens,
  micro_usd,
  own_micro_usd,
  unpriced_tokens,
  iterations: 0,
  seconds: 0,
  task_micro_usd,
});

test.each<[Parameters<typeof usage>, string | null]>([
  [[0, 0], null],
  [[900, 2], "900 tokens, less than $0.01"],
  [[1_234_567, 420_000], "1.2M tokens, $0.42"],
  [[1000, 12_500_000, 400], "1K tokens, at least $12.50"],
  [[1000, 0, 1000], "1K tokens, price not known"],
  [[0, 0, 0, 13_600], "task $0.01"],
  [[1000, 420_000, 0, 1_200_000], "1K tokens, $0.42; task $1.20"],
])("%j reads %j", (parts, words) => {
  expect(usageWords({ usage: usage(...parts), budget: {}, paid_by: "platform" })).toBe(words);
});

test("it is said who pays, where that is not the platform", () => {
  const words = (own: number, paid_by: "platform" | "tenant", unpriced = 0) =>
    usageWords({ usage: usage(1000, 420_000, unpriced, 0, own), budget: {}, paid_by });
  expect(words(420_000, "tenant")).toBe("1K tokens, $0.42 with your own key");
  expect(words(100_000, "platform")).toBe("1K tokens, $0.42, $0.10 of it with your own key");
  expect(words(0, "tenant", 1000)).toBe("1K tokens, price not known with your own key");
});

test("what models cost is shown against the budget", () => {
  expect(usageWords({ usage: usage(1000, 420_000), budget: { micro_usd: 5_000_000 }, paid_by: "platform" })).toBe("1K tokens, $0.42 of $5.00");
});

test("what a project cost is models and tasks together", () => {
  expect(projectCostWords({ micro_usd: 0, task_micro_usd: 0 })).toBeNull();
  expect(projectCostWords({ micro_usd: 420_000, task_micro_usd: 80_000 })).toBe("$0.50");
  expect(projectCostWords({ micro_usd: 2500, task_micro_usd: 0 })).toBe("less than $0.01");
});
