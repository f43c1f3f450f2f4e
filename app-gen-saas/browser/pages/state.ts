/** What a state of the page is, and the parts that many of them have. */
import type { Locator, Page } from "playwright-core";
import { aProblem } from "../../web/src/api/aProblem.ts";
import type { Job, Project, Version } from "../../web/src/api/types.ts";
import { aJob } from "../../web/src/jobs/aJob.ts";
import { aProject } from "../../web/src/projects/aProject.ts";
import { aVersion } from "../../web/src/versions/aVersion.ts";
import { aBuiltIn } from "../../web/src/templates/aTemplate.ts";
import type { Answer, Api, SentEvent } from "./server.ts";

export interface State {
  /** The name of its pictures. */
  name: string;
  /** Path and hash. */
  address: string;
  /** What is answered beside `everywhere`. */
  api: Api;
  /** What is done before the page is loaded. */
  prepare?: (page: Page) => Promise<unknown>;
  /** What is done before the state is there. */
  act?: (page: Page) => Promise<void>;
  /** What is in the page when the state is there. */
  ready: (page: Page) => Locator;
  /** Errors in the browser's console that belong to the state. */
  reports?: RegExp;
}

/** The time in every picture. */
export const NOW = "2026-11-21T12:30:00.000Z";

export const text = (words: string | RegExp) => (page: Page) => page.getByText(words);
export const heading = (name: string) => (page: Page) => page.getByRole("heading", { name });
export const press = (name: string) => (page: Page) => page.getByRole("button", { name, exact: true }).click();

export const answer = (body: unknown): Answer => ({ body });

export function refused(...problem: Parameters<typeof aProblem>): Answer {
  const body = aProblem(...problem);
  return { status: body.status, body };
}

export const unavailable = refused("unavailable", "the database does not answer");
export const missing = (what: string) => refused("not_found", `${what} not found`);

export const builtIn = [
  aBuiltIn("list", "List", "Things in a list that can be added, changed, ticked off and searched."),
  aBuiltIn("board", "Board", "Cards that move between columns."),
];

/** What an upload may have, by default. */
export const limits = {
  count: 8,
  bytes: 5_242_880,
  job_bytes: 20_971_520,
  media_types: ["text/plain", "image/png", "image/jpeg", "image/webp", "image/gif"],
};

/** What parts of pages ask for that a state need not be about. */
export const everywhere: Api = {
  "/api/attachments": answer(limits),
  "/api/templates": answer({ templates: builtIn }),
  "/api/projects/p/deliveries": answer({ deliveries: [] }),
  "/api/projects/p/versions/1/preview": missing("preview"),
  "/api/projects/p/versions/2/preview": missing("preview"),
};

export const project = aProject({
  id: "p",
  name: "Recipe box",
  created_at: "2026-11-19T09:12:00.000Z",
  newest_version: 2,
  micro_usd: 1_840_000,
  task_micro_usd: 90_000,
});

const usage = { micro_usd: 420_000, own_micro_usd: 0, tokens: 1_240_000, unpriced_tokens: 0, iterations: 2, seconds: 312, task_micro_usd: 12_000 };

const DESCRIPTION =
  "A recipe box: save recipes with ingredients and tags, search them, and scale the amounts to the number of guests.";

/** A job of an agent in the state; name only what the state is about. */
export function job(parts: Partial<Job> = {}): Job {
  return aJob({
    id: "j",
    project: "p",
    description: DESCRIPTION,
    provider: "claude",
    launcher: "ecs",
    created_at: "2026-11-21T11:59:40.000Z",
    started_at: "2026-11-21T12:00:00.000Z",
    usage,
    budget: { micro_usd: 5_000_000 },
    ...parts,
  });
}

/** The job after its end, with the events that it then has. */
export function ended(state: Job["state"], parts: Partial<Job> = {}): Job {
  return job({ state, finished_at: "2026-11-21T12:05:12.000Z", ...parts });
}

const checks = [
  { name: "install", outcome: "passed", seconds: 21 },
  { name: "build", outcome: "passed", seconds: 9 },
  { name: "start", outcome: "passed", seconds: 2 },
  { name: "browser", outcome: "skipped", seconds: 0, detail: "the image has no browser" },
];

export const versions: readonly Version[] = [
  aVersion({
    number: 2,
    parent: 1,
    kind: "change",
    description: "Make the header blue, and remember which recipes were cooked last.",
    provider: "claude",
    created_at: "2026-11-21T10:20:00.000Z",
    checks,
  }),
  aVersion({ number: 1, description: DESCRIPTION, provider: "claude", created_at: "2026-11-19T09:20:00.000Z", checks }),
];

const role = { role: "builder", stage: "build" };

/** The beginning of a job of an agent. */
export const begun: readonly SentEvent[] = [
  { type: "state", body: { state: "starting" } },
  { type: "state", body: { state: "running" } },
  { type: "started", body: { generator_version: "0.1.0", attempt: 1, providers: { claude: "2.1.0" } } },
  { type: "stage", body: { name: "plan", state: "running" } },
  { type: "activity", body: { ...role, role: "planner", what: { activity: "session", model: "claude-opus" } } },
  { type: "stage", body: { name: "plan", state: "done", detail: "8 steps" } },
  { type: "stage", body: { name: "build", state: "running" } },
  { type: "activity", body: { ...role, what: { activity: "said", text: { text: "First the store of recipes.", bytes: 27 } } } },
  { type: "activity", body: { ...role, what: { activity: "file_changed", path: "src/recipes/store.ts", change: "added" } } },
  {
    type: "activity",
    body: { ...role, what: { activity: "tool_ended", result: { text: "12 passed, 0 failed", bytes: 19 }, is_error: false } },
  },
  { type: "log", body: { level: "warn", message: "the registry answered slowly" } },
];

/** The job as it is with these events, and the state that they lead to. */
function withStream(shown: Job, events: readonly SentEvent[]): { shown: Job; stream: readonly SentEvent[] } {
  const stream = [...events, { type: "state", body: { state: shown.state, reason: shown.reason } }];
  return { shown: { ...shown, last_sequence: stream.length }, stream };
}

/** The job with its stream, at its own address. */
export function jobApi(job: Job, events: readonly SentEvent[]): Api {
  const { shown, stream } = withStream(job, events);
  return {
    [`/api/jobs/${job.id}`]: answer(shown),
    [`/api/jobs/${job.id}/events`]: { events: stream, isOver: job.finished_at !== null },
  };
}

/** A project with its parts; what is followed of its jobs has the events. */
export function projectApi(parts: {
  project?: Partial<Project>;
  jobs?: readonly Job[];
  versions?: readonly Version[];
  events?: readonly SentEvent[];
}): Api {
  const { jobs = [], events = [] } = parts;
  return {
    ...Object.assign({}, ...jobs.map((one) => jobApi(one, events))),
    "/api/projects/p": answer({ ...project, ...parts.project }),
    "/api/jobs": answer({ jobs: jobs.map((one) => withStream(one, events).shown) }),
    "/api/projects/p/versions": answer({ versions: parts.versions ?? versions }),
  };
}
