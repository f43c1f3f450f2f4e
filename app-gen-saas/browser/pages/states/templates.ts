/** The states of the page of templates, and of the choice among them. */
import { aTemplate } from "../../../web/src/templates/aTemplate.ts";
import { answer, builtIn, missing, press, refused, type State, text, unavailable } from "../state.ts";
import { version } from "./version.ts";

const address = "/#/templates";

const own = [
  aTemplate({
    id: "b",
    name: "Donaudampfschifffahrtsgesellschaftskapitänspatentverwaltung",
    project: "p",
    version: 2,
    updated_at: "2026-11-21T10:40:00.000Z",
  }),
  aTemplate({
    id: "a",
    name: "Plant diary",
    description: "Plants with photos, and a reminder of who needs water today.",
    project: "p",
    version: 1,
    updated_at: "2026-10-02T08:00:00.000Z",
  }),
];

const making = {
  address: "/#/projects/p/versions/2",
  open: press("Make a template of this version"),
};

const whole = { "/api/templates": answer({ templates: [...builtIn, ...own] }) };

export const templateStates: readonly State[] = [
  { name: "templates-loading", address, api: { "/api/templates": "never" }, ready: text("Loading templates") },
  { name: "templates-empty", address, api: {}, ready: text("Open a version of an app and make a template of it.") },
  { name: "templates-own", address, api: whole, ready: text("Plants with photos") },
  {
    name: "templates-more",
    address,
    // A full page of the list.
    api: {
      "/api/templates": answer({
        templates: Array.from({ length: 50 }, (_, index) => aTemplate({ id: String(100 - index), name: `Template ${50 - index}` })),
      }),
    },
    ready: (page) => page.getByRole("button", { name: "Load more" }),
  },
  {
    name: "templates-failed",
    address,
    api: { "/api/templates": unavailable },
    ready: text("Your templates could not be loaded."),
  },
  {
    name: "templates-nothing-found",
    address,
    api: { "/api/templates": (query) => (query.has("search") ? answer({ templates: [] }) : whole["/api/templates"]) },
    act: async (page) => {
      await page.getByText("Plants with photos").waitFor();
      await page.getByLabel("Search templates").fill("chess");
    },
    ready: text("None of your templates has “chess” in its name or description."),
  },
  {
    name: "templates-rename",
    address,
    api: whole,
    act: press("Rename “Plant diary”"),
    ready: (page) => page.getByLabel("Name of the template"),
  },
  {
    name: "templates-rename-refused",
    address,
    // Somebody removed it meanwhile.
    api: { ...whole, "PATCH /api/templates/a": missing("template") },
    act: async (page) => {
      await press("Rename “Plant diary”")(page);
      await page.getByLabel("Name of the template").fill("Diary of plants");
      await press("Save")(page);
    },
    ready: text("Template not found."),
  },
  {
    name: "templates-remove",
    address,
    api: whole,
    act: press("Remove “Plant diary”"),
    ready: text("Apps that were made with it stay."),
  },
  {
    name: "templates-removed",
    address,
    api: { ...whole, "DELETE /api/templates/a": { status: 204, body: undefined } },
    act: async (page) => {
      await press("Remove “Plant diary”")(page);
      await press("Remove it")(page);
    },
    ready: text("“Plant diary” is removed."),
  },
  {
    name: "home-template-chosen",
    address: "/",
    api: { ...whole, "/api/projects": answer({ projects: [] }) },
    act: async (page) => {
      await page.getByLabel("Begin with").selectOption({ label: "Plant diary" });
    },
    ready: (page) => page.locator(".template-about"),
  },
  {
    name: "home-without-templates",
    address: "/",
    api: { "/api/projects": answer({ projects: [] }), "/api/templates": unavailable },
    ready: text("Nothing here yet"),
  },
  {
    name: "version-make-template",
    address: making.address,
    api: version,
    act: making.open,
    ready: (page) => page.getByLabel("Name of the template"),
  },
  {
    name: "version-template-refused",
    address: making.address,
    api: {
      ...version,
      "POST /api/templates": refused("changed", "there are 1000 templates already; remove one first"),
    },
    act: async (page) => {
      await making.open(page);
      await press("Make the template")(page);
    },
    ready: text("There are 1000 templates already; remove one first."),
  },
  {
    name: "version-template-made",
    address: making.address,
    api: { ...version, "POST /api/templates": { status: 201, body: aTemplate({ name: "Recipe box" }) } },
    act: async (page) => {
      await making.open(page);
      await press("Make the template")(page);
    },
    ready: (page) => page.getByRole("link", { name: "the templates" }),
  },
];
