import { useCallback, useReducer, useState } from "react";
import { cancelJob, createJob, decideJob, getJob, messageOf, PAGE_SIZE } from "../api/client.ts";
import type { CreateJob, Decide, Job } from "../api/types.ts";
import { POLL, usePolling } from "../shared/usePolling.ts";
import { isTerminal } from "./jobState.ts";
import { type JobsAction, type JobsState, newestFirst, NO_JOBS, reduceJobs } from "./jobsStore.ts";

export interface Jobs extends JobsState {
  loadingOlder: boolean;
  dispatch: (action: JobsAction) => void;
  create: (job: CreateJob) => Promise<Job>;
  cancel: (jobId: string) => Promise<void>;
  decide: (jobId: string, decision: Decide) => Promise<void>;
  /** Fetches one job anew. */
  refresh: (jobId: string) => Promise<void>;
  loadOlder: () => Promise<void>;
}

/** Newest first; `before` is the id after which the next older page starts. */
export type ListJobs = (before?: string) => Promise<readonly Job[]>;

/**
 * The jobs that `list` names, renewed often only while one of them is active. `list` must be the same function for
 * as long as the component is mounted.
 */
export function useJobs(list: ListJobs): Jobs {
  const [state, dispatch] = useReducer(reduceJobs, NO_JOBS);
  const [loadingOlder, setLoadingOlder] = useState(false);

  const active = [...state.jobs.values()].some((job) => !isTerminal(job.state));
  const pauseMs = state.status === "failed" ? POLL.failed : active ? POLL.active : POLL.idle;
  usePolling(
    useCallback(() => take(list, dispatch), [list]),
    pauseMs,
  );

  const received = useCallback((job: Job) => {
    dispatch({ type: "received", job });
    return job;
  }, []);

  return {
    ...state,
    loadingOlder,
    dispatch,
    create: useCallback(async (job) => received(await createJob(job)), [received]),
    cancel: useCallback(async (jobId) => void received(await cancelJob(jobId)), [received]),
    decide: useCallback(
      async (jobId, decision) => void received(await decideJob(jobId, decision)),
      [received],
    ),
    refresh: useCallback(async (jobId) => void received(await getJob(jobId)), [received]),
    loadOlder: async () => {
      setLoadingOlder(true);
      try {
        await take(list, dispatch, newestFirst(state.jobs).at(-1)?.id);
      } finally {
        setLoadingOlder(false);
      }
    },
  };
}

async function take(list: ListJobs, dispatch: (action: JobsAction) => void, before?: string): Promise<void> {
  try {
    const jobs = await list(before);
    dispatch({ type: "listed", jobs, pageSize: PAGE_SIZE, older: before !== undefined });
  } catch (error) {
    dispatch({ type: "failed", message: messageOf(error) });
  }
}
