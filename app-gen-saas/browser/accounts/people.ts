/** What journeys of people with accounts share: the login, and what people do on the page. */
import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import type { Job } from "../../web/src/api/types.ts";
import { API_URL, BASE_URL, JOB_TIMEOUT_MS } from "../browser.ts";
import { Login } from "./login.ts";
import type { Person } from "./sessions.ts";

/** Where the orchestrator looks for its login. */
const { LOGIN_URL = "http://127.0.0.1:5014" } = process.env;
/** The orchestrator asks for keys that it does not know once in this time (keys.rs). */
const ASK_AGAIN_MS = 10_000;
const PAUSE_MS = 200;
const TIMEOUT_MS = 30_000;

export const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** Asks again until the answer is yes. */
async function until(what: string, isTrue: () => Promise<boolean>, timeoutMs = TIMEOUT_MS): Promise<void> {
  const end = Date.now() + timeoutMs;
  while (!(await isTrue())) {
    assert.ok(Date.now() < end, `timed out waiting for ${what}`);
    await pause(PAUSE_MS);
  }
}

/** Starts the login, and waits until the orchestrator knows its keys: it may still have those of another one. */
export async function startLogin(): Promise<Login> {
  const login = await Login.start(LOGIN_URL, BASE_URL);
  const somebody = login.person("first");
  await until("the orchestrator to know the login", async () => (await ask(login, somebody, "/api/session")).status === 200);
  return login;
}

/** Waits until the orchestrator would ask for keys that it does not know. */
export async function untilKeysMayBeAsked(login: Login): Promise<void> {
  await pause(Math.max(0, login.keysAsked.at + ASK_AGAIN_MS + 500 - Date.now()));
}

/** What somebody gets from the API, in their personal tenant. */
export function ask(login: Login, person: Person, path: string, init: RequestInit = {}): Promise<Response> {
  const { access_token } = login.sessions.start(person, 3600);
  return askWith(access_token, path, init);
}

/** What a program gets that sends this. */
export function askWith(bearer: string, path: string, init: RequestInit = {}): Promise<Response> {
  const headers = { authorization: `Bearer ${bearer}`, ...init.headers };
  return fetch(`${API_URL}${path}`, { ...init, headers, signal: AbortSignal.timeout(TIMEOUT_MS) });
}

/** Has an application made of a description: the job, once it is over. */
export async function made(login: Login, person: Person, description: string): Promise<Job> {
  const answer = await ask(login, person, "/api/jobs", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ description }),
  });
  assert.equal(answer.status, 201, await answer.clone().text());
  let job = (await answer.json()) as Job;
  const isOver = async () => {
    job = (await (await ask(login, person, `/api/jobs/${job.id}`)).json()) as Job;
    return job.finished_at !== null;
  };
  await until("the end of a job", isOver, JOB_TIMEOUT_MS);
  assert.equal(job.state, "succeeded", job.reason ?? "");
  return job;
}

export const signInPage = (page: Page) => page.getByRole("heading", { level: 1, name: "Sign in to App-Gen" });
export const bar = (page: Page) => page.getByRole("navigation", { name: "Account" });

/** Writes who they are, and sends it. */
export async function write(page: Page, email: string, password: string): Promise<void> {
  await page.getByLabel("E-mail").fill(email);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
}

/** Goes to an address, and signs in there with a password. */
export async function signIn(page: Page, person: Person, address = "/"): Promise<void> {
  await page.goto(address);
  await signInPage(page).waitFor();
  await write(page, person.email, person.password);
  await bar(page).getByText(person.email).waitFor();
}
