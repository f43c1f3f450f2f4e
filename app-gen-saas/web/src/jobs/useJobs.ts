import { useCallback, useEffect, useReducer, useRef, useState } from "react";
import { ApiError, cancelJob, createJob, decideJob, getJob, listJobs, PAGE_SIZE } from "../api/client.ts";
import type { Decide, Job } from "../api/types.ts";
import { isTerminal } from "./jobState.ts";
import { type JobsAction, type JobsState, newestFirst, NO_JOBS, reduceJobs } from "./jobsStore.ts";

/** The list is polled often only while one of its jobs is active. */
const ACTIVE_POLL_MS = 2000;
const IDLE_POLL_MS = 15_000;
const FAILED_POLL_MS = 4000;

export interface Jobs extends JobsState {
  loadingOlder: boolean;
  dispatch: (action: JobsAction) => void;
  create: (description: string) => Promise<Job>;
  cancel: (jobId: string) => Promise<void>;
  decide: (jobId: string, decision: Decide) => Promise<void>;
  /** Fetches one job anew. */
  refresh: (jobId: string) => Promise<void>;
  loadOlder: () => Promise<void>;
}

export function useJobs(): Jobs {
  const [state, dispatch] = useReducer(reduceJobs, NO_JOBS);
  const [loadingOlder, setLoadingOlder] = useState(false);

  const active = [...state.jobs.values()].some((job) => !isTerminal(job.state));
  const pauseMs = state.status === "failed" ? FAILED_POLL_MS : active ? ACTIVE_POLL_MS : IDLE_POLL_MS;
  usePolling(dispatch, pauseMs);

  const received = useCallback((job: Job) => {
    dispatch({ type: "received", job });
    return job;
  }, []);

  return {
    ...state,
    loadingOlder,
    dispatch,
    create: useCallback(async (description) => received(await createJob(description)), [received]),
    cancel: useCallback(async (jobId) => void received(await cancelJob(jobId)), [received]),
    decide: useCallback(
      async (jobId, decision) => void received(await decideJob(jobId, decision)),
      [received],
    ),
    refresh: useCallback(async (jobId) => void received(await getJob(jobId)), [received]),
    loadOlder: async () => {
      setLoadingOlder(true);
      try {
        await list(dispatch, newestFirst(state.jobs).at(-1)?.id);
      } finally {
        setLoadingOlder(false);
      }
    },
  };
}

/** Lists again `pauseMs` after each answer, at once when the page is looked at again, never while it is hidden. */
function usePolling(dispatch: (action: JobsAction) => void, pauseMs: number): void {
  const pause = useRef(pauseMs);
  const wake = useRef<() => void>(() => {});

  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let stopped = false;
    let running = false;

    async function poll(): Promise<void> {
      clearTimeout(timer);
      if (running || stopped) return;
      running = true;
      if (!document.hidden) await list(dispatch);
      running = false;
      if (!stopped) timer = setTimeout(poll, pause.current);
    }

    const now = () => void poll();
    wake.current = () => {
      clearTimeout(timer);
      if (!running && !stopped) timer = setTimeout(poll, pause.current);
    };
    const again = ["online", "offline", "focus"] as const;
    for (const event of again) window.addEventListener(event, now);
    document.addEventListener("visibilitychange", now);
    now();
    return () => {
      stopped = true;
      clearTimeout(timer);
      for (const event of again) window.removeEventListener(event, now);
      document.removeEventListener("visibilitychange", now);
    };
  }, [dispatch]);

  useEffect(() => {
    pause.current = pauseMs;
    wake.current();
  }, [pauseMs]);
}

async function list(dispatch: (action: JobsAction) => void, before?: string): Promise<void> {
  try {
    const jobs = await listJobs(before);
    dispatch({ type: "listed", jobs, pageSize: PAGE_SIZE, older: before !== undefined });
  } catch (error) {
    dispatch({ type: "failed", message: messageOf(error) });
  }
}

export function messageOf(error: unknown): string {
  return error instanceof ApiError ? error.message : "Something went wrong on this page.";
}
