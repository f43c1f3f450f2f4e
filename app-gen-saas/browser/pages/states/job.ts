/** The states of a job's page. */
import type { Job } from "../../../web/src/api/types.ts";
import type { SentEvent } from "../server.ts";
import { answer, begun, ended, heading, job, jobApi, missing, press, type State, text, unavailable } from "../state.ts";

const address = "/#/jobs/j";
const artifact = { name: "app.zip", size_bytes: 32_440, sha256: "ab12" };

/** The job in its state, with the words by which it is known to be there. */
function shown(name: string, one: Job, words: string, more: readonly SentEvent[] = []): State {
  return { name, address, api: jobApi(one, [...begun, ...more]), ready: text(words) };
}

const approval = job({
  state: "waiting_approval",
  approvals: ["before_publish"],
  artifact,
  waiting: { kind: "approval", point: "before_publish", question: "The recipe box is ready. Is it to be published?" },
});

const REASON = "the tests failed three times: scales the amounts: expected 400 to be 200";

export const jobStates: readonly State[] = [
  { name: "job-loading", address, api: { "/api/jobs/j": "never" }, ready: text("Loading the job") },
  {
    name: "job-queued",
    address,
    api: jobApi(job({ state: "queued", started_at: null }), []),
    ready: text("Waiting for a free generator."),
  },
  {
    name: "job-starting",
    address,
    api: jobApi(job({ state: "starting" }), []),
    ready: text("The generator is starting."),
  },
  shown("job-running", job({ state: "running" }), "the registry answered slowly"),
  shown("job-publishing", job({ state: "publishing" }), "Your app is being packed and stored."),
  {
    name: "job-cancel",
    address,
    api: jobApi(job({ state: "running" }), begun),
    act: press("Cancel"),
    ready: text("Stop this job?"),
  },
  shown("job-waiting-for-approval", approval, "The recipe box is ready. Is it to be published?"),
  {
    name: "job-reject",
    address,
    api: jobApi(approval, begun),
    act: press("Reject"),
    ready: (page) => page.getByLabel("What is wrong with it?"),
  },
  shown(
    "job-waiting-for-limit",
    job({
      state: "waiting_limit",
      waiting: { kind: "limit", provider: "claude", until: "2026-11-21T15:00:00.000Z", detail: "5-hour limit reached" },
    }),
    "It goes on by itself",
  ),
  shown(
    "job-second-attempt",
    job({ state: "running", attempt: 2 }),
    "attempt 2",
    [
      { type: "checkpoint", body: { number: 1, commit: "4b825dc642" } },
      { type: "interrupted", body: { reason: "AWS took the machine back" } },
      { type: "started", body: { generator_version: "0.1.0", attempt: 2, providers: { claude: "2.1.0" } } },
    ],
  ),
  shown("job-succeeded", ended("succeeded", { artifact, version: 1 }), "Then open http://127.0.0.1:3000", [
    { type: "stage", body: { name: "build", state: "done" } },
    { type: "check", body: { name: "install", outcome: "passed", seconds: 21 } },
    { type: "check", body: { name: "browser", outcome: "skipped", detail: "the image has no browser", seconds: 0 } },
    { type: "artifact", body: { name: "app.zip", size_bytes: 32_440 } },
    { type: "succeeded", body: { summary: "17 files, 12 tests" } },
  ]),
  shown(
    "job-template-succeeded",
    ended("succeeded", { artifact, version: 1, provider: "template" }),
    "No AI model was asked",
  ),
  shown("job-failed", ended("failed", { reason: REASON }), "This app could not be generated.", [
    { type: "stage", body: { name: "build", state: "failed", detail: "2 of 12 tests failed" } },
    { type: "failed", body: { reason: REASON, hint: "Say what scaling is to do with amounts that are no numbers." } },
  ]),
  shown("job-cancelled", ended("cancelled"), "This job was cancelled."),
  shown("job-timed-out", ended("timed_out"), "It took too long and was stopped."),
  shown("job-lost", ended("lost"), "The generator disappeared before it was done."),
  {
    name: "job-without-log",
    address,
    api: { "/api/jobs/j": answer(ended("succeeded")), "/api/jobs/j/events": { events: [], isOver: true } },
    ready: text("This job wrote no log."),
  },
  {
    name: "job-stream-lost",
    address,
    api: { ...jobApi(job({ state: "running" }), begun), "/api/jobs/j/events": unavailable },
    ready: text("Connection lost"),
  },
  {
    name: "job-offline",
    address,
    api: jobApi(job({ state: "running" }), begun),
    act: async (page) => {
      await page.getByText("the registry answered slowly").waitFor();
      await page.context().setOffline(true);
    },
    ready: text("You are offline; the log continues when you are back"),
  },
  { name: "job-failed-to-load", address, api: { "/api/jobs/j": unavailable }, ready: heading("This job could not be loaded") },
  { name: "job-not-found", address, api: { "/api/jobs/j": missing("job") }, ready: heading("There is no such job") },
];
