import { useCallback } from "react";
import { listProjects } from "../api/client.ts";
import type { Project } from "../api/types.ts";
import type { Order } from "../shared/pages.ts";
import { type LoadedPages, usePages } from "../shared/usePages.ts";
import { POLL } from "../shared/usePolling.ts";

/** The ids begin with the time, as the server's order does. */
const newestFirst: Order<Project> = (left, right) => (left.id < right.id ? 1 : left.id > right.id ? -1 : 0);

const pauseOf = (projects: readonly Project[]) =>
  projects.some((project) => project.unfinished_job !== null) ? POLL.active : POLL.idle;

/** The projects that fit the filter, renewed often only while one of them is at work. */
export function useProjects(search: string, archived: boolean): LoadedPages<Project> {
  const list = useCallback(
    (after?: Project) => listProjects({ search, archived }, after?.id),
    [search, archived],
  );
  return usePages(list, newestFirst, pauseOf);
}
