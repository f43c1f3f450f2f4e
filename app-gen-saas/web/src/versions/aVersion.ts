import type { Version } from "../api/types.ts";

/** A version for tests; name only what the test is about. */
export function aVersion(parts: Partial<Version> = {}): Version {
  return {
    number: 1,
    parent: null,
    commit: "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    job: "0193-job",
    kind: "create",
    description: "A recipe box with tags",
    provider: "template",
    created_at: "2026-11-21T12:00:00.000Z",
    size_bytes: 32_440,
    sha256: "ab12",
    checks: [],
    ...parts,
  };
}
