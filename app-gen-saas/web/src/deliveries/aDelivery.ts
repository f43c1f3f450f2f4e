import type { Delivery } from "../api/types.ts";

/** A delivery for tests; name only what the test is about. */
export function aDelivery(parts: Partial<Delivery> = {}): Delivery {
  return {
    id: "0193-delivery",
    project: "p",
    version: 2,
    commit: "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    target: { kind: "github", owner: "octo", repository: "plants", public: false, pull_request: false },
    state: "delivered",
    attempts: 1,
    job: "0193-job",
    job_state: "succeeded",
    check_only: false,
    url: "https://github.com/octo/plants",
    shown_commit: "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    error: null,
    created_at: "2026-11-21T12:00:00.000Z",
    updated_at: "2026-11-21T12:00:00.000Z",
    ...parts,
  };
}
