/** All jobs the page knows, each from the latest answer about it, as a pure reducer. */
import type { Job, JobState } from "../api/types.ts";
import { isTerminal } from "./jobState.ts";

export interface JobsState {
  jobs: ReadonlyMap<string, Job>;
  /** loading: no answer came yet. ready: the list is current. failed: the last call failed; what is held may be old. */
  status: "loading" | "ready" | "failed";
  /** Why the last call failed, in words for the user. */
  problem: string | null;
  /** Whether the server holds older jobs than those listed. */
  hasOlder: boolean;
}

export type JobsAction =
  | { type: "listed"; jobs: readonly Job[]; pageSize: number; older: boolean }
  | { type: "failed"; message: string }
  | { type: "received"; job: Job }
  /** A change from a job's stream, ahead of the next list. */
  | { type: "streamed"; jobId: string; state: JobState; reason: string | null; sequence: number };

export const NO_JOBS: JobsState = { jobs: new Map(), status: "loading", problem: null, hasOlder: false };

export function reduceJobs(state: JobsState, action: JobsAction): JobsState {
  switch (action.type) {
    case "listed": {
      const first = state.status === "loading";
      const full = action.jobs.length >= action.pageSize;
      return {
        jobs: merge(state.jobs, action.jobs),
        status: "ready",
        problem: null,
        // The newest page says nothing about the end of the list once older pages are in.
        hasOlder: action.older || first || state.jobs.size < action.pageSize ? full : state.hasOlder,
      };
    }
    case "failed":
      return { ...state, status: "failed", problem: action.message };
    case "received":
      return { ...state, jobs: merge(state.jobs, [action.job]) };
    case "streamed": {
      const job = state.jobs.get(action.jobId);
      if (!job) return state;
      const streamed = {
        ...job,
        state: action.state,
        reason: action.reason ?? job.reason,
        last_sequence: action.sequence,
      };
      return { ...state, jobs: merge(state.jobs, [streamed]) };
    }
  }
}

/** The same map when nothing changed, so that a poll of an idle list renders nothing. */
function merge(known: ReadonlyMap<string, Job>, incoming: readonly Job[]): ReadonlyMap<string, Job> {
  const fresh = incoming.filter((job) => isNews(known.get(job.id), job));
  if (fresh.length === 0) return known;
  const merged = new Map(known);
  for (const job of fresh) merged.set(job.id, job);
  return merged;
}

/** An answer that arrives after a newer one must not set a job back. */
function isNews(known: Job | undefined, incoming: Job): boolean {
  if (!known) return true;
  if (incoming.last_sequence < known.last_sequence) return false;
  if (isTerminal(known.state) && !isTerminal(incoming.state)) return false;
  return JSON.stringify(known) !== JSON.stringify(incoming);
}

export function newestFirst(jobs: ReadonlyMap<string, Job>): Job[] {
  return [...jobs.values()].sort(
    (left, right) => right.created_at.localeCompare(left.created_at) || right.id.localeCompare(left.id),
  );
}
