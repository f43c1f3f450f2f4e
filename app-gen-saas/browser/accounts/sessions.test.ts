/** What becomes of a session: it goes on by itself, through a change of keys too, and ends where they say. */
import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import type { Browser, Page } from "playwright-core";
import { SESSION_KEY } from "../../web/src/accounts/storage.ts";
import { assertOrchestrator, desktop, JOB_TIMEOUT_MS, launchBrowser, submitDescription, withPage } from "../browser.ts";
import type { Login } from "./login.ts";
import { ask, askWith, bar, pause, signIn, signInPage, startLogin, untilKeysMayBeAsked, write } from "./people.ts";
import type { Person } from "./sessions.ts";

/** The client looks for another token when one is good for less than a minute and a half: at every request. */
const ALWAYS_REFRESHED_SECS = 90;
/** Good for a moment. */
const SHORT_SECS = 2;

interface Watched {
  /** What requests to the API sent to be let in with. */
  tokens: Set<string>;
  tickets: number;
  /** Addresses of live streams. */
  streams: string[];
  /** What the API refused. */
  refused: string[];
}

/** Notes what the page asks of the API from now on. */
function watch(page: Page): Watched {
  const watched: Watched = { tokens: new Set(), tickets: 0, streams: [], refused: [] };
  page.on("request", (request) => {
    const { pathname } = new URL(request.url());
    if (!pathname.startsWith("/api/")) return;
    const { authorization } = request.headers();
    if (authorization) watched.tokens.add(authorization);
    if (pathname === "/api/stream-tickets") watched.tickets += 1;
    if (request.resourceType() === "eventsource") watched.streams.push(request.url());
  });
  page.on("response", (response) => {
    if (response.status() === 401) watched.refused.push(response.url());
  });
  return watched;
}

/** Runs in the page: notes whether it is ever anything else than the page of somebody who is signed in. */
function noteBreaks(): void {
  const seen = window as unknown as { breaks: number };
  seen.breaks = 0;
  new MutationObserver(() => {
    if (!document.querySelector(".account-bar") || document.querySelector(".sign-in, .account-note")) seen.breaks += 1;
  }).observe(document.body, { subtree: true, childList: true });
}

const breaks = (page: Page) => page.evaluate(() => (window as unknown as { breaks: number }).breaks);

/** Describes an application, and follows it to its end, in the page where somebody is signed in. */
async function follow(page: Page, description: string): Promise<void> {
  await page.getByLabel("Describe your app").fill(description);
  await page.getByRole("button", { name: "Generate app" }).click();
  await page.locator('.job-head [data-state="succeeded"]').waitFor({ timeout: JOB_TIMEOUT_MS });
  await page.getByText("Complete", { exact: true }).waitFor();
}

describe("sessions", { timeout: 10 * 60_000 }, () => {
  let browser: Browser;
  let login: Login;
  let ann: Person;

  before(async () => {
    await assertOrchestrator();
    login = await startLogin();
    ann = login.person("ann");
    browser = await launchBrowser();
  });

  afterEach(() => {
    login.sessions.lifetimeSecs = 3600;
  });

  after(async () => {
    await browser?.close();
    await login?.close();
  });

  test("a session whose access token has ended goes on without a word", () =>
    withPage(browser, desktop, async (page) => {
      const ended = login.sessions.start(ann, -3600);
      assert.equal((await askWith(ended.access_token, "/api/session")).status, 401);
      await page.goto("/favicon.svg");
      await page.evaluate(([key, session]) => localStorage.setItem(key, session), [SESSION_KEY, JSON.stringify(ended)] as const);
      const watched = watch(page);
      await page.goto("/");
      await bar(page).getByText(ann.email).waitFor();
      await page.getByText("Nothing here yet.").waitFor();
      assert.deepEqual(watched.refused, []);
      assert.ok(!watched.tokens.has(`Bearer ${ended.access_token}`), "the token that has ended was sent");
      assert.equal(await signInPage(page).count(), 0);
    }));

  test("tokens are refreshed while a job is followed live, and nobody sees it", () =>
    withPage(browser, desktop, async (page) => {
      login.sessions.lifetimeSecs = ALWAYS_REFRESHED_SECS;
      await signIn(page, ann);
      await page.getByText("Nothing here yet.").waitFor();
      await page.evaluate(noteBreaks);
      const watched = watch(page);
      const before = login.sessions.refreshes;
      await follow(page, "A plant diary");
      assert.ok(login.sessions.refreshes - before >= 2, "no token was refreshed");
      assert.ok(watched.tokens.size >= 2, "one token was sent all the time");
      assert.deepEqual(watched.refused, []);
      assert.equal(watched.tickets, 1, "one ticket opened the one stream");
      assert.equal(watched.streams.length, 1);
      const [stream = ""] = watched.streams;
      assert.match(stream, /ticket=agt_/);
      for (const token of watched.tokens) assert.ok(!stream.includes(token.replace("Bearer ", "")), "a token is in an address");
      assert.equal(await breaks(page), 0, "the page was not there all the time");
    }));

  test("the login changes its keys, and nobody is signed out", () =>
    withPage(browser, desktop, async (page) => {
      login.sessions.lifetimeSecs = ALWAYS_REFRESHED_SECS;
      await signIn(page, ann);
      await page.evaluate(noteBreaks);
      await untilKeysMayBeAsked(login);
      const { count } = login.keysAsked;
      const watched = watch(page);
      login.rotate("RS256");
      await follow(page, "A chess clock for two");
      assert.ok(login.keysAsked.count > count, "the orchestrator did not ask for the new key");
      const algorithms = [...watched.tokens].map((token) => {
        const [header = ""] = token.replace("Bearer ", "").split(".");
        return (JSON.parse(Buffer.from(header, "base64url").toString()) as { alg: string }).alg;
      });
      assert.ok(algorithms.includes("RS256"), `tokens are signed with ${algorithms.join(", ")}`);
      assert.deepEqual(watched.refused, []);
      assert.equal(await breaks(page), 0);
      // And back to the other kind.
      await untilKeysMayBeAsked(login);
      login.rotate("ES256");
      await page.reload();
      await page.getByRole("heading", { level: 1, name: "A chess clock for two" }).waitFor();
      assert.deepEqual(watched.refused, []);
    }));

  test("who signs out here is out here alone; who signs out everywhere is out in every browser", () =>
    withPage(browser, desktop, (here) =>
      withPage(browser, desktop, async (there) => {
        login.sessions.lifetimeSecs = SHORT_SECS;
        await signIn(here, ann);
        await signIn(there, ann);
        await bar(here).getByRole("button", { name: "Sign out", exact: true }).click();
        await signInPage(here).waitFor();
        await here.reload();
        await signInPage(here).waitFor();
        await there.reload();
        await bar(there).getByText(ann.email).waitFor();

        await write(here, ann.email, ann.password);
        await bar(here).getByRole("button", { name: "Sign out everywhere" }).click();
        await signInPage(here).waitFor();
        // An access token that was given out is good until it ends.
        await pause((SHORT_SECS + 1) * 1000);
        // Whoever comes back to a page has it look again.
        await there.evaluate(() => window.dispatchEvent(new Event("focus")));
        await signInPage(there).waitFor();
        await write(there, ann.email, ann.password);
        await bar(there).getByText(ann.email).waitFor();
      }),
    ));

  test("a person whom the login does not know any more is asked who they are", () =>
    withPage(browser, desktop, async (page) => {
      login.sessions.lifetimeSecs = SHORT_SECS;
      await signIn(page, ann);
      await submitDescription(page, "A shopping list");
      login.sessions.endAll(ann);
      await pause((SHORT_SECS + 1) * 1000);
      const place = page.url();
      await page.reload();
      await signInPage(page).waitFor();
      await write(page, ann.email, ann.password);
      await page.getByRole("heading", { level: 1, name: "A shopping list" }).waitFor();
      assert.equal(page.url(), place);
      assert.equal((await ask(login, ann, "/api/session")).status, 200);
    }));
});
