/** Why a job waits for its start, in words. */
import type { Job } from "../api/types.ts";

/** Null where the job waits for nothing that can be said. */
export function queueWords({ state, waits_for, queue }: Pick<Job, "state" | "waits_for" | "queue">): string | null {
  // The state comes by the stream and is newer for a moment.
  if (state !== "queued" || queue === null) return waits_for ? "It begins when the change before it has ended." : null;
  switch (queue.reason) {
    case "project":
      return "It begins when the change before it has ended.";
    case "tenant_micro_usd_per_month":
      return `This month’s dollars for models are used up. It begins ${after(queue.resets_at)}, or when an operator allows more.`;
    case "tenant_jobs_at_once":
      return `${queue.running} of at most ${queue.jobs_at_once} jobs at once are running; ${place(queue.place)}.`;
    default:
      return queue.place === null ? null : `Waiting for a free generator; ${place(queue.place)}.`;
  }
}

function place(number: number | null): string {
  if (number === null) return "many wait before it";
  return number === 1 ? "it is the next in line" : `it is about number ${number} in line`;
}

function after(time: string | null): string {
  if (time === null) return "next month";
  const date = new Date(time).toLocaleDateString("en", { day: "numeric", month: "long", timeZone: "UTC" });
  return `on ${date}`;
}
