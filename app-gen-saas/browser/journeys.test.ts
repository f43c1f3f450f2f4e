/** What a user does, in a real browser, against a running orchestrator (BASE_URL) that really generates. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, test } from "node:test";
import type { Browser, Page } from "playwright-core";
import type { Job, JobList } from "../web/src/api/types.ts";
import {
  assertNoSidewaysScroll,
  assertOrchestrator,
  assertUsable,
  BASE_URL,
  createJob,
  desktop,
  fetchEventStream,
  fetchJson,
  JOB_TIMEOUT_MS,
  jobsOf,
  launchBrowser,
  phone,
  type StreamedEvent,
  submitDescription,
  takeScreenshot,
  withPage,
} from "./browser.ts";
import { type Fault, type FaultyProxy, startFaultyProxy } from "./faultyProxy.ts";

const DESCRIPTION = "A recipe box: save recipes with ingredients and tags, search them <b>fast</b> & scale the amounts.";

/** Set by the first journeys; the later ones look at the same jobs. */
let succeededId = "";
let failedId = "";

const state = (page: Page, name: string) => page.locator(`.job-head [data-state="${name}"]`);
const lines = (page: Page) => page.getByRole("log").locator(".log-line");

describe("the page", { timeout: 10 * 60_000 }, () => {
  let browser: Browser;

  before(async () => {
    await assertOrchestrator();
    browser = await launchBrowser();
  });

  after(() => browser?.close());

  test("an empty description is refused", () =>
    withPage(browser, desktop, async (page) => {
      const jobsBefore = await fetchJson<JobList>("/api/jobs");
      await page.goto("/");
      await page.getByLabel("Describe your app").fill("   ");
      await page.getByRole("button", { name: "Generate app" }).click();
      await page.getByRole("alert").getByText("Describe the app first").waitFor();
      assert.equal(await page.getByLabel("Describe your app").getAttribute("aria-invalid"), "true");
      assert.equal(new URL(page.url()).hash, "");
      assert.deepEqual(await fetchJson("/api/jobs"), jobsBefore);
    }));

  test("a description runs live to a download", () =>
    withPage(browser, desktop, async (page) => {
      await page.goto("/");
      await page.evaluate(recordStates);
      await page.getByLabel("Describe your app").fill(DESCRIPTION);
      await page.getByRole("button", { name: "Generate app" }).click();
      await state(page, "succeeded").waitFor({ timeout: JOB_TIMEOUT_MS });
      await page.getByText("Complete", { exact: true }).waitFor();
      succeededId = (await jobsOf(page))[0]?.id ?? "";

      const { states, lineCounts } = await page.evaluate(() => (window as unknown as { seen: Seen }).seen);
      assert.notEqual(states[0], "succeeded", "the job was never seen running");
      assert.equal(states.at(-1), "succeeded");
      assert.ok(lineCounts.length > 1, `the log did not grow while it was watched: ${lineCounts.join(", ")} lines`);
      await page.getByRole("heading", { level: 1, name: "A recipe box" }).waitFor();

      const job = await fetchJson<Job>(`/api/jobs/${succeededId}`);
      assert.equal(job.description, DESCRIPTION);
      const [download] = await Promise.all([
        page.waitForEvent("download"),
        page.getByRole("link", { name: "Download app.zip" }).click(),
      ]);
      const commands = await page.getByLabel("Commands that run the app").innerText();
      assert.ok(commands.includes(`unzip ${download.suggestedFilename()} `), `${commands} do not fit the file's name`);
      const bytes = await readFile(await download.path());
      assert.ok(bytes.length > 0, "the download is empty");
      assert.deepEqual([...bytes.subarray(0, 4)], [0x50, 0x4b, 0x03, 0x04], "the download is no zip");
      assert.equal(bytes.length, job.artifact?.size_bytes);
      assert.equal(createHash("sha256").update(bytes).digest("hex"), job.artifact?.sha256);
      await takeScreenshot(page, "succeeded-light");
    }));

  test("a reload on the deep link shows all of it again", () =>
    withPage(browser, desktop, async (page) => {
      await page.goto(`/#/jobs/${succeededId}`);
      await page.getByRole("link", { name: "Download app.zip" }).waitFor();
      await page.getByText("Complete", { exact: true }).waitFor();
      const before = await lines(page).allInnerTexts();
      const expected = withLine(await fetchEventStream(succeededId));
      assert.equal(before.length, expected.length, "a line for every event but heartbeats");
      await page.reload();
      await page.getByText("Complete", { exact: true }).waitFor();
      assert.deepEqual(await lines(page).allInnerTexts(), before);
      await page.getByRole("link", { name: "Download app.zip" }).waitFor();
      await page.getByRole("link", { name: "The app" }).click();
      await page.getByRole("heading", { level: 1, name: "A recipe box" }).waitFor();
    }));

  test("a failed job shows its reason", () =>
    withPage(browser, desktop, async (page) => {
      failedId = (await createJob("A chess clock for two", "no-such-provider")).id;
      await page.goto(`/#/jobs/${failedId}`);
      await state(page, "failed").waitFor({ timeout: JOB_TIMEOUT_MS });
      await page.getByRole("heading", { name: "This app could not be generated." }).waitFor();
      const job = await fetchJson<Job>(`/api/jobs/${failedId}`);
      assert.match(job.reason ?? "", /no-such-provider/);
      assert.equal(await page.locator(".outcome-reason").innerText(), job.reason);
      assert.equal(await page.getByRole("link", { name: /Download/ }).count(), 0);
      await takeScreenshot(page, "failed-light");

      await page.getByRole("link", { name: "Use this description again" }).click();
      assert.equal(await page.getByLabel("Describe your app").inputValue(), "A chess clock for two");
    }));

  test("a link to no job says so", () =>
    withPage(browser, desktop, async (page) => {
      await page.goto("/#/jobs/no-such-job");
      await page.getByRole("heading", { name: "There is no such job" }).waitFor();
    }));

  test("no script but the page's own runs in it", async () => {
    const page = await browser.newPage();
    try {
      await page.goto(BASE_URL);
      await page.getByLabel("Describe your app").waitFor();
      const reported = page.waitForEvent("console", (message) => message.text().includes("Content Security Policy"));
      const ran = await page.evaluate(() => {
        const script = document.createElement("script");
        script.textContent = "window.injected = true";
        document.body.append(script);
        return "injected" in window;
      });
      assert.equal(ran, false, "an injected script ran");
      await reported;
    } finally {
      await page.close();
    }
  });

  test("another page of this machine can neither watch nor cancel a job", async () => {
    const other = createServer((_, answer) => answer.setHeader("content-type", "text/html").end("<!doctype html>"));
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const page = await browser.newPage();
    try {
      await page.goto(`http://127.0.0.1:${(other.address() as AddressInfo).port}/`);
      const { id } = await createJob(DESCRIPTION);
      const seen = await page.evaluate(async (job) => {
        // Whether the answer can be read does not say whether the request was obeyed.
        await fetch(`${job}/cancel`, { method: "POST", mode: "no-cors" }).catch(() => undefined);
        const stream = new EventSource(`${job}/events`);
        const socket = new WebSocket(`${job.replace(/^http/, "ws")}/events/ws`);
        return Promise.all([
          new Promise((resolve) => {
            stream.onerror = () => resolve("refused");
            stream.onmessage = () => resolve("read");
          }),
          new Promise((resolve) => {
            socket.onerror = () => resolve("refused");
            socket.onopen = () => resolve("read");
          }),
        ]);
      }, `${BASE_URL}/api/jobs/${id}`);
      assert.deepEqual(seen, ["refused", "refused"]);
      await fetchEventStream(id);
      assert.equal((await fetchJson<Job>(`/api/jobs/${id}`)).state, "succeeded");
    } finally {
      await page.close();
      other.close();
    }
  });

  test("the keyboard alone is enough", () =>
    withPage(browser, desktop, async (page) => {
      await page.goto("/");
      const field = page.getByLabel("Describe your app");
      for (let press = 0; press < 6; press++) {
        await page.keyboard.press("Tab");
        if (await field.evaluate((element) => element === document.activeElement)) break;
      }
      await page.keyboard.type("A plant diary");
      await page.keyboard.press("Control+Enter");
      await page.waitForURL(/#\/projects\//);
      assert.equal(await page.evaluate(() => document.activeElement?.tagName), "MAIN", "the new page has the focus");
      await state(page, "succeeded").waitFor({ timeout: JOB_TIMEOUT_MS });
    }));

  test("a stream that breaks off goes on where it was, with nothing lost or doubled", () =>
    withFaults([{ holdAfter: 3 }, { holdAfter: 2 }], (proxy) =>
      withPage(browser, { ...desktop, baseURL: proxy.url }, async (page) => {
        const events = await fetchEventStream(succeededId);
        await page.goto(`/#/jobs/${succeededId}`);
        for (const count of [3, 5]) {
          await shown(page, events.slice(0, count));
          proxy.cut();
          await page.getByText("Connection lost, reconnecting…").waitFor();
        }
        await page.getByText("Complete", { exact: true }).waitFor();
        assert.deepEqual(
          proxy.streams.map((stream) => stream.lastEventId ?? stream.after),
          ["0", "3", "5"],
          "each stream goes on after the last event of the one before",
        );
        assert.equal(await lines(page).count(), withLine(events).length);
      }),
    ));

  test("a stream the server refuses is said to be lost and is opened again", () =>
    withFaults([{ holdAfter: 4 }, "refuse", "refuse"], (proxy) =>
      withPage(browser, { ...desktop, baseURL: proxy.url }, async (page) => {
        const events = await fetchEventStream(succeededId);
        await page.goto(`/#/jobs/${succeededId}`);
        await shown(page, events.slice(0, 4));
        proxy.cut();
        await page.getByText("Connection lost", { exact: true }).waitFor();
        await page.getByRole("button", { name: "Try now" }).click();
        await page.getByText("Complete", { exact: true }).waitFor();
        assert.equal(proxy.streams.length, 4);
        assert.deepEqual(proxy.streams.at(-1), { after: "4", lastEventId: undefined });
        assert.equal(await lines(page).count(), withLine(events).length);
      }),
    ));

  test("without a network the page says so, and recovers by itself", () =>
    withPage(browser, desktop, async (page) => {
      await page.goto("/");
      await page.locator(".project-card").first().waitFor();
      await page.context().setOffline(true);
      await page.getByText("You are offline.").waitFor();
      await page.context().setOffline(false);
      await page.getByText("You are offline.").waitFor({ state: "detached" });
    }));

  for (const colorScheme of ["light", "dark"] as const) {
    for (const [name, device] of Object.entries({ desktop, phone })) {
      test(`${colorScheme} on a ${name} is accessible and never scrolls sideways`, () =>
        withPage(browser, { ...device, colorScheme }, async (page) => {
          await page.goto("/");
          await page.locator(".project-card").first().waitFor();
          await assertUsable(page, `home-${colorScheme}-${name}`, device.viewport);
          for (const [outcome, jobId] of [["succeeded", succeededId], ["failed", failedId]] as const) {
            await page.goto(`/#/jobs/${jobId}`);
            await state(page, outcome).waitFor();
            await page.getByText("Complete", { exact: true }).waitFor();
            await assertUsable(page, `${outcome}-${colorScheme}-${name}`, device.viewport);
          }
        }));
    }
  }

  test("a phone submits and downloads too", () =>
    withPage(browser, phone, async (page) => {
      const word = "Donaudampfschifffahrtsgesellschaft".repeat(6);
      await submitDescription(page, `${word} timetable`);
      await state(page, "succeeded").waitFor({ timeout: JOB_TIMEOUT_MS });
      await assertNoSidewaysScroll(page, "a job with a very long word");
      const [download] = await Promise.all([
        page.waitForEvent("download"),
        page.getByRole("link", { name: "Download app.zip" }).tap(),
      ]);
      assert.equal(await download.failure(), null);
      await page.getByRole("link", { name: "All apps" }).tap();
      await page.getByRole("heading", { name: "Your apps" }).waitFor();
      await assertNoSidewaysScroll(page, "the list with a very long word");
    }));
});

async function withFaults(faults: Fault[], journey: (proxy: FaultyProxy) => Promise<void>): Promise<void> {
  const proxy = await startFaultyProxy(faults);
  try {
    await journey(proxy);
  } finally {
    await proxy.close();
  }
}

/** Waits until the log shows these events. */
async function shown(page: Page, events: StreamedEvent[]): Promise<void> {
  await lines(page).nth(withLine(events).length - 1).waitFor();
}

function withLine(events: StreamedEvent[]): StreamedEvent[] {
  return events.filter((event) => event.type !== "heartbeat");
}

interface Seen {
  states: string[];
  lineCounts: number[];
}

/** Runs in the page: notes each state of the open job and each length of its log, as they are shown. */
function recordStates(): void {
  const seen: Seen = { states: [], lineCounts: [] };
  (window as unknown as { seen: Seen }).seen = seen;
  new MutationObserver(() => {
    const shown = document.querySelector(".job-head [data-state]")?.getAttribute("data-state");
    if (!shown) return;
    if (seen.states.at(-1) !== shown) seen.states.push(shown);
    const count = document.querySelectorAll(".log-line").length;
    if (seen.lineCounts.at(-1) !== count) seen.lineCounts.push(count);
  }).observe(document.body, { subtree: true, childList: true, attributes: true, characterData: true });
}
