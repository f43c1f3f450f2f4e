/**
 * Every state of every page, as the built page shows it in a browser: it is accessible, nothing sticks out, and the
 * browser reports no error. With STATES, pictures of all of them are written.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Browser } from "playwright-core";
import { assertAccessible, assertNoSidewaysScroll, desktop, launchBrowser, phone, withPage } from "../browser.ts";
import { FOLDER, takePicture, type Variant, writeIndex } from "./pictures.ts";
import { type StateServer, startStateServer } from "./server.ts";
import { everywhere, NOW } from "./state.ts";
import { accountStates } from "./states/accounts.ts";
import { attachmentStates } from "./states/attachments.ts";
import { deliveryStates } from "./states/deliveries.ts";
import { homeStates } from "./states/home.ts";
import { jobStates } from "./states/job.ts";
import { previewStates } from "./states/preview.ts";
import { projectStates } from "./states/project.ts";
import { teamStates } from "./states/teams.ts";
import { templateStates } from "./states/templates.ts";
import { usageStates } from "./states/usage.ts";
import { versionStates } from "./states/version.ts";

const states = [
  ...homeStates,
  ...attachmentStates,
  ...templateStates,
  ...usageStates,
  ...projectStates,
  ...versionStates,
  ...previewStates,
  ...deliveryStates,
  ...jobStates,
  ...accountStates,
  ...teamStates,
];

/** Each colour and each device once, where nobody wants pictures. */
const FEW: readonly Variant[] = [
  { colorScheme: "light", device: "desktop" },
  { colorScheme: "dark", device: "phone" },
];
const ALL: readonly Variant[] = [
  ...FEW,
  { colorScheme: "dark", device: "desktop" },
  { colorScheme: "light", device: "phone" },
];
const variants = FOLDER === null ? FEW : ALL;
const devices = { desktop, phone };

test("the states have names of their own", () => {
  const names = states.map(({ name }) => name);
  assert.deepEqual([...new Set(names)], names);
});

for (const [place, variant] of variants.entries()) {
  const { colorScheme, device } = variant;
  describe(`${colorScheme} on a ${device}`, { timeout: 10 * 60_000 }, () => {
    let browser: Browser;
    let server: StateServer;

    before(async () => {
      [browser, server] = await Promise.all([launchBrowser(), startStateServer()]);
    });

    after(async () => {
      await browser?.close();
      await server?.close();
    });

    // Where nobody wants pictures, every other state is seen in each variant.
    for (const state of states.filter((_, index) => FOLDER !== null || index % variants.length === place)) {
      test(state.name, async () => {
        server.show({ ...everywhere, ...state.api });
        // What moves would be in another place in each picture.
        const look = { colorScheme, timezoneId: "UTC", reducedMotion: "reduce" } as const;
        await withPage(
          browser,
          { ...devices[device], ...look, baseURL: server.url },
          async (page) => {
            await page.clock.setFixedTime(NOW);
            await state.prepare?.(page);
            await page.goto(state.address);
            await state.act?.(page);
            await state.ready(page).first().waitFor({ state: "attached" });
            if (FOLDER !== null) await takePicture(page, FOLDER, state.name, variant);
            const what = `${state.name}, ${colorScheme} on a ${device},`;
            await assertAccessible(page, what);
            await assertNoSidewaysScroll(page, what);
          },
          state.reports,
        );
      });
    }
  });
}

after(() => {
  if (FOLDER !== null) writeIndex(FOLDER, states.map(({ name }) => name), ALL);
});
