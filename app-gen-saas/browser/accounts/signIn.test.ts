/** Each way to sign in, with Supabase's own client in a real browser, against a running orchestrator. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Browser, Page } from "playwright-core";
import type { Job } from "../../web/src/api/types.ts";
import { assertOrchestrator, assertUsable, BASE_URL, desktop, launchBrowser, phone, withPage } from "../browser.ts";
import type { Login } from "./login.ts";
import { bar, made, signInPage, startLogin, write } from "./people.ts";
import type { Person } from "./sessions.ts";

describe("signing in", { timeout: 10 * 60_000 }, () => {
  let browser: Browser;
  let login: Login;
  let ann: Person;
  let job: Job;

  before(async () => {
    await assertOrchestrator();
    login = await startLogin();
    ann = login.person("ann");
    job = await made(login, ann, "A recipe box");
    browser = await launchBrowser();
  });

  after(async () => {
    await browser?.close();
    await login?.close();
  });

  const app = (page: Page) => page.getByRole("heading", { level: 1, name: "A recipe box" });
  const address = () => `/#/projects/${job.project}`;

  /** They are where they wanted to go, and the address has nothing else. */
  async function assertThere(page: Page): Promise<void> {
    await app(page).waitFor();
    assert.equal(page.url(), `${BASE_URL}${address()}`);
    await bar(page).getByText(ann.email).waitFor();
  }

  /** Has the login send a link. */
  async function linkFor(page: Page, email: string): Promise<string> {
    await page.getByLabel("E-mail").fill(email);
    await page.getByRole("button", { name: "Send me a link" }).click();
    await page.getByText(`A link is on its way to ${email}.`).waitFor();
    const mail = login.mails.at(-1);
    assert.ok(mail);
    assert.equal(mail.to, email);
    return mail.link;
  }

  test("a wrong password is told, and the right one leads to where the link led", () =>
    withPage(browser, desktop, async (page) => {
      await page.goto(address());
      await signInPage(page).waitFor();
      await assertUsable(page, "sign-in", desktop.viewport);
      await write(page, ann.email, "a wrong one");
      await page.getByRole("alert").getByText("Invalid login credentials").waitFor();
      assert.equal(await app(page).count(), 0);
      await write(page, ann.email, ann.password);
      await assertThere(page);
      await assertUsable(page, "signed-in", desktop.viewport);
      await page.reload();
      await assertThere(page);
    }));

  test("the keyboard alone signs in", () =>
    withPage(browser, desktop, async (page) => {
      await page.goto(address());
      await signInPage(page).waitFor();
      const email = page.getByLabel("E-mail");
      assert.ok(await email.evaluate((field) => field === document.activeElement), "the first field has the focus");
      await page.keyboard.type(ann.email);
      await page.keyboard.press("Tab");
      await page.keyboard.type(ann.password);
      await page.keyboard.press("Enter");
      await assertThere(page);
    }));

  test("a link by e-mail signs in once, and leads to where they wanted to go", () =>
    withPage(browser, phone, async (page) => {
      await page.goto(address());
      const link = await linkFor(page, ann.email);
      await page.goto(link);
      await assertThere(page);
      await assertUsable(page, "signed-in-phone", phone.viewport);
      await withPage(browser, desktop, async (another) => {
        await another.goto(link);
        await another.getByRole("alert").getByText("Email link is invalid or has expired").waitFor();
        assert.equal(another.url(), `${BASE_URL}/`);
        await write(another, ann.email, ann.password);
        await bar(another).waitFor();
      });
    }));

  test("a link is good only in the browser that asked for it", () =>
    withPage(browser, desktop, async (page) => {
      await page.goto("/");
      const link = await linkFor(page, ann.email);
      await withPage(browser, desktop, async (another) => {
        await another.goto(link);
        await another.getByRole("alert").getByText("only in the browser in which it was asked for").waitFor();
        assert.equal(await bar(another).count(), 0);
      });
      assert.equal(await bar(page).count(), 0);
    }));

  test("GitHub signs in, and leads back to where they wanted to go", () =>
    withPage(browser, desktop, async (page) => {
      login.gitHubEmail = ann.email;
      await page.goto(address());
      await page.getByRole("button", { name: "Continue with GitHub" }).click();
      await page.getByRole("heading", { name: "Authorize App-Gen" }).waitFor();
      assert.ok(page.url().startsWith(login.url), "the browser is at the login");
      await page.getByRole("link", { name: "Authorize" }).click();
      await assertThere(page);
    }));
});
