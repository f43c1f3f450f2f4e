import { cleanup, fireEvent, render, screen, waitFor } from "@testing-library/react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { PAGE_SIZE } from "../api/client.ts";
import type { Project } from "../api/types.ts";
import { aProject } from "./aProject.ts";
import { HomePage } from "./HomePage.tsx";

/** The server as the page sees it: a list, newest first, that it filters and pages. */
let projects: Project[];

async function answer(address: string): Promise<Response> {
  if (address.startsWith("/api/templates")) return Response.json({ templates: [] });
  const query = new URL(address, "http://server").searchParams;
  const before = query.get("before");
  const found = projects
    .filter(({ archived }) => archived === (query.get("archived") === "true"))
    .filter(({ name }) => name.toLowerCase().includes((query.get("search") ?? "").toLowerCase()))
    .filter(({ id }) => before === null || id < before)
    .slice(0, Number(query.get("limit")));
  return Response.json({ projects: found });
}

beforeEach(() => {
  projects = [];
  vi.stubGlobal("fetch", vi.fn(answer));
});

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

const names = () => [...document.querySelectorAll(".project-card-name")].map((name) => name.textContent);

test("nothing is said to be nothing, and there is nothing to search", async () => {
  render(<HomePage />);
  await screen.findByText(/Nothing here yet/);
  expect(screen.queryByLabelText("Search by name")).toBeNull();
});

test("a card says what there is, what it cost, and whether a job is at work", async () => {
  projects = [
    aProject({ id: "b", name: "Plants", newest_version: 0, unfinished_job: "job" }),
    aProject({ id: "a", name: "Recipes", newest_version: 3, micro_usd: 400_000, task_micro_usd: 20_000 }),
  ];
  render(<HomePage />);
  const plants = await screen.findByRole("link", { name: /Plants/ });
  expect(plants.textContent).toContain("No version yet");
  expect(plants.textContent).toContain("In progress");
  const recipes = screen.getByRole("link", { name: /Recipes/ });
  expect(recipes.getAttribute("href")).toBe("#/projects/a");
  expect(recipes.textContent).toContain("Version 3");
  expect(recipes.textContent).toContain("Cost so far: $0.42");
  expect(recipes.textContent).not.toContain("In progress");
});

test("a search waits for the end of the typing, and says what it did not find", async () => {
  projects = [aProject({ id: "b", name: "Plant diary" }), aProject({ id: "a", name: "Recipes" })];
  render(<HomePage />);
  await screen.findByText("Plant diary");
  const search = screen.getByLabelText("Search by name");
  fireEvent.change(search, { target: { value: "pl" } });
  fireEvent.change(search, { target: { value: " plant " } });
  await waitFor(() => expect(names()).toEqual(["Plant diary"]));
  const searches = vi.mocked(fetch).mock.calls
    .map(([address]) => new URL(String(address), "http://x"))
    .filter(({ pathname }) => pathname === "/api/projects")
    .map(({ searchParams }) => searchParams.get("search"));
  expect(searches.filter((text) => text !== null)).toEqual(["plant"]);
  fireEvent.change(search, { target: { value: "chess" } });
  await screen.findByText("No app has “chess” in its name.");
});

test("archived apps are shown instead of the others", async () => {
  projects = [aProject({ id: "b", name: "Plants" }), aProject({ id: "a", name: "Recipes", archived: true })];
  render(<HomePage />);
  await screen.findByText("Plants");
  fireEvent.click(screen.getByLabelText("Show archived"));
  await screen.findByText("Recipes");
  expect(names()).toEqual(["Recipes"]);
});

test("older apps are loaded page by page", async () => {
  const id = (number: number) => String(2000 - number);
  projects = Array.from({ length: PAGE_SIZE + 1 }, (_, index) => aProject({ id: id(index), name: `App ${index}` }));
  render(<HomePage />);
  await screen.findByText("App 0");
  expect(names()).toHaveLength(PAGE_SIZE);
  fireEvent.click(screen.getByRole("button", { name: "Load more" }));
  await screen.findByText(`App ${PAGE_SIZE}`);
  expect(names()).toHaveLength(PAGE_SIZE + 1);
  expect(screen.queryByRole("button", { name: "Load more" })).toBeNull();
});
