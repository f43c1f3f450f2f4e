/** The states of a version's deliveries, and of where an application is. */
import type { Page } from "playwright-core";
import type { Delivery } from "../../../web/src/api/types.ts";
import { aDelivery } from "../../../web/src/deliveries/aDelivery.ts";
import type { Api, SentEvent } from "../server.ts";
import { answer, ended, heading, job, jobApi, projectApi, refused, type State, text, unavailable } from "../state.ts";
import { version } from "./version.ts";

const address = "/#/projects/p/versions/2";

const repository = { kind: "github", owner: "octo", repository: "recipe-box", public: false, pull_request: false } as const;
const app = { kind: "fly", organization: "personal", app: "recipe-box-12cd34" } as const;
const times = { created_at: "2026-11-21T12:20:00.000Z", updated_at: "2026-11-21T12:22:00.000Z" };

const onGithub = aDelivery({ ...times, id: "a", target: repository, url: "https://github.com/octo/recipe-box" });
const onFly = aDelivery({ ...times, id: "b", target: app, url: "https://recipe-box-12cd34.fly.dev" });
const nowhere = { url: null, shown_commit: null };

const NO_TOKEN = "there is no token for this target: GITHUB_BOT_TOKEN is not set";

/** What a job that delivers is. */
const asked = {
  kind: "deliver",
  start_version: 2,
  description: "Deliver version 2 to the repository octo/recipe-box on GitHub",
} as const;

/** The way of a delivery that arrives. */
const way: readonly SentEvent[] = [
  { type: "state", body: { state: "running" } },
  { type: "stage", body: { name: "deliver", state: "running", detail: "the repository octo/recipe-box on GitHub" } },
  { type: "log", body: { level: "info", message: "creating the repository octo/recipe-box" } },
  { type: "delivered", body: { url: "https://github.com/octo/recipe-box", commit: onGithub.commit } },
  { type: "stage", body: { name: "deliver", state: "done" } },
  { type: "succeeded", body: { summary: "Version 2 is at https://github.com/octo/recipe-box" } },
];

function delivered(...deliveries: readonly Delivery[]): Api {
  return { ...version, "/api/projects/p/deliveries": answer({ deliveries }) };
}

const open = (page: Page) => page.locator("summary").filter({ hasText: "Deliver version 2" }).click();

export const deliveryStates: readonly State[] = [
  {
    name: "deliveries-loading",
    address,
    api: { ...version, "/api/projects/p/deliveries": "never" },
    ready: text("Loading where it is"),
  },
  { name: "deliveries-none", address, api: version, ready: text("Version 2 was not delivered anywhere yet.") },
  {
    name: "deliveries-failed-to-load",
    address,
    api: { ...version, "/api/projects/p/deliveries": unavailable },
    ready: text("The database does not answer."),
  },
  {
    name: "deliver-to-github",
    address,
    api: version,
    act: open,
    ready: (page) => page.getByLabel("Owner"),
  },
  {
    name: "deliver-to-fly",
    address,
    api: version,
    act: async (page) => {
      await open(page);
      await page.getByLabel("An app on Fly.io").check();
    },
    ready: (page) => page.getByLabel("Region"),
  },
  {
    name: "deliver-refused",
    address,
    api: {
      ...version,
      "POST /api/projects/p/versions/2/deliveries": refused(
        "changed",
        "another version is on its way to this target; wait for its end, or cancel its job",
      ),
    },
    act: async (page) => {
      await open(page);
      await page.getByRole("button", { name: "Deliver", exact: true }).click();
    },
    ready: text("Another version is on its way to this target"),
  },
  {
    name: "delivery-pending",
    address,
    api: delivered({ ...onGithub, ...nowhere, state: "pending", job_state: "queued" }),
    ready: text("Waiting"),
  },
  {
    name: "delivery-needs-approval",
    address,
    api: delivered({ ...onGithub, ...nowhere, state: "pending", job_state: "waiting_approval" }),
    ready: text("Needs approval"),
  },
  {
    name: "delivery-running",
    address,
    api: delivered({ ...onFly, ...nowhere, state: "running", job_state: "running" }, onGithub),
    ready: text("On its way"),
  },
  {
    name: "delivery-delivered",
    address,
    // The job of the second one was removed.
    api: delivered(onFly, { ...onGithub, job_state: null }),
    ready: text("github.com/octo/recipe-box"),
  },
  {
    name: "delivery-failed",
    address,
    api: delivered({
      ...onGithub,
      ...nowhere,
      state: "failed",
      job_state: "failed",
      error: `${NO_TOKEN}; set it and deploy: cargo xtask secrets set deliverer GITHUB_BOT_TOKEN < FILE; then deliver again`,
    }),
    ready: text("there is no token for this target"),
  },
  {
    name: "delivery-outdated",
    address,
    api: delivered(
      { ...onGithub, state: "outdated", shown_commit: "9c1185a5c5e9fc54612808977ee8f548b2258d31" },
      { ...onFly, state: "outdated", shown_commit: null },
    ),
    ready: text("Nothing says which commit is there."),
  },
  {
    name: "job-delivery-needs-approval",
    address: "/#/jobs/j",
    api: jobApi(
      job({
        ...asked,
        state: "waiting_approval",
        approvals: ["before_publish"],
        waiting: {
          kind: "approval",
          point: "before_publish",
          question: 'May version 2 of "Recipe box" be delivered to the repository octo/recipe-box on GitHub?',
        },
      }),
      [],
    ),
    ready: text("May version 2 of"),
  },
  {
    name: "job-delivered",
    address: "/#/jobs/j",
    api: jobApi(ended("succeeded", asked), way),
    ready: (page) => page.getByRole("link", { name: "Open github.com/octo/recipe-box" }),
  },
  {
    name: "job-delivery-failed",
    address: "/#/jobs/j",
    api: jobApi(ended("failed", { ...asked, reason: NO_TOKEN }), []),
    ready: heading("The version could not be delivered."),
  },
  {
    name: "app-delivered",
    address: "/#/projects/p",
    api: {
      ...projectApi({ jobs: [ended("succeeded", asked)], events: way }),
      "/api/projects/p/deliveries": answer({ deliveries: [onFly, { ...onGithub, version: 1 }] }),
    },
    ready: text("GitHub: octo/recipe-box"),
  },
];
