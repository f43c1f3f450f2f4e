import { cleanup, fireEvent, render, screen, waitFor } from "@testing-library/react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ApiError } from "../api/client.ts";
import { aJob } from "./aJob.ts";
import { Composer, MAX_CHARACTERS } from "./Composer.tsx";
import { newAppDraft } from "./draft.ts";

const create = vi.fn<(description: string, attachments: string[]) => Promise<ReturnType<typeof aJob>>>();
const onCreated = vi.fn();
const asked = {
  label: "Describe your app",
  placeholder: "",
  rows: 5,
  submit: "Generate app",
  empty: "Describe the app first: a sentence is enough.",
  draft: newAppDraft,
  examples: [{ name: "Plant diary", text: "A plant diary" }],
  create,
  onCreated,
};

beforeEach(() => {
  sessionStorage.clear();
  create.mockReset();
  onCreated.mockReset();
  render(<Composer {...asked} />);
});

afterEach(cleanup);

const field = () => screen.getByLabelText<HTMLTextAreaElement>("Describe your app");
const write = (text: string) => fireEvent.change(field(), { target: { value: text } });
const submit = () => fireEvent.click(screen.getByRole("button", { name: "Generate app" }));
const problem = () => screen.getByRole("alert").textContent;

test("an empty description is refused here, said aloud, and the field is focused", () => {
  write("   \n ");
  submit();
  expect(problem()).toBe("Describe the app first: a sentence is enough.");
  expect(field().getAttribute("aria-invalid")).toBe("true");
  expect(document.activeElement).toBe(field());
  expect(create).not.toHaveBeenCalled();
});

test("typing takes the complaint away", () => {
  submit();
  write("A");
  expect(problem()).toBe("");
});

test("the trimmed text is sent and the field is empty for the next one", async () => {
  const job = aJob({ id: "new" });
  create.mockResolvedValue(job);
  write("  A recipe box \n");
  submit();
  await waitFor(() => expect(onCreated).toHaveBeenCalledWith(job));
  expect(create).toHaveBeenCalledExactlyOnceWith("A recipe box", []);
  expect(field().value).toBe("");
  expect(sessionStorage.length).toBe(0);
});

test("a second click while it is sent starts no second job", () => {
  create.mockReturnValue(new Promise(() => {}));
  write("A recipe box");
  submit();
  fireEvent.click(screen.getByRole("button", { name: "Starting…" }));
  expect(create).toHaveBeenCalledTimes(1);
});

test("Ctrl+Enter submits", () => {
  create.mockReturnValue(new Promise(() => {}));
  write("A recipe box");
  fireEvent.keyDown(field(), { key: "Enter", ctrlKey: true });
  expect(create).toHaveBeenCalledTimes(1);
});

test("a failed call says why and keeps the text", async () => {
  create.mockRejectedValue(new ApiError(0, "unreachable", "The server can’t be reached."));
  write("A recipe box");
  submit();
  await waitFor(() => expect(problem()).toBe("The server can’t be reached. Your text is kept."));
  expect(field().value).toBe("A recipe box");
});

test("the limit counts characters as the server does: an emoji is one", () => {
  write("🍲".repeat(MAX_CHARACTERS));
  expect(screen.getByText("4,000 of 4,000 characters")).toBeTruthy();
  write("🍲".repeat(MAX_CHARACTERS + 1));
  submit();
  expect(problem()).toBe("Please shorten it to 4,000 characters.");
  expect(create).not.toHaveBeenCalled();
});

test("what is being written survives a reload", () => {
  write("A half-written idea");
  cleanup();
  render(<Composer {...asked} />);
  expect(field().value).toBe("A half-written idea");
});

test("an example fills the field", () => {
  fireEvent.click(screen.getByRole("button", { name: "Plant diary" }));
  expect(field().value).toBe("A plant diary");
});

test("a field that is closed says why, and sends nothing", () => {
  cleanup();
  render(<Composer {...asked} disabled="The app was put aside." />);
  expect(field().disabled).toBe(true);
  expect(screen.getByText("The app was put aside.").id).toBe(field().getAttribute("aria-describedby"));
  expect(screen.queryByRole("button", { name: "Generate app" })).toBeNull();
  fireEvent.submit(field().form as HTMLFormElement);
  expect(create).not.toHaveBeenCalled();
});

test("the drafts of two fields are kept apart", () => {
  write("A half-written idea");
  cleanup();
  render(<Composer {...asked} draft="another" />);
  expect(field().value).toBe("");
});
