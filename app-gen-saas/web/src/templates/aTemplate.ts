import type { Template } from "../api/types.ts";

/** A template for tests; name only what the test is about. */
export function aTemplate(parts: Partial<Template> = {}): Template {
  return {
    id: "0193-template",
    name: "Diary",
    description: "",
    built_in: false,
    project: "0193-project",
    version: 1,
    created_at: "2026-11-21T12:00:00.000Z",
    updated_at: "2026-11-21T12:00:00.000Z",
    ...parts,
  };
}

/** A template that comes with the generator. */
export function aBuiltIn(id: string, name: string, description = ""): Template {
  return aTemplate({ id, name, description, built_in: true, project: null, version: null, created_at: null, updated_at: null });
}
