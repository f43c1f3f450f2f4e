/** Debian's chromium, driven by playwright-core, and what the journeys need of the running orchestrator. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import type { Health, Job, JobList } from "../web/src/api/types.ts";

/** The orchestrator that serves the built page. */
export const BASE_URL = (process.env.BASE_URL ?? "http://127.0.0.1:5013").replace(/\/$/, "");

/** The same for programs, which cannot resolve every name that a browser knows, or have to ask a path below another. */
export const API_URL = (process.env.API_URL ?? BASE_URL).replace(/\/$/, "");

/** A generation may have to wait for a task to start. */
export const JOB_TIMEOUT_MS = 120_000;
const STEP_TIMEOUT_MS = 15_000;

/** An image of one pixel. */
export const PNG = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
  "base64",
);

/** Chromium refuses its sandbox to root. */
export const HAS_SANDBOX = process.getuid?.() !== 0;

export const CHROMIUM_FLAGS = [
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export function chromiumPath(): string {
  const path = process.env.CHROMIUM || "/usr/bin/chromium";
  assert.ok(existsSync(path), `no browser at ${path}: install chromium, or name another in CHROMIUM`);
  return path;
}

/** Its profile is playwright's own temporary folder. */
export function launchBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: chromiumPath(),
    headless: true,
    chromiumSandbox: HAS_SANDBOX,
    args: CHROMIUM_FLAGS,
  });
}

/**
 * Runs one journey in a profile of its own. An error that the page throws fails it, and so does one that the
 * browser reports, such as a breach of the page's own security policy. Failed requests are part of some journeys.
 */
export async function withPage(
  browser: Browser,
  options: BrowserContextOptions,
  journey: (page: Page) => Promise<void>,
  /** What may be reported, because the journey is about it. */
  expected?: RegExp,
): Promise<void> {
  const context = await browser.newContext({ baseURL: BASE_URL, locale: "en-GB", ...options });
  context.setDefaultTimeout(STEP_TIMEOUT_MS);
  const page = await context.newPage();
  const errors: string[] = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("console", (message) => {
    const text = message.text();
    if (message.type() !== "error" || text.startsWith("Failed to load resource") || expected?.test(text)) return;
    errors.push(text);
  });
  try {
    await journey(page);
    assert.deepEqual(errors, [], "the page or the browser reported errors");
  } catch (error) {
    await takeScreenshot(page, "failure");
    throw error;
  } finally {
    await context.close();
  }
}

/** Saved in the folder that SCREENSHOTS names; nothing is saved without it. */
export async function takeScreenshot(page: Page, name: string): Promise<void> {
  const folder = process.env.SCREENSHOTS;
  if (folder) await page.screenshot({ path: `${folder}/${name}.png`, fullPage: true });
}

/** Refuses to test something else that happens to listen there. */
export async function assertOrchestrator(): Promise<void> {
  const health = await fetchJson<Health>("/health").catch((error: unknown) => {
    throw new Error(`no orchestrator answers at ${API_URL}; start one and name it in BASE_URL`, { cause: error });
  });
  assert.equal(health.service, "orchestrator", `something else answers at ${API_URL}`);
}

export async function submitDescription(page: Page, description: string): Promise<void> {
  await page.goto("/");
  await page.getByLabel("Describe your app").fill(description);
  await page.getByRole("button", { name: "Generate app" }).click();
  await page.waitForURL(/#\/projects\//);
}

/** The project whose page is open. */
export function projectIdOf(page: Page): string {
  const [, id = ""] = /^#\/projects\/([^/?]+)/.exec(new URL(page.url()).hash) ?? [];
  assert.notEqual(id, "", `${page.url()} is no page of a project`);
  return decodeURIComponent(id);
}

/** The jobs of the project whose page is open, newest first. */
export async function jobsOf(page: Page): Promise<Job[]> {
  return (await fetchJson<JobList>(`/api/jobs?project=${projectIdOf(page)}`)).jobs;
}

export async function fetchJson<T>(path: string, init?: RequestInit): Promise<T> {
  const response = await fetch(`${API_URL}${path}`, { ...init, signal: AbortSignal.timeout(STEP_TIMEOUT_MS) });
  assert.ok(response.ok, `${init?.method ?? "GET"} ${path} answered ${response.status}: ${await response.clone().text()}`);
  return (await response.json()) as T;
}

export function createJob(description: string, provider?: string): Promise<Job> {
  return fetchJson<Job>("/api/jobs", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ description, provider }),
  });
}

/** An event with its bytes in the stream. */
export interface StreamedEvent {
  sequence: number;
  type: string;
  frame: string;
}

/** The whole event stream of a finished job: the server closes it after the last event. */
export async function fetchEventStream(jobId: string): Promise<StreamedEvent[]> {
  const response = await fetch(`${API_URL}/api/jobs/${jobId}/events?after=0`, {
    signal: AbortSignal.timeout(JOB_TIMEOUT_MS),
  });
  assert.equal(response.status, 200);
  const frames = (await response.text()).split("\n\n").filter((frame) => /^data:/m.test(frame));
  return frames.map((frame) => {
    const data = JSON.parse(/^data: ?(.*)$/m.exec(frame)?.[1] ?? "") as { sequence: number; type: string };
    return { sequence: data.sequence, type: data.type, frame };
  });
}

const axePath = createRequire(import.meta.url).resolve("axe-core");

interface AxeResults {
  violations: { id: string; impact: string | null; help: string; nodes: { html: string; failureSummary?: string }[] }[];
}

/** WCAG 2.2 A and AA and good practice, as far as a machine can tell. */
export async function assertAccessible(page: Page, what: string): Promise<void> {
  // Not as a script of the page: its security policy would refuse it.
  await page.evaluate(readFileSync(axePath, "utf8"));
  const results = await page.evaluate(async () => {
    const axe = (globalThis as unknown as { axe: { run(root: Document, options: object): Promise<AxeResults> } }).axe;
    return axe.run(document, {
      // What is in a frame is the application's, not the page's.
      iframes: false,
      runOnly: { type: "tag", values: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] },
    });
  });
  const violations = results.violations.map(({ id, impact, help, nodes }) => ({
    id,
    impact,
    help,
    nodes: nodes.map((node) => [node.html, node.failureSummary]),
  }));
  assert.deepEqual(violations, [], `${what} is not accessible`);
}

/** Scrolling sideways is what makes a page unusable on a phone. */
export async function assertNoSidewaysScroll(page: Page, what: string): Promise<void> {
  const sizes = await page.evaluate(() => ({
    content: document.documentElement.scrollWidth,
    window: document.documentElement.clientWidth,
  }));
  assert.ok(sizes.content <= sizes.window, `${what} is ${sizes.content} px wide in a window of ${sizes.window} px`);
  const spilling = await page
    .locator(
      ".outcome, .outcome-main, .log, .log-body, .composer-box, .project-card, .message, .version, .file-change, .file-text, " +
        ".preview, .delivery, .deliver-form, .template-card, .account-item, .shown-once, .account-bar, .sign-in",
    )
    // Both are whole numbers of fractions of a pixel.
    .evaluateAll((cards) => cards.filter((card) => card.scrollWidth > card.clientWidth + 1).map((card) => card.className));
  assert.deepEqual(spilling, [], `something sticks out of its card in ${what}`);
}

/** A page is accessible, and fits: in its window, and in the narrowest one that WCAG asks for. */
export async function assertUsable(page: Page, name: string, size: { width: number; height: number }): Promise<void> {
  await takeScreenshot(page, name);
  await assertAccessible(page, name);
  await assertNoSidewaysScroll(page, name);
  await page.setViewportSize({ width: 320, height: 700 });
  await assertNoSidewaysScroll(page, `${name} at 320 px`);
  await page.setViewportSize(size);
}

export const desktop = { viewport: { width: 1280, height: 860 } };
export const phone = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true };
