/**
 * Previews, in a real browser, against a running orchestrator: what was described is used where it was made, and
 * gets nothing of the page. PREVIEWS says whether they `run` there or are `refused`, for want of a container.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Browser, BrowserContext, Frame, Page } from "playwright-core";
import type { Preview, Version } from "../web/src/api/types.ts";
import {
  API_URL,
  assertOrchestrator,
  BASE_URL,
  desktop,
  fetchJson,
  JOB_TIMEOUT_MS,
  jobsOf,
  launchBrowser,
  projectIdOf,
  submitDescription,
  takeScreenshot,
  withPage,
} from "./browser.ts";

const { PREVIEWS = "run" } = process.env;

/** A preview installs packages. */
const START_TIMEOUT_MS = 300_000;
/** ECS kills after 30 s what does not end by itself. */
const END_TIMEOUT_MS = 90_000;
const ANSWER_TIMEOUT_MS = 30_000;
const PAUSE_MS = 250;

/** What the page has that no preview is to see. */
const SECRET = "of_page=secret";
/** What the browser says when it refuses what a hostile page of a preview tries. */
const REFUSALS = /blocked by CORS policy|Unsafe attempt to initiate navigation|frame-ancestors/;

/** Set by the first journey; the later ones use the same preview. */
let projectId = "";

const versionPath = () => `/api/projects/${projectId}/versions/1`;
const panel = (page: Page) => page.getByRole("region", { name: "Preview", exact: true });
const status = (page: Page) => panel(page).getByRole("status");

/** Asks again until the answer is yes. */
async function until(what: string, timeoutMs: number, isTrue: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + timeoutMs;
  while (!(await isTrue())) {
    assert.ok(Date.now() < end, `timed out waiting for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}

/** Describes an application, and starts the preview of what is made. */
async function describeAndTry(page: Page): Promise<void> {
  await submitDescription(page, "A shopping list for the market");
  projectId = projectIdOf(page);
  const link = page.getByRole("link", { name: "Version 1", exact: true }).first();
  await link.waitFor({ timeout: JOB_TIMEOUT_MS });
  await link.click();
  await panel(page).getByRole("button", { name: "Try this version" }).click();
}

/** The application in the page's frame, once it is there. */
async function framed(page: Page): Promise<Frame> {
  const frame = panel(page).locator("iframe");
  const ended = panel(page).getByText("The preview has ended");
  await frame.or(ended).first().waitFor({ timeout: START_TIMEOUT_MS });
  assert.equal(await status(page).textContent(), "");
  const application = await (await frame.elementHandle())?.contentFrame();
  assert.ok(application, "the preview is in a frame");
  await application.getByRole("heading", { level: 1 }).waitFor();
  return application;
}

/** The preview in a tab of its own, as a person opens it. */
async function openTab(page: Page): Promise<Page> {
  const opened = page.waitForEvent("popup");
  await panel(page).getByRole("link", { name: "Open in a new tab" }).click();
  const tab = await opened;
  await tab.waitForLoadState();
  return tab;
}

const item = (place: Frame | Page, title: string) => place.getByRole("checkbox", { name: `Done: ${title}` });

async function add(place: Frame | Page, title: string): Promise<void> {
  await place.getByLabel("New item").fill(title);
  await place.getByRole("button", { name: "Add", exact: true }).click();
  await item(place, title).waitFor();
}

/**
 * Leads a place of the preview to a page that its application could as well serve: of the same origin, and without a
 * policy that would refuse something before App-Gen does.
 */
async function makeHostile(context: BrowserContext, place: Frame | Page): Promise<void> {
  const address = new URL("/hostile", place.url()).href;
  const body = "<!doctype html><title>Hostile</title><body></body>";
  await context.route(address, (route) => route.fulfill({ contentType: "text/html", body }));
  await place.goto(address);
  // From here on nothing stands between the browser and the orchestrator.
  await context.unroute(address);
}

/** Runs in a frame of the page: what it gets of the page around it. */
function reachForParent() {
  const outcome = (work: () => unknown): string => {
    try {
      return `done: ${String(work())}`;
    } catch (error) {
      return error instanceof Error ? error.name : String(error);
    }
  };
  return {
    document: outcome(() => parent.document.cookie),
    storage: outcome(() => parent.localStorage.getItem("of_page")),
    address: outcome(() => parent.location.href),
    lead: outcome(() => {
      if (top) top.location.href = location.href;
    }),
  };
}

/** Runs in a page of the preview: what it gets of the page's origin. `api` is that of the project there. */
async function reachForOrigin(api: string) {
  const outcome = async (path: string, init: RequestInit): Promise<string> => {
    try {
      const answer = await fetch(`${api}${path}`, { credentials: "include", ...init });
      return `done: ${answer.status} ${answer.type}`;
    } catch (error) {
      return error instanceof Error ? error.name : String(error);
    }
  };
  return {
    cookie: document.cookie,
    local: localStorage.getItem("of_page"),
    session: sessionStorage.getItem("of_page"),
    // What fails below does not fail because nothing could be asked from here.
    own: await fetch("/api/health").then((answer) => answer.status),
    read: await outcome("", {}),
    embed: await outcome("", { mode: "no-cors" }),
    // Neither of them needs the browser to ask first.
    write: await outcome("/versions/1/restore", { method: "POST", mode: "no-cors" }),
    send: await outcome("/versions/1/preview", { method: "POST", mode: "no-cors", body: "{}" }),
    // This one does.
    remove: await outcome("", { method: "DELETE" }),
  };
}

const NOTHING_OF_ORIGIN = {
  cookie: "",
  local: null,
  session: null,
  own: 200,
  read: "TypeError",
  embed: "TypeError",
  write: "TypeError",
  send: "TypeError",
  remove: "TypeError",
};

/** The browser does not show the page in a frame of this tab. */
async function assertCannotFrame(tab: Page, url: string): Promise<void> {
  const said: string[] = [];
  tab.on("console", (message) => said.push(message.text()));
  await tab.evaluate((address) => {
    const frame = document.createElement("iframe");
    frame.src = address;
    document.body.append(frame);
  }, url);
  await until("a frame that is refused", ANSWER_TIMEOUT_MS, async () => {
    const [frame] = tab.mainFrame().childFrames();
    assert.ok(!frame?.url().startsWith(url), "the page is in a frame of a preview");
    return frame?.url().startsWith("chrome-error:") || said.some((text) => text.includes("frame-ancestors"));
  });
}

describe("previews", { timeout: 15 * 60_000 }, () => {
  let browser: Browser;

  before(async () => {
    assert.ok(["run", "refused"].includes(PREVIEWS), `PREVIEWS is ${PREVIEWS}; it takes run or refused`);
    await assertOrchestrator();
    browser = await launchBrowser();
  });

  after(async () => {
    await browser?.close();
    if (projectId === "") return;
    // Where a journey failed, one still runs, and there are only so many.
    const signal = AbortSignal.timeout(ANSWER_TIMEOUT_MS);
    await fetch(`${API_URL}${versionPath()}/preview`, { method: "DELETE", signal });
  });

  if (PREVIEWS === "refused") {
    test("where nothing can be kept apart, nothing is started, and the page says why and what to do", () =>
      withPage(browser, desktop, async (page) => {
        await describeAndTry(page);
        await panel(page).getByText("The preview has ended").waitFor({ timeout: START_TIMEOUT_MS });
        const words = (await status(page).textContent()) ?? "";
        assert.match(words, /no application is started here: .+ Previews run in containers: cargo xtask dev --provider codex/);
        const preview = await fetchJson<Preview>(`${versionPath()}/preview`);
        assert.deepEqual([preview.state, preview.url], ["ended", null]);
        assert.ok(preview.reason && words.includes(preview.reason), words);
        assert.equal(await panel(page).locator("iframe").count(), 0);
        await panel(page).getByRole("button", { name: "Try it again" }).waitFor();
      }));
    return;
  }

  test("what was described is used in a frame of the page, and in a tab of its own", () =>
    withPage(browser, desktop, async (page) => {
      await describeAndTry(page);
      const frame = await framed(page);
      const own = new URL(frame.url()).origin;
      assert.notEqual(own, new URL(page.url()).origin);
      assert.equal(await frame.evaluate(() => origin), own);
      await add(frame, "Fresh basil");
      await takeScreenshot(page, "preview");

      const tab = await openTab(page);
      assert.equal(new URL(tab.url()).origin, own);
      assert.equal(await tab.evaluate(() => opener), null);
      await item(tab, "Fresh basil").waitFor();
      const kept = tab.waitForResponse((response) => response.request().method() !== "GET");
      await item(tab, "Fresh basil").check();
      assert.ok((await kept).ok());
      const shown = await tab.reload();
      await item(tab, "Fresh basil").waitFor();
      assert.ok(await item(tab, "Fresh basil").isChecked());
      const version = await fetchJson<Version>(versionPath());
      assert.equal(shown?.headers()["x-app-gen-commit"], version.commit);
    }));

  test("what is tried reads nothing of the page, neither frames nor leads it, and has its API do nothing", () =>
    withPage(
      browser,
      desktop,
      async (page) => {
        await page.goto(`/#/projects/${projectId}/versions/1`);
        await page.evaluate((secret) => {
          document.cookie = `${secret}; path=/`;
          localStorage.setItem("of_page", "secret");
          sessionStorage.setItem("of_page", "secret");
        }, SECRET);
        const address = page.url();
        const api = `${BASE_URL}/api/projects/${projectId}`;
        const frame = await framed(page);
        const tab = await openTab(page);

        await makeHostile(page.context(), frame);
        const refused = "SecurityError";
        assert.deepEqual(await frame.evaluate(reachForParent), {
          document: refused,
          storage: refused,
          address: refused,
          lead: refused,
        });
        assert.deepEqual(await frame.evaluate(reachForOrigin, api), NOTHING_OF_ORIGIN);

        await makeHostile(page.context(), tab);
        assert.deepEqual(await tab.evaluate(reachForOrigin, api), NOTHING_OF_ORIGIN);
        await assertCannotFrame(tab, BASE_URL);
        await tab.evaluate(() => {
          document.cookie = "of_preview=1; path=/";
        });
        assert.equal(await tab.evaluate(() => document.cookie), "of_preview=1");

        assert.equal(page.url(), address);
        await page.getByRole("heading", { level: 1, name: /^Version 1/ }).waitFor();
        assert.equal(await page.evaluate(() => document.cookie), SECRET);
        const jobs = await jobsOf(page);
        assert.deepEqual([jobs.length, jobs[0]?.kind], [1, "create"]);
      },
      REFUSALS,
    ));

  test("who ends a preview ends it for all", () =>
    withPage(browser, desktop, async (page) => {
      await page.goto(`/#/projects/${projectId}/versions/1`);
      await framed(page);
      const tab = await openTab(page);
      await panel(page).getByRole("button", { name: "End", exact: true }).click();
      await panel(page).getByText("The preview has ended: somebody ended it.").waitFor();
      await panel(page).getByRole("button", { name: "Try it again" }).waitFor();
      assert.equal(await panel(page).locator("iframe").count(), 0);
      await until("an address that leads to nothing", END_TIMEOUT_MS, async () => (await tab.reload())?.status() === 410);
      await tab.getByRole("heading", { name: "This preview has ended" }).waitFor();
      await until("the end of its task", END_TIMEOUT_MS, async () => {
        const { stopped_at } = await fetchJson<Preview>(`${versionPath()}/preview`);
        return stopped_at !== null;
      });
    }));
});
