/** The states of the first page, and of addresses that name none. */
import { aProject } from "../../../web/src/projects/aProject.ts";
import { answer, heading, press, project, type State, text, unavailable } from "../state.ts";

const list = (projects: readonly object[]) => ({ "/api/projects": answer({ projects }) });

const some = [
  project,
  aProject({
    id: "o",
    name: "Donaudampfschifffahrtsgesellschaftskapitänspatentverwaltung",
    created_at: "2026-11-21T12:28:00.000Z",
    newest_version: 0,
    unfinished_job: "j",
  }),
  aProject({ id: "n", name: "Plant diary", created_at: "2026-10-02T08:00:00.000Z", newest_version: 14 }),
];

export const homeStates: readonly State[] = [
  {
    name: "home-loading",
    address: "/",
    api: { "/api/projects": "never" },
    ready: text("Loading your apps"),
  },
  { name: "home-empty", address: "/", api: list([]), ready: text("Nothing here yet") },
  { name: "home-apps", address: "/", api: list(some), ready: text("Plant diary") },
  {
    name: "home-more-apps",
    address: "/",
    // A full page of the list.
    api: list(Array.from({ length: 50 }, (_, index) => aProject({ id: String(100 - index), name: `App ${50 - index}` }))),
    ready: (page) => page.getByRole("button", { name: "Load more" }),
  },
  {
    name: "home-failed",
    address: "/",
    api: { "/api/projects": unavailable },
    ready: text("Your apps could not be loaded."),
  },
  {
    name: "home-offline",
    address: "/",
    api: list(some),
    act: async (page) => {
      await page.getByRole("link", { name: /^Plant diary/ }).waitFor();
      await page.context().setOffline(true);
    },
    ready: text("You are offline."),
  },
  {
    name: "home-nothing-found",
    address: "/",
    api: { "/api/projects": (query) => answer({ projects: query.has("search") ? [] : some }) },
    act: async (page) => {
      await page.getByRole("link", { name: /^Plant diary/ }).waitFor();
      await page.getByLabel("Search by name").fill("chess");
    },
    ready: text("No app has “chess” in its name."),
  },
  {
    name: "home-none-archived",
    address: "/",
    api: { "/api/projects": (query) => answer({ projects: query.get("archived") === "true" ? [] : some }) },
    act: async (page) => {
      await page.getByRole("link", { name: /^Plant diary/ }).waitFor();
      await page.getByLabel("Show archived").check();
    },
    ready: text("No app is archived."),
  },
  {
    name: "home-refused",
    address: "/",
    api: list(some),
    act: press("Generate app"),
    ready: text("Describe the app first"),
  },
  { name: "missing-page", address: "/#/nowhere", api: {}, ready: heading("There is no such page") },
  { name: "missing-path", address: "/jobs/17", api: {}, ready: heading("There is no such page") },
  {
    name: "broken-page",
    address: "/",
    // No server of ours answers so: it stands for a fault in the page's own code.
    api: list([null as unknown as object]),
    ready: heading("This page broke"),
    reports: /null/,
  },
];
