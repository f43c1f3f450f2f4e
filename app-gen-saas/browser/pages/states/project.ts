/** The states of an application's page. */
import { begun, ended, heading, job, missing, press, project, projectApi, type State, text, unavailable, versions } from "../state.ts";

const address = "/#/projects/p";

const atWork = { newest_version: 0, unfinished_job: "j", micro_usd: 0, task_micro_usd: 0 };
const done = ended("succeeded", {
  version: 2,
  kind: "change",
  start_version: 1,
  description: "Make the header blue, and remember which recipes were cooked last.",
  artifact: { name: "app.zip", size_bytes: 32_440, sha256: "ab12" },
});
const first = ended("succeeded", {
  id: "i",
  version: 1,
  created_at: "2026-11-19T09:12:00.000Z",
  started_at: "2026-11-19T09:12:10.000Z",
  finished_at: "2026-11-19T09:20:00.000Z",
});
const REASON = "the build failed three times: src/recipes/store.ts(12,7): Type 'string' is not assignable to type 'number'.";
const failed = ended("failed", {
  id: "k",
  kind: "change",
  start_version: 2,
  description: "Add a shopping list",
  reason: REASON,
  created_at: "2026-11-21T12:10:00.000Z",
});
const whole = { jobs: [failed, done, first], events: begun };

export const projectStates: readonly State[] = [
  {
    name: "app-loading",
    address,
    api: { "/api/projects/p": "never", "/api/jobs": "never", "/api/projects/p/versions": "never" },
    ready: text("Loading the app"),
  },
  {
    name: "app-parts-loading",
    address,
    api: { ...projectApi({}), "/api/jobs": "never", "/api/projects/p/versions": "never" },
    ready: text("Loading what was asked"),
  },
  {
    name: "app-queued",
    address,
    api: projectApi({ project: atWork, jobs: [job({ state: "queued", started_at: null })], versions: [], events: [] }),
    ready: text("Waiting for a free generator."),
  },
  {
    name: "app-first-version-in-work",
    address,
    api: projectApi({ project: atWork, jobs: [job({ state: "running" })], versions: [], events: begun }),
    ready: text("the registry answered slowly"),
  },
  {
    name: "app-change-in-work",
    address,
    api: projectApi({
      project: { unfinished_job: "j" },
      jobs: [
        job({ id: "l", kind: "change", state: "queued", waits_for: "j", started_at: null, description: "Add tags", created_at: "2026-11-21T12:04:00.000Z" }),
        job({ kind: "change", state: "running", start_version: 2, description: "Add a shopping list" }),
        first,
      ],
      events: begun,
    }),
    ready: text("the registry answered slowly"),
  },
  {
    name: "app-waiting-for-approval",
    address,
    api: projectApi({
      project: { unfinished_job: "j" },
      jobs: [
        job({
          kind: "change",
          description: "Add a shopping list",
          state: "waiting_approval",
          approvals: ["before_publish"],
          waiting: { kind: "approval", point: "before_publish", question: "The shopping list is ready. Is it to become version 3?" },
        }),
        first,
      ],
      events: begun,
    }),
    ready: (page) => page.getByRole("button", { name: "Approve" }),
  },
  {
    name: "app-waiting-for-limit",
    address,
    api: projectApi({
      project: { unfinished_job: "j" },
      jobs: [
        job({
          kind: "change",
          description: "Add a shopping list",
          state: "waiting_limit",
          waiting: { kind: "limit", provider: "claude", until: "2026-11-21T15:00:00.000Z", detail: "5-hour limit reached" },
        }),
        first,
      ],
      events: begun,
    }),
    ready: heading("A limit of claude is reached"),
  },
  { name: "app-done", address, api: projectApi({ jobs: [done], events: begun }), ready: text("Complete") },
  { name: "app-change-failed", address, api: projectApi(whole), ready: text(REASON) },
  {
    name: "app-first-version-failed",
    address,
    api: projectApi({
      project: { newest_version: 0 },
      jobs: [ended("failed", { reason: REASON })],
      versions: [],
      events: [...begun, { type: "failed", body: { reason: REASON, hint: "Say which units the amounts have." } }],
    }),
    ready: text("There is no version that could be changed"),
  },
  { name: "app-from-version", address: `${address}?from=1`, api: projectApi(whole), ready: text("Begins with version 1.") },
  { name: "app-archived", address, api: projectApi({ ...whole, project: { archived: true } }), ready: text("An archived app takes no changes.") },
  { name: "app-rename", address, api: projectApi(whole), act: press("Rename"), ready: (page) => page.getByLabel("Name of the app") },
  { name: "app-delete", address, api: projectApi(whole), act: press("Delete"), ready: text("This cannot be taken back.") },
  {
    name: "app-restore",
    address,
    api: projectApi(whole),
    act: press("Go back to this version"),
    ready: text("Its files become version 3."),
  },
  {
    name: "app-refused",
    address,
    api: projectApi(whole),
    act: press("Make the change"),
    ready: text("Say first what should change"),
  },
  { name: "app-without-jobs", address, api: projectApi({}), ready: text("Jobs are removed some time after their end.") },
  {
    name: "app-parts-failed",
    address,
    api: { ...projectApi({}), "/api/jobs": unavailable, "/api/projects/p/versions": unavailable },
    ready: text("The versions could not be loaded."),
  },
  { name: "app-failed", address, api: { "/api/projects/p": unavailable }, ready: heading("This app could not be loaded") },
  { name: "app-not-found", address, api: { "/api/projects/p": missing("project") }, ready: heading("There is no such app") },
  {
    name: "app-many-versions",
    address,
    api: projectApi({
      ...whole,
      project: { ...project, newest_version: 60 },
      versions: Array.from({ length: 50 }, (_, index) => ({ ...versions[0]!, number: 60 - index, parent: 59 - index })),
    }),
    ready: (page) => page.getByRole("button", { name: "Show older" }),
  },
];
