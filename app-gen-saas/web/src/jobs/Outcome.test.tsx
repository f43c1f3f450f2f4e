import { cleanup, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, beforeEach, expect, test } from "vitest";
import { EMPTY_LOG } from "../log/jobLog.ts";
import { aJob } from "./aJob.ts";
import { loadDraft } from "./draft.ts";
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
  expect(loadDraft()).toBe("A chess clock");
});
