import { cleanup, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, expect, test, vi } from "vitest";
import { ApiError } from "../api/client.ts";
import { aJob } from "./aJob.ts";
import { Waiting } from "./Waiting.tsx";

afterEach(cleanup);

const artifact = { name: "app.zip", size_bytes: 32_440, sha256: "ab12" };
const asking = aJob({
  state: "waiting_approval",
  attempt: 2,
  artifact,
  waiting: { kind: "approval", point: "before_publish", question: "May it be published?" },
});
const now = Date.parse("2026-11-21T12:00:00Z");
const press = (name: string) => fireEvent.click(screen.getByRole("button", { name }));

test("a person looks at the result and approves it", () => {
  const decide = vi.fn(async () => {});
  render(<Waiting job={asking} now={now} decide={decide} />);
  expect(screen.getByText("May it be published?")).toBeTruthy();
  expect(screen.getByRole("link", { name: "Look at app.zip" }).getAttribute("href")).toBe("/api/jobs/0193-job/artifact");
  press("Approve");
  expect(decide).toHaveBeenCalledWith({ attempt: 2, decision: "approve" });
});

test.each([
  ["Reject", "What is wrong with it?", "Reject it", "reject"],
  ["Not yet", "What is to be done first?", "Send these notes", "defer"],
])("%s asks for words and sends them", (button, label, send, decision) => {
  const decide = vi.fn(async () => {});
  render(<Waiting job={asking} now={now} decide={decide} />);
  press(button);
  press(send);
  expect(decide).not.toHaveBeenCalled();
  fireEvent.change(screen.getByLabelText(label), { target: { value: " too blue " } });
  press(send);
  expect(decide).toHaveBeenCalledWith({ attempt: 2, decision, words: "too blue" });
});

test("a decision that comes too late says so", async () => {
  const late = new ApiError(409, "changed", "The job does not wait for a decision about that attempt.");
  render(<Waiting job={asking} now={now} decide={() => Promise.reject(late)} />);
  press("Approve");
  expect((await screen.findByRole("alert")).textContent).toBe(late.message);
  expect(screen.getByRole("button", { name: "Approve" })).toBeTruthy();
});

test("a limit says when the job goes on", () => {
  const until = "2026-11-21T14:30:00.000Z";
  const waiting = { kind: "limit" as const, provider: "claude", until, detail: "five hours are used up" };
  render(<Waiting job={aJob({ state: "waiting_limit", waiting })} now={now} decide={async () => {}} />);
  expect(screen.getByRole("heading", { name: "A limit of claude is reached" })).toBeTruthy();
  expect(screen.getByText("five hours are used up")).toBeTruthy();
  expect(document.querySelector("time")?.getAttribute("datetime")).toBe(until);
  expect(screen.queryByRole("button")).toBeNull();
});

test("a job that waits for nothing shows nothing", () => {
  const { container } = render(<Waiting job={aJob()} now={now} decide={async () => {}} />);
  expect(container.childElementCount).toBe(0);
});
