import type { Preview } from "../api/types.ts";

/** A preview for tests; name only what the test is about. */
export function aPreview(parts: Partial<Preview> = {}): Preview {
  return {
    id: "0193-preview",
    project: "p",
    version: 2,
    commit: "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    state: "ready",
    phase: null,
    reason: null,
    url: "http://0a1b.preview.localhost:5013/",
    created_at: "2026-11-21T12:00:00.000Z",
    expires_at: "2026-11-21T12:30:00.000Z",
    ready_at: "2026-11-21T12:00:20.000Z",
    ended_at: null,
    stopped_at: null,
    ...parts,
  };
}
