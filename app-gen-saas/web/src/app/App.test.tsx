import { act, cleanup, fireEvent, render, screen, waitFor } from "@testing-library/react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { refuse } from "../api/aProblem.ts";
import type { Job, Project } from "../api/types.ts";
import { aJob } from "../jobs/aJob.ts";
import { aProject } from "../projects/aProject.ts";
import { FakeEventSource } from "../stream/fakeEventSource.ts";
import { App } from "./App.tsx";

/** The server as the page sees it: what it answers to each call. */
let jobs: Job[];
let projects: Project[];
let reachable: boolean;

async function answer(address: string, init: RequestInit = {}): Promise<Response> {
  if (!reachable) throw new TypeError("failed to fetch");
  const [path = ""] = address.split("?");
  if (init.method === "POST") {
    const job = aJob({ id: "new", project: "p", description: JSON.parse(String(init.body)).description, last_sequence: 1 });
    jobs = [job, ...jobs];
    projects = [aProject({ id: "p", name: job.description, newest_version: 0, unfinished_job: job.id }), ...projects];
    return Response.json(job, { status: 201 });
  }
  const [, kind, id, part] = path.split("/").slice(1);
  if (kind === "templates") return Response.json({ templates: [] });
  if (part === "deliveries") return Response.json({ deliveries: [] });
  if (part === "versions") return Response.json({ versions: [] });
  if (!id) return Response.json(kind === "jobs" ? { jobs } : { projects });
  const found = [...(kind === "jobs" ? jobs : projects)].find((candidate) => candidate.id === id);
  return found ? Response.json(found) : refuse("not_found", "there is no such thing");
}

beforeEach(() => {
  jobs = [];
  projects = [];
  reachable = true;
  sessionStorage.clear();
  window.location.hash = "";
  FakeEventSource.opened = [];
  vi.stubGlobal("EventSource", FakeEventSource);
  vi.stubGlobal("fetch", vi.fn(answer));
});

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

test("a submitted description is followed from queued to its end, without a reload", async () => {
  render(<App />);
  fireEvent.change(screen.getByLabelText("Describe your app"), { target: { value: "A recipe box" } });
  fireEvent.click(screen.getByRole("button", { name: "Generate app" }));
  await screen.findByRole("heading", { level: 1, name: "A recipe box" });
  expect(window.location.hash).toBe("#/projects/p");

  const source = await waitFor(() => FakeEventSource.latest);
  act(() => source.open());
  source.send(1, "state", { state: "running" });
  source.send(2, "stage", { name: "write", state: "running" });
  source.send(3, "log", { level: "info", message: "wrote package.json" });
  await screen.findByText("wrote package.json");
  expect(screen.getByText(/as soon as the first version is ready/)).toBeTruthy();
  expect(screen.getAllByText("Running").length).toBeGreaterThan(0);

  const artifact = { name: "app.zip", size_bytes: 100, sha256: "00" };
  jobs = [aJob({ ...jobs[0], state: "succeeded", last_sequence: 5, artifact, version: 1 })];
  projects = [aProject({ ...projects[0], newest_version: 1, unfinished_job: null })];
  source.send(4, "succeeded", { summary: "17 files" });
  act(() => source.send(5, "state", { state: "succeeded" }));
  await screen.findByRole("link", { name: "Download app.zip" });
  expect(screen.queryByRole("button", { name: "Cancel" })).toBeNull();
  await screen.findByLabelText("What should change?");
});

test("a deep link to a job that does not exist says so", async () => {
  window.location.hash = "#/jobs/gone";
  render(<App />);
  await screen.findByRole("heading", { name: "There is no such job" });
  expect(FakeEventSource.opened).toHaveLength(0);
});

test("an address that names no page says so, and leads home", async () => {
  window.location.hash = "#/nowhere";
  render(<App />);
  await screen.findByRole("heading", { level: 1, name: "There is no such page" });
  expect(screen.getByRole("link", { name: "All apps" }).getAttribute("href")).toBe("#/");
  act(() => void (window.location.hash = "#/"));
  await screen.findByLabelText("Describe your app");
});

test("a path that the server answers with the page, too, is no page, and leads home", async () => {
  window.history.replaceState(null, "", "/jobs/17");
  try {
    render(<App />);
    await screen.findByRole("heading", { level: 1, name: "There is no such page" });
    for (const name of ["All apps", "App-Gen", "New app"]) {
      expect(screen.getByRole("link", { name }).getAttribute("href")).toBe("/");
    }
  } finally {
    window.history.replaceState(null, "", "/");
  }
});

test("a fault of the page's code leaves words and a way on, and the next page is shown", async () => {
  // React reports what the boundary has caught.
  vi.spyOn(console, "error").mockImplementation(() => undefined);
  const reload = vi.spyOn(window.location, "reload").mockImplementation(() => undefined);
  projects = [null as unknown as Project];
  render(<App />);
  await screen.findByRole("heading", { level: 1, name: "This page broke" });
  fireEvent.click(screen.getByRole("button", { name: "Reload the page" }));
  expect(reload).toHaveBeenCalledTimes(1);
  act(() => void (window.location.hash = "#/jobs/gone"));
  await screen.findByRole("heading", { name: "There is no such job" });
});

test("a server that is away is announced, and the page recovers by itself", async () => {
  reachable = false;
  render(<App />);
  await screen.findByText(/The server can’t be reached/);
  expect(screen.getByText("Your apps could not be loaded.")).toBeTruthy();
  reachable = true;
  projects = [aProject({ name: "A plant diary" })];
  act(() => void window.dispatchEvent(new Event("online")));
  await screen.findByText("A plant diary");
  expect(screen.queryByText(/can’t be reached/)).toBeNull();
});

test("an old link to a job leads to its project too", async () => {
  jobs = [aJob({ id: "old", project: "p", state: "failed", description: "A chess clock" })];
  window.location.hash = "#/jobs/old";
  render(<App />);
  await screen.findByRole("heading", { level: 1, name: "A chess clock" });
  expect(screen.getByRole("link", { name: "The app" }).getAttribute("href")).toBe("#/projects/p");
});

test("what happened before anybody looked is busy until all of it is there", async () => {
  jobs = [aJob({ id: "old", project: "p", state: "failed", last_sequence: 2 })];
  window.location.hash = "#/jobs/old";
  render(<App />);
  const source = await waitFor(() => FakeEventSource.latest);
  const isBusy = () => screen.getByRole("log").closest(".job-work")?.getAttribute("aria-busy");
  act(() => source.open());
  source.send(1, "log", { level: "info", message: "wrote package.json" });
  await screen.findByText("wrote package.json");
  expect(isBusy()).toBe("true");
  act(() => source.send(2, "state", { state: "failed" }));
  await waitFor(() => expect(isBusy()).toBe("false"));
});

test("the empty list says what will be there", async () => {
  render(<App />);
  await screen.findByText(/Nothing here yet/);
});
