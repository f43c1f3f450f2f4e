/** What people with accounts see of each other: nothing, but in a team; and what programs and operators see. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Browser, Page } from "playwright-core";
import type { Job } from "../../web/src/api/types.ts";
import { assertOrchestrator, assertUsable, desktop, launchBrowser, phone, withPage } from "../browser.ts";
import type { Login } from "./login.ts";
import { ask, askWith, bar, made, signIn, signInPage, startLogin, write } from "./people.ts";
import type { Person } from "./sessions.ts";

const DESCRIPTION = "A recipe box that nobody else sees";

const heading = (page: Page, name: string) => page.getByRole("heading", { level: 1, name, exact: true });
const press = (page: Page, name: string) => page.getByRole("button", { name, exact: true }).click();

/** Makes a team on the page: the address of its page. */
async function makeTeam(page: Page, name: string): Promise<string> {
  await bar(page).getByRole("link", { name: "Teams" }).click();
  await page.getByLabel("Name of the team").fill(name);
  await press(page, "Make the team");
  await heading(page, name).waitFor();
  return new URL(page.url()).hash;
}

/** Invites somebody into the team whose page is open: the link that they get. */
async function invite(page: Page, person: Person): Promise<string> {
  await page.getByLabel("E-mail address that they sign in with").fill(person.email);
  await press(page, "Make an invitation");
  await page.getByText(`Send this link to ${person.email}`).waitFor();
  const link = await page.locator(".shown-once > code").textContent();
  assert.ok(link);
  await page.getByRole("button", { name: `Withdraw the invitation of ${person.email}` }).waitFor();
  return link;
}

/** The page is loaded anew, and shows whose apps they chose. */
async function seesAppsOf(page: Page, name: string): Promise<void> {
  await bar(page).locator("option:checked", { hasText: name }).waitFor({ state: "attached" });
}

/** Somebody in the list of members. */
const member = (page: Page, person: Person) => page.locator(".account-item strong", { hasText: person.email });

describe("tenants", { timeout: 10 * 60_000 }, () => {
  let browser: Browser;
  let login: Login;
  let ann: Person;
  let bob: Person;
  let job: Job;

  before(async () => {
    await assertOrchestrator();
    login = await startLogin();
    ann = login.person("ann");
    bob = login.person("bob");
    job = await made(login, ann, DESCRIPTION);
    browser = await launchBrowser();
  });

  after(async () => {
    await browser?.close();
    await login?.close();
  });

  test("nobody sees what is another's, by whatever address", () =>
    withPage(browser, desktop, async (page) => {
      await signIn(page, bob, `/#/jobs/${job.id}`);
      await heading(page, "There is no such job").waitFor();
      for (const address of [`/#/projects/${job.project}`, `/#/projects/${job.project}/versions/1`]) {
        await page.goto(address);
        await heading(page, "There is no such app").waitFor();
      }
      await page.goto("/#/");
      await page.getByText("Nothing here yet.").waitFor();
      assert.ok(!(await page.content()).includes(DESCRIPTION));
      for (const path of ["", "/events", "/artifact"]) {
        assert.equal((await ask(login, bob, `/api/jobs/${job.id}${path}`)).status, 404, path);
      }
      // It is there for whom it belongs to.
      await press(page, "Sign out");
      await signInPage(page).waitFor();
      await page.goto(`/#/jobs/${job.id}`);
      await write(page, ann.email, ann.password);
      await heading(page, DESCRIPTION).waitFor();
    }));

  test("files of whoever signed in are downloaded with their token", () =>
    withPage(browser, desktop, async (page) => {
      await signIn(page, ann, `/#/jobs/${job.id}`);
      const [download] = await Promise.all([
        page.waitForEvent("download"),
        page.getByRole("link", { name: "Download app.zip" }).click(),
      ]);
      assert.equal(await download.failure(), null);
    }));

  test("an invitation is kept through signing in, and taken by whom it is for", () =>
    withPage(browser, desktop, (ofAnn) =>
      withPage(browser, phone, async (ofBob) => {
        await signIn(ofAnn, ann);
        const team = await makeTeam(ofAnn, "Garden club");
        const link = await invite(ofAnn, bob);
        await assertUsable(ofAnn, "team", desktop.viewport);
        await ofAnn.reload();
        await ofAnn.getByRole("button", { name: `Withdraw the invitation of ${bob.email}` }).waitFor();
        assert.equal(await ofAnn.locator(".shown-once").count(), 0, "the link is shown again");

        // It is not for whoever finds it.
        const eve = login.person("eve");
        await withPage(browser, desktop, async (ofEve) => {
          await signIn(ofEve, eve, link);
          await press(ofEve, "Join the team");
          await ofEve.getByRole("alert").getByText("for another address").waitFor();
        });

        await signIn(ofBob, bob, link);
        await heading(ofBob, "You are invited into a team").waitFor();
        await assertUsable(ofBob, "invitation", phone.viewport);
        await press(ofBob, "Join the team");
        await heading(ofBob, "You are in “Garden club” now").waitFor();
        await press(ofBob, "See its apps");
        await seesAppsOf(ofBob, "Garden club");
        await ofBob.getByText("Nothing here yet.").waitFor();

        // What one makes there, the other sees.
        await ofAnn.reload();
        await press(ofAnn, "See its apps");
        await seesAppsOf(ofAnn, "Garden club");
        await ofAnn.getByLabel("Describe your app").fill("A sowing calendar");
        await press(ofAnn, "Generate app");
        await ofAnn.waitForURL(/#\/projects\//);
        await ofBob.goto(`/${new URL(ofAnn.url()).hash}`);
        await heading(ofBob, "A sowing calendar").waitFor();
        const whose = bar(ofBob).getByLabel("Whose apps");
        await whose.selectOption("Personal");
        await seesAppsOf(ofBob, "Personal");
        await ofBob.getByText("Nothing here yet.").waitFor();

        // A team that is deleted is left, wherever they are.
        await whose.selectOption("Garden club");
        await seesAppsOf(ofBob, "Garden club");
        await ofAnn.goto(`/${team}`);
        await member(ofAnn, bob).waitFor();
        await press(ofAnn, "Delete the team");
        await ofAnn.getByText("are lost, for you and another member.").waitFor();
        await press(ofAnn, "Delete it");
        await ofAnn.locator(".project-card", { hasText: DESCRIPTION }).waitFor();
        await ofBob.reload();
        await ofBob.getByText("Nothing here yet.").waitFor();
        await ofBob.waitForLoadState("networkidle");
        assert.equal(await whose.count(), 0, "there is nothing left to choose");
      }),
    ));

  test("a team is handed over, its member taken out, and an invitation withdrawn", () =>
    withPage(browser, desktop, (ofAnn) =>
      withPage(browser, desktop, async (ofBob) => {
        await signIn(ofAnn, ann);
        const team = await makeTeam(ofAnn, "Chess club");
        await signIn(ofBob, bob, await invite(ofAnn, bob));
        await press(ofBob, "Join the team");
        await ofBob.getByRole("link", { name: "Who is in it" }).click();
        await ofBob.getByRole("button", { name: "Leave the team" }).waitFor();
        assert.equal(await ofBob.getByRole("region", { name: "Invitations" }).count(), 0);

        const eve = login.person("eve");
        const link = await invite(ofAnn, eve);
        await press(ofAnn, `Withdraw the invitation of ${eve.email}`);
        await press(ofAnn, "Withdraw it");
        await ofAnn.getByText("Nobody is invited who has not come yet.").waitFor();
        await withPage(browser, desktop, async (ofEve) => {
          await signIn(ofEve, eve, link);
          await press(ofEve, "Join the team");
          await ofEve.getByRole("alert").waitFor();
        });

        await ofAnn.reload();
        await press(ofAnn, `Hand over the team to ${bob.email}`);
        await press(ofAnn, "Hand it over");
        await ofAnn.getByRole("button", { name: "Leave the team" }).waitFor();
        await ofBob.reload();
        await press(ofBob, `Remove ${ann.email}`);
        await press(ofBob, "Remove them");
        await member(ofBob, ann).waitFor({ state: "detached" });
        await ofAnn.goto(`/${team}`);
        await ofAnn.reload();
        await heading(ofAnn, "There is no such team").waitFor();
      }),
    ));

  test("a key that is made on the page works, until it is revoked there", () =>
    withPage(browser, desktop, async (page) => {
      await signIn(page, ann);
      await bar(page).getByRole("link", { name: "API keys" }).click();
      await page.getByText("There is no key yet.").waitFor();
      await page.getByLabel("What it is for").fill("Nightly");
      await press(page, "Make the key");
      const key = await page.locator(".shown-once > code").textContent();
      assert.ok(key);
      await page.getByRole("button", { name: "Revoke “Nightly”" }).waitFor();
      await assertUsable(page, "keys", desktop.viewport);

      const { jobs } = (await (await askWith(key, "/api/jobs")).json()) as { jobs: Job[] };
      assert.ok(jobs.some(({ id }) => id === job.id), "the key gets at the jobs of who made it");
      const cancel = await askWith(key, `/api/jobs/${job.id}/cancel`, { method: "POST" });
      assert.equal(cancel.status, 403, "a key that reads changes nothing");
      await page.reload();
      await page.getByRole("button", { name: "Revoke “Nightly”" }).waitFor();
      assert.ok(!(await page.content()).includes(key), "the key is shown again");
      await press(page, "Revoke “Nightly”");
      await press(page, "Revoke it");
      await page.getByText("There is no key yet.").waitFor();
      assert.equal((await askWith(key, "/api/jobs")).status, 401);
    }));

  test("operators see the fleet, and nothing that anybody made; others do not see the way there", () =>
    withPage(browser, desktop, async (page) => {
      await signIn(page, bob);
      await page.getByText("Nothing here yet.").waitFor();
      // It would come with the same answer as this one.
      await page.waitForLoadState("networkidle");
      assert.equal(await bar(page).getByRole("link", { name: "Fleet" }).count(), 0);
      await page.goto("/#/fleet");
      await heading(page, "Only operators see the fleet").waitFor();
      assert.equal((await ask(login, bob, "/api/fleet/usage")).status, 403);
      await press(page, "Sign out");
      const operator = login.person("operator", { isOperator: true });
      await signInPage(page).waitFor();
      await page.goto("/#/");
      await write(page, operator.email, operator.password);
      await bar(page).getByRole("link", { name: "Fleet" }).click();
      const row = page.getByRole("row", { name: new RegExp(ann.id) });
      await row.waitFor();
      assert.match((await row.textContent()) ?? "", /personal/);
      await assertUsable(page, "fleet", desktop.viewport);
      const shown = await page.content();
      for (const secret of [DESCRIPTION, ann.email, job.id]) assert.ok(!shown.includes(secret), `${secret} is shown`);
    }));
});
