import type { Project } from "../api/types.ts";

/** A project for tests; name only what the test is about. */
export function aProject(parts: Partial<Project> = {}): Project {
  return {
    id: "0193-project",
    name: "A recipe box",
    slug: "a-recipe-box-12cd34",
    created_at: "2026-11-21T12:00:00.000Z",
    archived: false,
    newest_version: 1,
    unfinished_job: null,
    micro_usd: 0,
    task_micro_usd: 0,
    ...parts,
  };
}
