import { cleanup, fireEvent, render, screen, waitFor, within } from "@testing-library/react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { refuse } from "../api/aProblem.ts";
import type { Template } from "../api/types.ts";
import { aJob } from "../jobs/aJob.ts";
import { aProject } from "../projects/aProject.ts";
import { HomePage } from "../projects/HomePage.tsx";
import { aVersion } from "../versions/aVersion.ts";
import { aBuiltIn, aTemplate } from "./aTemplate.ts";
import { MakeTemplate } from "./MakeTemplate.tsx";
import { TemplatesPage } from "./TemplatesPage.tsx";

/** The server as the page sees it. */
let templates: Template[];
/** Templates beyond the first page. */
let older: Template[];
/** The calls that change something. */
let sent: { method: string; path: string; body: unknown }[];
let refusal: string | null;

async function answer(address: string, { method = "GET", body }: RequestInit = {}): Promise<Response> {
  const { pathname, searchParams } = new URL(address, "http://server");
  if (method === "GET" && pathname.startsWith("/api/templates/")) {
    const found = older.find(({ id }) => pathname.endsWith(`/${id}`));
    if (found) return Response.json(found);
    return refuse("not_found", "template not found");
  }
  if (method === "GET") {
    const search = (searchParams.get("search") ?? "").toLowerCase();
    const found = templates.filter(({ name }) => name.toLowerCase().includes(search));
    return Response.json(pathname === "/api/templates" ? { templates: found } : { projects: [] });
  }
  const parsed: unknown = body === undefined ? undefined : JSON.parse(String(body));
  sent.push({ method, path: pathname, body: parsed });
  if (refusal !== null) return refuse("changed", refusal);
  if (method === "DELETE") return new Response(null, { status: 204 });
  if (pathname === "/api/jobs") return Response.json(aJob({ project: "p" }), { status: 201 });
  const id = pathname.split("/")[3];
  const known = templates.find((template) => template.id === id) ?? aTemplate();
  const changed = { ...known, ...(parsed as Partial<Template>) };
  templates = templates.map((template) => (template.id === id ? changed : template));
  return Response.json(changed);
}

beforeEach(() => {
  templates = [
    aBuiltIn("list", "List", "Items to tick off."),
    aBuiltIn("board", "Board"),
    aTemplate({ id: "b", name: "Plants", description: "With photos.", project: "p", version: 3 }),
    aTemplate({ id: "a", name: "Diary" }),
  ];
  older = [];
  sent = [];
  refusal = null;
  sessionStorage.clear();
  window.location.hash = "";
  vi.stubGlobal("fetch", vi.fn(answer));
});

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

const press = (name: string | RegExp) => fireEvent.click(screen.getByRole("button", { name }));

test("an app begins with the template that was chosen, and the next one with an empty page", async () => {
  render(<HomePage />);
  const picker = screen.getByLabelText<HTMLSelectElement>("Begin with");
  await screen.findByRole("option", { name: "Board" });
  expect([...picker.querySelectorAll("optgroup")].map((group) => group.getAttribute("label"))).toEqual(["Built in", "Your templates"]);
  fireEvent.change(picker, { target: { value: "list" } });
  expect(screen.getByText("Items to tick off.").id).toBe(picker.getAttribute("aria-describedby"));
  fireEvent.change(screen.getByLabelText("Describe your app"), { target: { value: "A recipe box" } });
  press("Generate app");
  await waitFor(() => expect(window.location.hash).toBe("#/projects/p"));
  expect(sent).toEqual([
    { method: "POST", path: "/api/jobs", body: { description: "A recipe box", template: "list" } },
  ]);
  expect(sessionStorage.length).toBe(0);
});

test("a template that is gone is not asked for", async () => {
  sessionStorage.setItem("app-gen.template", "gone");
  render(<HomePage />);
  await screen.findByRole("option", { name: "Board" });
  await waitFor(() => expect(sessionStorage.getItem("app-gen.template")).toBeNull());
  fireEvent.change(screen.getByLabelText("Describe your app"), { target: { value: "A recipe box" } });
  press("Generate app");
  await waitFor(() => expect(sent.at(-1)?.body).toEqual({ description: "A recipe box" }));
});

test("a template that was chosen elsewhere is offered, however old it is", async () => {
  older = [aTemplate({ id: "old", name: "The first one" })];
  sessionStorage.setItem("app-gen.template", "old");
  render(<HomePage />);
  await screen.findByRole("option", { name: "The first one" });
  expect(screen.getByLabelText<HTMLSelectElement>("Begin with").value).toBe("old");
});

test("own templates are listed with where they come from, and built-in ones cannot be changed", async () => {
  render(<TemplatesPage />);
  const own = within(await screen.findByRole("article", { name: "Plants" }));
  expect(own.getByText("With photos.")).toBeTruthy();
  expect(own.getByRole("link", { name: "Made of version 3" }).getAttribute("href")).toBe("#/projects/p/versions/3");
  fireEvent.click(own.getByRole("link", { name: "New app with “Plants”" }));
  expect(sessionStorage.getItem("app-gen.template")).toBe("b");
  const builtIn = within(screen.getByRole("region", { name: "Built in" }));
  expect(builtIn.getAllByRole("heading", { level: 3 }).map((heading) => heading.textContent)).toEqual(["List", "Board"]);
  expect(builtIn.queryAllByRole("button")).toEqual([]);
});

test("a template is renamed and described", async () => {
  render(<TemplatesPage />);
  await screen.findByRole("article", { name: "Diary" });
  press("Rename “Diary”");
  const name = screen.getByLabelText<HTMLInputElement>("Name of the template");
  fireEvent.change(name, { target: { value: "  " } });
  press("Save");
  expect(screen.getByRole("alert").textContent).toBe("A template needs a name.");
  fireEvent.change(name, { target: { value: " Log " } });
  fireEvent.change(screen.getByLabelText(/What it is good for/), { target: { value: "Days." } });
  press("Save");
  await screen.findByRole("article", { name: "Log" });
  expect(sent).toEqual([{ method: "PATCH", path: "/api/templates/a", body: { name: "Log", description: "Days." } }]);
});

test("a template is removed after a question", async () => {
  render(<TemplatesPage />);
  await screen.findByRole("article", { name: "Diary" });
  press("Remove “Diary”");
  expect(sent).toEqual([]);
  press("Remove it");
  await screen.findByText("“Diary” is removed.");
  expect(sent).toEqual([{ method: "DELETE", path: "/api/templates/a", body: undefined }]);
  expect(screen.queryByRole("article", { name: "Diary" })).toBeNull();
  expect(screen.getByRole("article", { name: "Plants" })).toBeTruthy();
});

test("a search finds templates of both kinds", async () => {
  render(<TemplatesPage />);
  await screen.findByRole("article", { name: "Plants" });
  fireEvent.change(screen.getByLabelText("Search templates"), { target: { value: "li" } });
  await waitFor(() => expect(screen.queryByRole("article", { name: "Plants" })).toBeNull());
  await screen.findByText(/None of your templates has “li”/);
  expect(screen.getAllByRole("article").map((card) => card.getAttribute("aria-label"))).toEqual(["List"]);
});

test("templates that cannot be loaded are not said to be none", async () => {
  vi.stubGlobal("fetch", vi.fn(async () => refuse("unavailable", "the database does not answer")));
  render(<TemplatesPage />);
  await screen.findByText("Your templates could not be loaded.");
  screen.getByText(/The database does not answer\./);
  expect(screen.queryByText(/Nothing here yet/)).toBeNull();
});

test("a version becomes a template; a refusal is said, and what was written stays", async () => {
  render(<MakeTemplate project={aProject({ id: "p", name: "Recipes" })} version={aVersion({ number: 2 })} />);
  press("Make a template of this version");
  const name = screen.getByLabelText<HTMLInputElement>("Name of the template");
  expect(name.value).toBe("Recipes");
  refusal = "there are 1000 templates already; remove one first";
  press("Make the template");
  await screen.findByText("There are 1000 templates already; remove one first.");
  expect(name.value).toBe("Recipes");
  refusal = null;
  press("Make the template");
  const words = await screen.findByText(/is among/);
  expect(within(words).getByRole("link", { name: "the templates" }).getAttribute("href")).toBe("#/templates");
  expect(sent.at(-1)).toEqual({
    method: "POST",
    path: "/api/templates",
    body: { name: "Recipes", description: "", project: "p", version: 2 },
  });
});
