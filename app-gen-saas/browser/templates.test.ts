/** Files and templates for what is asked, in a real browser, against a running orchestrator. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Browser, Page } from "playwright-core";
import type { Job } from "../web/src/api/types.ts";
import {
  assertOrchestrator,
  assertUsable,
  desktop,
  JOB_TIMEOUT_MS,
  jobsOf,
  launchBrowser,
  phone,
  PNG,
  projectIdOf,
  withPage,
} from "./browser.ts";

const NOTES = "A plant has a name and a place.\n";
/** Other runs may have left templates, too. */
const NAME = `Plants ${Date.now()}`;

/** Set by the first journey; the later one begins with its application. */
let projectId = "";

const isDrawn = (page: Page, selector: string) =>
  page.waitForFunction((image) => (document.querySelector<HTMLImageElement>(image)?.naturalWidth ?? 0) > 0, selector);

async function made(page: Page): Promise<Job> {
  await page.getByRole("link", { name: "Version 1", exact: true }).first().waitFor({ timeout: JOB_TIMEOUT_MS });
  const [job] = await jobsOf(page);
  assert.ok(job);
  return job;
}

describe("files and templates", { timeout: 5 * 60_000 }, () => {
  let browser: Browser;

  before(async () => {
    await assertOrchestrator();
    browser = await launchBrowser();
  });

  after(() => browser?.close());

  test("files come along with a description, and can be opened where it was asked", () =>
    withPage(browser, phone, async (page) => {
      await page.goto("/");
      await page.getByLabel("Describe your app").fill("A list of plants");
      await page.getByLabel("Files to attach").setInputFiles([
        { name: "notes.md", mimeType: "text/markdown", buffer: Buffer.from(NOTES) },
        { name: "sketch.png", mimeType: "image/png", buffer: PNG },
        { name: "data.bin", mimeType: "application/octet-stream", buffer: Buffer.from([1, 0, 2]) },
      ]);
      await page.getByText("The file is neither text").waitFor();
      await page.getByText("Attached files: 2 of 3 ready").waitFor({ state: "attached" });
      await isDrawn(page, ".chosen-file img");
      await assertUsable(page, "files-chosen", phone.viewport);
      await page.getByRole("button", { name: "Remove data.bin" }).click();
      await page.getByRole("button", { name: "Generate app" }).click();
      await page.waitForURL(/#\/projects\//);
      const job = await made(page);
      assert.deepEqual(
        job.attachments.map(({ name, media_type }) => [name, media_type]),
        [
          ["notes.md", "text/plain"],
          ["sketch.png", "image/png"],
        ],
      );
      await isDrawn(page, ".attached-file img");
      await assertUsable(page, "files-attached", phone.viewport);
      const download = page.waitForEvent("download");
      await page.getByRole("link", { name: /notes\.md/ }).first().click();
      assert.equal((await download).suggestedFilename(), "notes.md");
      projectId = projectIdOf(page);
    }));

  test("a version becomes a template, with which another app begins", () =>
    withPage(browser, desktop, async (page) => {
      await page.goto(`/#/projects/${projectId}/versions/1`);
      await page.getByRole("button", { name: "Make a template of this version" }).click();
      await page.getByLabel("Name of the template").fill(NAME);
      await page.getByRole("button", { name: "Make the template" }).click();
      await page.getByRole("link", { name: "the templates" }).click();
      const card = page.getByRole("article", { name: NAME, exact: true });
      await card.waitFor();
      await assertUsable(page, "templates", desktop.viewport);
      await card.getByRole("link", { name: /^New app/ }).click();
      const picker = page.getByLabel("Begin with");
      await picker.getByRole("option", { name: NAME }).waitFor({ state: "attached" });
      assert.equal(await picker.locator("option:checked").textContent(), NAME);
      await page.getByLabel("Describe your app").fill("My own plants");
      await page.getByRole("button", { name: "Generate app" }).click();
      await page.waitForURL(/#\/projects\//);
      const job = await made(page);
      assert.notEqual(job.project, projectId);
      assert.equal(job.template?.name, NAME);
      await page.getByText(`Began with “${NAME}”`).first().waitFor();

      await page.goto("/#/templates");
      await card.getByRole("button", { name: /^Remove/ }).click();
      await page.getByRole("button", { name: "Remove it" }).click();
      await page.getByText(`“${NAME}” is removed.`).waitFor();
    }));
});
