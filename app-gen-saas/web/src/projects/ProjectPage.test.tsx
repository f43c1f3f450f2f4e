import { act, cleanup, fireEvent, render, screen, waitFor, within } from "@testing-library/react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { refuse } from "../api/aProblem.ts";
import type { Job, Project, Version } from "../api/types.ts";
import { aJob } from "../jobs/aJob.ts";
import { FakeEventSource } from "../stream/fakeEventSource.ts";
import { aVersion } from "../versions/aVersion.ts";
import { aProject } from "./aProject.ts";
import { ProjectPage } from "./ProjectPage.tsx";

/** The server as the page sees it. */
let project: Project | null;
let jobs: Job[];
let versions: Version[];
/** What the next call that changes something is refused with. */
let refusal: string | null;
/** The calls that change something. */
let sent: { method: string; path: string; body: unknown }[];

async function answer(address: string, { method = "GET", body }: RequestInit = {}): Promise<Response> {
  const [path = ""] = address.split("?");
  if (!project) return refuse("not_found", "project not found");
  if (method === "GET") {
    if (path.endsWith("/deliveries")) return Response.json({ deliveries: [] });
    if (path === "/api/jobs") return Response.json({ jobs });
    if (path.startsWith("/api/jobs/")) return Response.json(jobs.find((job) => path.endsWith(job.id)));
    return Response.json(path.endsWith("/versions") ? { versions } : project);
  }
  const parsed: unknown = body === undefined ? undefined : JSON.parse(String(body));
  sent.push({ method, path, body: parsed });
  if (refusal !== null) return refuse("changed", refusal);
  if (method === "DELETE") return new Response(null, { status: 204 });
  if (method === "PATCH") {
    project = { ...project, ...(parsed as Partial<Project>) };
    return Response.json(project);
  }
  const job = aJob({ id: `new-${jobs.length}`, kind: "change", description: "asked", ...(parsed as Partial<Job>) });
  jobs = [job, ...jobs];
  return Response.json(job, { status: 201 });
}

beforeEach(() => {
  project = aProject({ id: "p", name: "A recipe box", newest_version: 2, micro_usd: 420_000 });
  jobs = [];
  versions = [aVersion({ number: 2, parent: 1, description: "Add tags" }), aVersion({ number: 1 })];
  refusal = null;
  sent = [];
  sessionStorage.clear();
  window.location.hash = "#/projects/p";
  FakeEventSource.opened = [];
  vi.stubGlobal("EventSource", FakeEventSource);
  vi.stubGlobal("fetch", vi.fn(answer));
});

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

const press = (name: string | RegExp) => fireEvent.click(screen.getByRole("button", { name }));

async function open(from: number | null = null): Promise<void> {
  render(<ProjectPage projectId="p" from={from} />);
  await screen.findByRole("heading", { level: 1, name: (name) => !name.startsWith("Loading") });
}

test("an app is shown with its cost, its newest version and what was asked", async () => {
  jobs = [
    aJob({ id: "b", kind: "change", state: "failed", reason: "it does not build", description: "Make it blue" }),
    aJob({ id: "a", state: "succeeded", project: "p", version: 1, description: "A recipe box with tags" }),
  ];
  await open();
  expect(screen.getByText("Cost so far: $0.42")).toBeTruthy();
  const asked = within(screen.getByRole("region", { name: "What was asked" }));
  await asked.findByText("it does not build");
  expect(asked.getAllByRole("heading", { level: 3 }).map((heading) => heading.textContent)).toEqual([
    "Make it blue",
    "A recipe box with tags",
  ]);
  expect(asked.getByRole("link", { name: "version 1" }).getAttribute("href")).toBe("#/projects/p/versions/1");
  expect(FakeEventSource.opened).toHaveLength(0);

  fireEvent.click(asked.getByRole("button", { name: "Use this description again" }));
  const field = screen.getByLabelText<HTMLTextAreaElement>("What should change?");
  expect(field.value).toBe("Make it blue");
  expect(document.activeElement).toBe(field);
});

test("the job at work is followed, and one that waits says for what", async () => {
  jobs = [
    aJob({ id: "later", kind: "change", waits_for: "now", description: "Add a search" }),
    aJob({ id: "now", kind: "change", state: "running", description: "Make it blue" }),
  ];
  await open();
  await screen.findByText("It begins when “Make it blue” has ended.");
  const source = await waitFor(() => FakeEventSource.latest);
  expect(FakeEventSource.opened).toHaveLength(1);
  expect(source.url).toContain("/api/jobs/now/events");
  expect(screen.getAllByRole("log")).toHaveLength(1);

  // Its end stays in sight when nothing else begins.
  jobs = [aJob({ id: "now", kind: "change", state: "succeeded", version: 3, last_sequence: 2, description: "Make it blue" })];
  act(() => FakeEventSource.latest.open());
  FakeEventSource.latest.send(1, "state", { state: "succeeded" });
  await screen.findByRole("heading", { name: "The new version is ready." });
});

test("a change begins with the newest version, or with the one that was chosen", async () => {
  await open();
  const write = (text: string) => fireEvent.change(screen.getByLabelText("What should change?"), { target: { value: text } });
  write("Make it blue");
  press("Make the change");
  await waitFor(() => expect(sent.at(-1)?.body).toEqual({ project: "p", description: "Make it blue" }));
  cleanup();

  window.location.hash = "#/projects/p?from=1";
  await open(1);
  expect(screen.getByText("Begins with version 1.")).toBeTruthy();
  expect(document.activeElement).toBe(screen.getByLabelText("What should change?"));
  write("Make it red");
  press("Make the change");
  await waitFor(() =>
    expect(sent.at(-1)?.body).toEqual({ project: "p", description: "Make it red", start_version: 1 }),
  );
  await waitFor(() => expect(window.location.hash).toBe("#/projects/p"));
});

test.each([
  [{ archived: true }, /Take it up again first/],
  [{ newest_version: 0, unfinished_job: "x" }, /as soon as the first version is ready/],
  [{ newest_version: 0 }, /no version that could be changed/],
])("%j takes no changes, and says why", async (parts, why) => {
  project = aProject({ ...project, ...parts });
  await open();
  expect(screen.getByText(why)).toBeTruthy();
  expect(screen.getByLabelText<HTMLTextAreaElement>("What should change?").disabled).toBe(true);
});

test("an app is renamed in place", async () => {
  await open();
  press("Rename");
  const field = screen.getByLabelText<HTMLInputElement>("Name of the app");
  fireEvent.change(field, { target: { value: "  " } });
  press("Save");
  expect(screen.getByText("An app needs a name.").id).toBe(field.getAttribute("aria-describedby"));
  fireEvent.change(field, { target: { value: " Family recipes " } });
  press("Save");
  await screen.findByRole("heading", { level: 1, name: "Family recipes" });
  expect(sent).toEqual([{ method: "PATCH", path: "/api/projects/p", body: { name: "Family recipes" } }]);
  await waitFor(() => expect(document.title).toBe("Family recipes · App-Gen"));
  await waitFor(() => expect(document.activeElement).toBe(screen.getByRole("button", { name: "Rename" })));
});

test("Escape leaves the name as it is", async () => {
  await open();
  press("Rename");
  fireEvent.change(screen.getByLabelText("Name of the app"), { target: { value: "Other" } });
  fireEvent.keyDown(screen.getByLabelText("Name of the app"), { key: "Escape" });
  expect(screen.getByRole("heading", { level: 1 }).textContent).toBe("A recipe box");
  expect(sent).toEqual([]);
});

test("an app is archived and taken up again", async () => {
  await open();
  press("Archive");
  await screen.findByText("Archived");
  expect(screen.queryByRole("button", { name: "Go back to this version" })).toBeNull();
  press("Take up again");
  await screen.findByRole("button", { name: "Archive" });
  expect(sent.map(({ body }) => body)).toEqual([{ archived: true }, { archived: false }]);
});

test("a deletion says what is lost, and why it is refused", async () => {
  await open();
  press("Delete");
  expect(screen.getByText("Its 2 versions, its jobs and all files are lost. This cannot be taken back.")).toBeTruthy();
  refusal = "a job of the project has not ended; cancel it first";
  press("Delete it");
  await screen.findByText("A job of the project has not ended; cancel it first.");
  expect(window.location.hash).toBe("#/projects/p");
  refusal = null;
  press("Delete");
  press("Delete it");
  await waitFor(() => expect(window.location.hash).toBe("#/"));
});

test("only an older version can be gone back to, and it is asked before", async () => {
  await open();
  const list = within(screen.getByRole("region", { name: "Versions" }));
  await list.findByRole("link", { name: "Version 2" });
  expect(list.getByRole("link", { name: "Change from here" }).getAttribute("href")).toBe("#/projects/p?from=1");
  expect(list.getByRole("link", { name: "Download version 2" }).getAttribute("href")).toBe(
    "/api/projects/p/versions/2/download",
  );
  press("Go back to this version");
  expect(sent).toEqual([]);
  expect(list.getByText("Its files become version 3. The versions after it stay.")).toBeTruthy();
  press("Go back");
  await list.findByText(/It was asked for/);
  expect(sent).toEqual([{ method: "POST", path: "/api/projects/p/versions/1/restore", body: undefined }]);
  expect(list.getByRole("button", { name: "Go back to this version" })).toBeTruthy();
});

test("a version that a job has made appears", async () => {
  jobs = [aJob({ id: "now", kind: "change", state: "running" })];
  await open();
  await screen.findByRole("link", { name: "Version 1" });
  project = aProject({ ...project, newest_version: 3 });
  versions = [aVersion({ number: 3, parent: 2 }), ...versions];
  jobs = [{ ...(jobs[0] as Job), state: "succeeded", version: 3, last_sequence: 9 }];
  act(() => void window.dispatchEvent(new Event("focus")));
  await within(screen.getByRole("region", { name: "Versions" })).findByRole("link", { name: "Version 3" });
});

test("an app that does not exist is said to be none", async () => {
  project = null;
  await open();
  expect(screen.getByRole("heading", { level: 1 }).textContent).toBe("There is no such app");
});
