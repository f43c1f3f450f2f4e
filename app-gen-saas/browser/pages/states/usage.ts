/** The states of the page of what was used. */
import { aMonth } from "../../../web/src/usage/aMonth.ts";
import { answer, type State, text, unavailable } from "../state.ts";

const address = "/#/usage";

const day = (number: number) => ({
  day: `2026-11-${String(number).padStart(2, "0")}`,
  jobs: number,
  micro_usd: number * 250_000,
  task_micro_usd: number * 20_000,
});

const month = aMonth({
  jobs: 231,
  jobs_at_once: { used: 2, limit: 2, resets_at: null },
  queued_jobs: 3,
  jobs_per_day: { used: 21, limit: 40, resets_at: "2026-11-22T00:00:00.000Z" },
  micro_usd_per_month: { used: 57_750_000, limit: 50_000_000, resets_at: "2026-12-01T00:00:00.000Z" },
  task_micro_usd: 4_620_000,
  storage_bytes: { used: 734_003_200, limit: 1_000_000_000, resets_at: null },
  days: Array.from({ length: 21 }, (_, index) => day(index + 1)),
});

export const usageStates: readonly State[] = [
  { name: "usage-loading", address, api: { "/api/usage": "never" }, ready: text("Loading what was used") },
  { name: "usage-nothing", address, api: { "/api/usage": answer(aMonth()) }, ready: text("Nothing was used this month.") },
  { name: "usage-limits", address, api: { "/api/usage": answer(month) }, ready: text("The limit is reached until December 1.") },
  { name: "usage-failed", address, api: { "/api/usage": unavailable }, ready: text("What was used could not be loaded") },
];
