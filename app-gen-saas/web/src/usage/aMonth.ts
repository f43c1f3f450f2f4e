import type { MonthUsage } from "../api/types.ts";

/** What was used in a month, for tests; name only what the test is about. */
export function aMonth(parts: Partial<MonthUsage> = {}): MonthUsage {
  const nothing = { used: 0, limit: null, resets_at: null };
  return {
    month: "2026-11",
    jobs_at_once: nothing,
    queued_jobs: 0,
    jobs_per_day: { ...nothing, resets_at: "2026-11-22T00:00:00.000Z" },
    jobs: 0,
    micro_usd_per_month: { ...nothing, resets_at: "2026-12-01T00:00:00.000Z" },
    task_micro_usd: 0,
    storage_bytes: nothing,
    streams: { ...nothing, limit: 1024 },
    days: [],
    ...parts,
  };
}
