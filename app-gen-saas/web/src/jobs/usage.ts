/** What a job used, in words. */
import type { Job } from "../api/types.ts";

/** "1.2 M tokens, $0.42", "900 tokens, price not known", or null where no model was asked. */
export function usageWords(usage: Job["usage"]): string | null {
  if (usage.tokens === 0) return null;
  const tokens = `${count(usage.tokens)} tokens`;
  if (usage.unpriced_tokens >= usage.tokens) return `${tokens}, price not known`;
  // Where a price is missing, the sum is only what is known of it.
  return `${tokens}, ${usage.unpriced_tokens > 0 ? "at least " : ""}${dollars(usage.micro_usd)}`;
}

function dollars(microUsd: number): string {
  const amount = microUsd / 1_000_000;
  if (amount > 0 && amount < 0.01) return "less than $0.01";
  return `$${amount.toFixed(2)}`;
}

function count(number: number): string {
  return new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 }).format(number);
}
