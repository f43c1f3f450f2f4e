/** What a user does with an application that is there, in a real browser, against a running orchestrator. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import type { Browser, Locator, Page } from "playwright-core";
import type { FileContent, Project, Version } from "../web/src/api/types.ts";
import {
  assertAccessible,
  assertOrchestrator,
  assertUsable,
  desktop,
  fetchJson,
  JOB_TIMEOUT_MS,
  jobsOf,
  launchBrowser,
  phone,
  projectIdOf,
  submitDescription,
  withPage,
} from "./browser.ts";

/** Set by the first journey; the later ones look at the same project. */
let projectId = "";

const part = (page: Page, name: string) => page.getByRole("region", { name, exact: true });
const version = (page: Page, number: number) =>
  part(page, "Versions").locator(".version").filter({ has: page.getByRole("link", { name: `Version ${number}`, exact: true }) });

async function made(page: Page, number: number): Promise<void> {
  await version(page, number).waitFor({ timeout: JOB_TIMEOUT_MS });
}

/** Presses Tab until the element has the focus. */
async function tabTo(page: Page, target: Locator): Promise<void> {
  for (let press = 0; press < 40; press++) {
    if (await target.evaluate((element) => element === document.activeElement)) return;
    await page.keyboard.press("Tab");
  }
  assert.fail(`the keyboard does not reach ${target}`);
}

describe("projects", { timeout: 10 * 60_000 }, () => {
  let browser: Browser;

  before(async () => {
    await assertOrchestrator();
    browser = await launchBrowser();
  });

  after(() => browser?.close());

  test("what was asked makes a version, and a change that fails says why and can be asked again", () =>
    withPage(browser, desktop, async (page) => {
      await submitDescription(page, "A reading list for our book club");
      projectId = projectIdOf(page);
      await made(page, 1);
      const field = page.getByLabel("What should change?");
      await field.fill("Make the header blue");
      await page.getByRole("button", { name: "Make the change" }).click();
      const failed = part(page, "What was asked").locator('.message:first-child [data-state="failed"]');
      await failed.waitFor({ timeout: JOB_TIMEOUT_MS });
      assert.equal(await field.inputValue(), "", "the field is empty for the next change");
      const [job] = await jobsOf(page);
      assert.deepEqual([job?.kind, job?.project], ["change", projectId]);
      // A template makes applications, and changes none.
      assert.match(job?.reason ?? "", /cannot change an application/);
      await part(page, "What was asked").getByText(job?.reason ?? "").first().waitFor();
      await page.getByRole("button", { name: "Use this description again" }).click();
      assert.equal(await field.inputValue(), "Make the header blue");
    }));

  test("a version is gone back to, and appears by itself", () =>
    withPage(browser, desktop, async (page) => {
      await page.goto(`/#/projects/${projectId}`);
      await made(page, 1);
      assert.equal(await page.getByRole("button", { name: "Go back to this version" }).count(), 0, "it is the newest one");
      // Another page asks for it, and this one sees it.
      await fetchJson(`/api/projects/${projectId}/versions/1/restore`, { method: "POST" });
      await made(page, 2);
      await version(page, 1).getByRole("button", { name: "Go back to this version" }).click();
      await page.getByText("Its files become version 3.").waitFor();
      await assertAccessible(page, "the question");
      await page.keyboard.press("Escape");
      await version(page, 1).getByRole("button", { name: "Go back to this version" }).click();
      await page.getByRole("button", { name: "Go back", exact: true }).click();
      await made(page, 3);
      await page.getByRole("heading", { name: "The version is the newest one again." }).waitFor();

      await version(page, 2).getByRole("link", { name: "Change from here" }).click();
      await page.getByText("Begins with version 2.").waitFor();
      const field = page.getByLabel("What should change?");
      assert.ok(await field.evaluate((element) => element === document.activeElement), "the field has the focus");
      await page.getByRole("link", { name: "Begin with the newest" }).click();
      await page.getByText("Begins with version 2.").waitFor({ state: "detached" });
    }));

  test("a version shows what changed and its files, and is downloaded", () =>
    withPage(browser, desktop, async (page) => {
      await page.goto(`/#/projects/${projectId}`);
      await page.getByRole("link", { name: "Version 3", exact: true }).last().click();
      await page.getByText("Nothing: both have the same files.").waitFor();
      await page.getByRole("link", { name: "version 1" }).click();
      await page.getByRole("heading", { name: "What it began with" }).waitFor();

      await page.locator("summary").filter({ hasText: /^package\.json/ }).click();
      const patch = page.getByRole("region", { name: "Changes of package.json" });
      const path = `/api/projects/${projectId}/versions/1`;
      const file = await fetchJson<FileContent>(`${path}/file?path=package.json`);
      const expected = file.text?.split("\n").slice(0, -1);
      assert.deepEqual(await patch.locator("ins").allTextContents(), expected, "all lines are new");
      assert.equal(await patch.locator("del").count(), 0);

      await page.getByRole("navigation", { name: "Files of this version" }).getByText("package.json").click();
      const text = page.getByRole("region", { name: "Text of package.json" });
      await text.waitFor();
      assert.equal(await text.textContent(), file.text);
      assert.equal(await page.evaluate(() => document.activeElement?.textContent), "package.json");
      await page.reload();
      await text.waitFor();
      await page.goBack();
      await text.waitFor({ state: "detached" });

      const [download] = await Promise.all([
        page.waitForEvent("download"),
        page.getByRole("link", { name: "Download version 1" }).click(),
      ]);
      const shown = await fetchJson<Version>(path);
      const bytes = await readFile(await download.path());
      assert.equal(createHash("sha256").update(bytes).digest("hex"), shown.sha256);
    }));

  test("a version that is delivered nowhere says why, and what to do", () =>
    withPage(browser, desktop, async (page) => {
      await page.goto(`/#/projects/${projectId}/versions/1`);
      const where = part(page, "Where it is");
      await where.getByText("Version 1 was not delivered anywhere yet.").waitFor();
      await where.getByText("Deliver version 1").click();
      await where.getByLabel("Owner").fill("octo");
      await assertAccessible(page, "the form of a delivery");
      await where.getByRole("button", { name: "Deliver", exact: true }).click();
      // Nobody has set a token here.
      await where.getByText("Failed", { exact: true }).waitFor({ timeout: JOB_TIMEOUT_MS });
      await where.getByText(/there is no token for this target: GITHUB_BOT_TOKEN is not set; set it/).waitFor();
      await where.getByRole("button", { name: /^Deliver again/ }).waitFor();
      await assertAccessible(page, "a delivery that failed");
      await where.getByRole("link", { name: /^Activity/ }).click();
      await page.getByRole("heading", { name: "The version could not be delivered." }).waitFor();
    }));

  test("the keyboard alone renames, archives, finds, takes up again and deletes", () =>
    withPage(browser, desktop, async (page) => {
      await submitDescription(page, "A chess clock for two");
      const id = projectIdOf(page);
      const name = `Clock ${id}`;
      await made(page, 1);
      await tabTo(page, page.getByRole("button", { name: "Rename" }));
      await page.keyboard.press("Enter");
      await page.keyboard.type(name);
      await page.keyboard.press("Enter");
      await page.getByRole("heading", { level: 1, name }).waitFor();
      await tabTo(page, page.getByRole("button", { name: "Archive" }));
      await page.keyboard.press("Enter");
      await page.getByText("An archived app takes no changes.").waitFor();
      assert.equal((await fetchJson<Project>(`/api/projects/${id}`)).archived, true);

      await page.goto("/#/");
      await tabTo(page, page.getByLabel("Search by name"));
      await page.keyboard.type(name);
      await page.getByText(`No app has “${name}” in its name.`).waitFor();
      await tabTo(page, page.getByLabel("Show archived"));
      await page.keyboard.press("Space");
      const card = page.locator(".project-card").filter({ hasText: name });
      await card.waitFor();
      await tabTo(page, card);
      await page.keyboard.press("Enter");
      const takeUp = page.getByRole("button", { name: "Take up again" });
      await takeUp.waitFor();
      await tabTo(page, takeUp);
      await page.keyboard.press("Enter");
      await page.getByRole("button", { name: "Archive" }).waitFor();

      await tabTo(page, page.getByRole("button", { name: "Delete" }));
      await page.keyboard.press("Enter");
      await page.getByText("Its version, its jobs and all files are lost.").waitFor();
      const keep = page.getByRole("button", { name: "Keep it" });
      assert.ok(await keep.evaluate((element) => element === document.activeElement), "the harmless answer has the focus");
      await page.keyboard.press("Shift+Tab");
      await page.keyboard.press("Enter");
      await page.getByRole("heading", { name: "Your apps" }).waitFor();
      await page.goto(`/#/projects/${id}`);
      await page.getByRole("heading", { name: "There is no such app" }).waitFor();
    }));

  for (const colorScheme of ["light", "dark"] as const) {
    for (const [name, device] of Object.entries({ desktop, phone })) {
      test(`${colorScheme} on a ${name} is accessible and never scrolls sideways`, () =>
        withPage(browser, { ...device, colorScheme }, async (page) => {
          const look = (what: string) => assertUsable(page, `${what}-${colorScheme}-${name}`, device.viewport);
          await page.goto(`/#/projects/${projectId}?from=1`);
          await made(page, 1);
          await page.getByRole("heading", { level: 3, name: "Make the header blue" }).waitFor();
          await look("project");
          await page.goto(`/#/projects/${projectId}/versions/1?file=package.json`);
          await page.getByRole("region", { name: "Text of package.json" }).waitFor();
          await page.locator("summary").filter({ hasText: /^src\// }).first().click();
          await page.locator(".patch").waitFor();
          await look("version");
          await page.goto("/#/projects/no-such-project");
          await page.getByRole("heading", { name: "There is no such app" }).waitFor();
          await look("no-project");
        }));
    }
  }
});
