import type { Job } from "../api/types.ts";

/** A job for tests; name only what the test is about. */
export function aJob(parts: Partial<Job> = {}): Job {
  return {
    id: "0193-job",
    project: "0193-project",
    kind: "create",
    start_version: null,
    version: null,
    waits_for: null,
    queue: null,
    description: "A recipe box with tags",
    provider: "template",
    model: null,
    fallback: null,
    roles: {},
    state: "queued",
    reason: null,
    launcher: "process",
    task: null,
    created_at: "2026-11-21T12:00:00.000Z",
    started_at: null,
    finished_at: null,
    last_sequence: 0,
    artifact: null,
    attempt: 1,
    attempts: [],
    waiting: null,
    paid_by: "platform",
    usage: { micro_usd: 0, own_micro_usd: 0, tokens: 0, unpriced_tokens: 0, iterations: 0, seconds: 0, task_micro_usd: 0 },
    budget: {},
    approvals: [],
    attachments: [],
    template: null,
    ...parts,
  };
}
