import { act, cleanup, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Job } from "../api/types.ts";
import { aJob } from "../jobs/aJob.ts";
import { FakeEventSource } from "../stream/fakeEventSource.ts";
import { App } from "./App.tsx";

/** The server as the page sees it: what it answers to each call. */
let jobs: Job[];
let reachable: boolean;

async function answer(path: string, init: RequestInit = {}): Promise<Response> {
  if (!reachable) throw new TypeError("failed to fetch");
  if (init.method === "POST") {
    const job = aJob({ id: "new", description: JSON.parse(String(init.body)).description, last_sequence: 1 });
    jobs = [job, ...jobs];
    return Response.json(job, { status: 201 });
  }
  const id = /^\/api\/jobs\/([^/?]+)$/.exec(path)?.[1];
  if (!id) return Response.json({ jobs });
  const job = jobs.find((candidate) => candidate.id === id);
  return job
    ? Response.json(job)
    : Response.json({ error: { code: "not_found", message: "there is no such job" } }, { status: 404 });
}

beforeEach(() => {
  jobs = [];
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
  expect(window.location.hash).toBe("#/jobs/new");

  const source = FakeEventSource.latest;
  act(() => source.open());
  source.send(1, "state", { state: "running" });
  source.send(2, "stage", { name: "write", state: "running" });
  source.send(3, "log", { level: "info", message: "wrote package.json" });
  await screen.findByText("wrote package.json");
  expect(screen.getAllByText("Running").length).toBeGreaterThan(0);

  const artifact = { name: "app.zip", size_bytes: 100, sha256: "00" };
  jobs = [aJob({ ...jobs[0], state: "succeeded", last_sequence: 5, artifact })];
  source.send(4, "succeeded", { summary: "17 files" });
  act(() => source.send(5, "state", { state: "succeeded" }));
  await screen.findByRole("link", { name: "Download app.zip" });
  expect(screen.queryByRole("button", { name: "Cancel" })).toBeNull();
});

test("a deep link to a job that does not exist says so", async () => {
  window.location.hash = "#/jobs/gone";
  render(<App />);
  await screen.findByRole("heading", { name: "There is no such job" });
  expect(FakeEventSource.opened).toHaveLength(0);
});

test("a server that is away is announced, and the page recovers by itself", async () => {
  reachable = false;
  render(<App />);
  await screen.findByText(/The server can’t be reached/);
  expect(screen.getByText("The list could not be loaded.")).toBeTruthy();
  reachable = true;
  jobs = [aJob({ description: "A plant diary", state: "failed" })];
  act(() => void window.dispatchEvent(new Event("online")));
  await screen.findByText("A plant diary");
  expect(screen.queryByText(/can’t be reached/)).toBeNull();
});

test("the empty list says what will be there", async () => {
  render(<App />);
  await screen.findByText(/Nothing here yet/);
});
