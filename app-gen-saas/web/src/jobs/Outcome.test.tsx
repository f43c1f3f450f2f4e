import { cleanup, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, beforeEach, expect, test } from "vitest";
import { EMPTY_LOG } from "../log/jobLog.ts";
import { aJob } from "./aJob.ts";
import { changeDraft, loadDraft, newAppDraft } from "./draft.ts";
import { Outcome } from "./Outcome.tsx";

beforeEach(() => sessionStorage.clear());
afterEach(cleanup);

const artifact = { name: "app.zip", size_bytes: 32_440, sha256: "ab12" };

test("a finished job offers its download, with the size", () => {
  render(<Outcome job={aJob({ id: "a/b", state: "succeeded", artifact })} log={EMPTY_LOG} />);
  const link = screen.getByRole("link", { name: "Download app.zip" });
  expect(link.getAttribute("href")).toBe("/api/jobs/a%2Fb/artifact");
  expect(link.getAttribute("download")).toBe("app.zip");
  expect(screen.getByText("32.4 kB").getAttribute("title")).toBe("SHA-256 ab12");
});

test("only the template says that it is one", () => {
  const note = /built-in template/;
  const { rerender } = render(<Outcome job={aJob({ state: "succeeded", artifact })} log={EMPTY_LOG} />);
  expect(screen.getByText(note)).toBeTruthy();
  rerender(<Outcome job={aJob({ state: "succeeded", artifact, provider: "claude" })} log={EMPTY_LOG} />);
  expect(screen.queryByText(note)).toBeNull();
});

test("a failed job says what went wrong, and what helps", () => {
  const log = { ...EMPTY_LOG, failure: { reason: "unknown provider", hint: "use template" } };
  render(<Outcome job={aJob({ state: "failed", reason: "unknown provider" })} log={log} />);
  expect(screen.getByRole("heading", { name: "This app could not be generated." })).toBeTruthy();
  expect(screen.getByText("unknown provider")).toBeTruthy();
  expect(screen.getByText("use template")).toBeTruthy();
  expect(screen.queryByRole("link", { name: /Download/ })).toBeNull();
});

test.each([
  ["timed_out", "It took too long and was stopped."],
  ["lost", "The generator disappeared before it was done."],
] as const)("a job that %s says so even without a reason", (state, words) => {
  render(<Outcome job={aJob({ state })} log={EMPTY_LOG} />);
  expect(screen.getByRole("heading", { name: words })).toBeTruthy();
  expect(screen.getByText(/No reason was recorded/)).toBeTruthy();
});

test("starting over takes the description along", () => {
  render(<Outcome job={aJob({ state: "failed", description: "A chess clock" })} log={EMPTY_LOG} />);
  fireEvent.click(screen.getByRole("link", { name: "Use this description again" }));
  expect(loadDraft(newAppDraft)).toBe("A chess clock");
});

test("a change that failed is asked for again in its project", () => {
  const job = aJob({ state: "failed", kind: "change", project: "p", description: "Make it blue" });
  const { rerender } = render(<Outcome job={job} log={EMPTY_LOG} />);
  const link = screen.getByRole("link", { name: "Use this description again" });
  expect(link.getAttribute("href")).toBe("#/projects/p");
  fireEvent.click(link);
  expect(loadDraft(changeDraft("p"))).toBe("Make it blue");
  expect(loadDraft(newAppDraft)).toBe("");
  rerender(<Outcome job={{ ...job, kind: "restore" }} log={EMPTY_LOG} />);
  expect(screen.queryByText("Use this description again")).toBeNull();
});

test("a version that was made is linked, also where a job has no file of its own", () => {
  const job = aJob({ state: "succeeded", kind: "restore", project: "p", version: 3 });
  render(<Outcome job={job} log={EMPTY_LOG} />);
  expect(screen.getByRole("heading", { name: "The version is the newest one again." })).toBeTruthy();
  expect(screen.getByRole("link", { name: "Look at version 3" }).getAttribute("href")).toBe("#/projects/p/versions/3");
  expect(screen.queryByText("There is nothing to download.")).toBeNull();
});
