import { useCallback, useEffect } from "react";
import { changeProject, getProject, listJobs, listVersions, messageOf, restoreVersion } from "../api/client.ts";
import type { ChangeProject, Job, Project, Version } from "../api/types.ts";
import { isTerminal } from "../jobs/jobState.ts";
import { newestFirst } from "../jobs/jobsStore.ts";
import { type Jobs, useJobs } from "../jobs/useJobs.ts";
import type { Order } from "../shared/pages.ts";
import { useLoaded } from "../shared/useLoaded.ts";
import { type LoadedPages, usePages } from "../shared/usePages.ts";
import { POLL } from "../shared/usePolling.ts";

export interface OpenProject {
  /** Null before the first answer. */
  project: Project | null;
  /** Why the last call for the project itself failed. */
  failure: unknown;
  /** Why the last call for any part of it failed, in words for the user. */
  problem: string | null;
  jobs: Jobs;
  /** The jobs, newest first. */
  asked: Job[];
  versions: LoadedPages<Version>;
  change: (change: ChangeProject) => Promise<void>;
  restore: (version: number) => Promise<void>;
  reload: () => void;
}

const newestVersionFirst: Order<Version> = (left, right) => right.number - left.number;
/** A version never changes; a newer one is seen by the project. */
const never = () => null;

/** A project with its jobs and versions, kept current; mount it anew (key by id) for another one. */
export function useProject(projectId: string): OpenProject {
  const jobs = useJobs(useCallback((before) => listJobs(projectId, before), [projectId]));
  const asked = newestFirst(jobs.jobs);
  const active = asked.some((job) => !isTerminal(job.state));
  const loaded = useLoaded(
    useCallback(() => getProject(projectId), [projectId]),
    active ? POLL.active : POLL.idle,
  );
  const versions = usePages(
    useCallback((after?: Version) => listVersions(projectId, after?.number), [projectId]),
    newestVersionFirst,
    never,
  );

  const { value: project, reload, replace } = loaded;
  const states = asked.map((job) => `${job.id} ${job.state}`).join();
  useEffect(() => {
    // Streams and lists know of an end before the project is read again.
    if (states !== "") reload();
  }, [reload, states]);

  const { items, renew } = versions;
  const isBehind = project !== null && items !== null && (items[0]?.number ?? 0) < project.newest_version;
  useEffect(() => {
    if (isBehind) renew();
  }, [isBehind, renew, items]);

  const { dispatch } = jobs;
  return {
    project,
    failure: loaded.error,
    problem: (loaded.error === null ? null : messageOf(loaded.error)) ?? jobs.problem ?? versions.problem,
    jobs,
    asked,
    versions,
    reload,
    change: useCallback(
      async (change) => replace(await changeProject(projectId, change)),
      [projectId, replace],
    ),
    restore: useCallback(
      async (version) => dispatch({ type: "received", job: await restoreVersion(projectId, version) }),
      [projectId, dispatch],
    ),
  };
}
