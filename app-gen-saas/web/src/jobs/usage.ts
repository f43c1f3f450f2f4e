/** What a job used, in words. */
import type { Job, Project } from "../api/types.ts";

/** "1.2M tokens, $0.42 of $5.00 with your own key; task $0.01", or null where nothing was paid for. */
export function usageWords({ usage, budget, paid_by }: Pick<Job, "usage" | "budget" | "paid_by">): string | null {
  const parts = [modelWords(usage, budget.micro_usd ?? null, paid_by), taskWords(usage)].filter((part) => part !== null);
  return parts.length > 0 ? parts.join("; ") : null;
}

/** What all jobs of a project cost so far, models and tasks: "$0.42", or null where nothing was paid for. */
export function projectCostWords({ micro_usd, task_micro_usd }: Pick<Project, "micro_usd" | "task_micro_usd">): string | null {
  const microUsd = micro_usd + task_micro_usd;
  return microUsd > 0 ? dollars(microUsd) : null;
}

function modelWords(usage: Job["usage"], limit: number | null, paidBy: Job["paid_by"]): string | null {
  if (usage.tokens === 0) return null;
  const tokens = `${count(usage.tokens)} tokens`;
  const payer = payerWords(usage, paidBy);
  if (usage.unpriced_tokens >= usage.tokens) return `${tokens}, price not known${payer}`;
  // Where a price is missing, the sum is only what is known of it.
  const least = usage.unpriced_tokens > 0 ? "at least " : "";
  return `${tokens}, ${least}${dollars(usage.micro_usd)}${limit === null ? "" : ` of ${dollars(limit)}`}${payer}`;
}

/** A job can change its provider: then only a part may be the tenant's. */
function payerWords({ micro_usd, own_micro_usd }: Job["usage"], paidBy: Job["paid_by"]): string {
  if (own_micro_usd > 0 && own_micro_usd < micro_usd) return `, ${dollars(own_micro_usd)} of it with your own key`;
  return paidBy === "tenant" || own_micro_usd > 0 ? " with your own key" : "";
}

function taskWords(usage: Job["usage"]): string | null {
  return usage.task_micro_usd > 0 ? `task ${dollars(usage.task_micro_usd)}` : null;
}

/** "$4.20", or "less than $0.01". */
export function dollars(microUsd: number): string {
  const amount = microUsd / 1_000_000;
  if (amount > 0 && amount < 0.01) return "less than $0.01";
  return `$${amount.toFixed(2)}`;
}

function count(number: number): string {
  return new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 }).format(number);
}
