import { cleanup, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { refuse } from "../api/aProblem.ts";
import type { Preview } from "../api/types.ts";
import { aPreview } from "./aPreview.ts";
import { PreviewPanel } from "./PreviewPanel.tsx";

let preview: Preview | null;
let refusal: Parameters<typeof refuse> | null;
let asked: string[];

async function answer(address: string, init: RequestInit = {}): Promise<Response> {
  const method = init.method ?? "GET";
  asked.push(`${method} ${address}`);
  if (refusal) return refuse(...refusal);
  if (method === "POST") {
    preview = aPreview({ state: "starting", phase: null, ready_at: null });
    return Response.json(preview, { status: 201 });
  }
  if (method === "DELETE") {
    preview = aPreview({ state: "ended", url: null, reason: "somebody ended it" });
    return new Response(null, { status: 204 });
  }
  return preview ? Response.json(preview) : refuse("not_found", "preview not found");
}

beforeEach(() => {
  preview = null;
  refusal = null;
  asked = [];
  vi.stubGlobal("fetch", vi.fn(answer));
});

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

test("a version that has no preview gets one, and what its start is at is said", async () => {
  render(<PreviewPanel projectId="p" number={2} />);
  const start = await screen.findByRole("button", { name: "Try this version" });
  start.focus();
  fireEvent.click(start);
  await screen.findByText("Preparing its place…");
  // The button is gone that had the focus.
  expect(document.activeElement?.textContent).toBe("Preview");
  expect(asked).toContain("POST /api/projects/p/versions/2/preview");
  expect(document.querySelector("iframe")).toBeNull();
});

test("a preview that is ready is in a frame that cannot lead the page elsewhere", async () => {
  preview = aPreview();
  render(<PreviewPanel projectId="p" number={2} />);
  const frame = await screen.findByTitle("Preview of version 2");
  expect(frame.getAttribute("src")).toBe(preview.url);
  const sandbox = frame.getAttribute("sandbox")?.split(" ") ?? [];
  expect(sandbox).toContain("allow-same-origin");
  expect(sandbox.filter((right) => right.startsWith("allow-top-navigation"))).toEqual([]);
  const link = screen.getByRole("link", { name: "Open in a new tab" });
  expect(link.getAttribute("href")).toBe(preview.url);
  expect(link.getAttribute("rel")).toBe("noopener noreferrer");
});

test("a preview can be ended and started again, and why it ended is said", async () => {
  preview = aPreview();
  render(<PreviewPanel projectId="p" number={2} />);
  const end = await screen.findByRole("button", { name: "End" });
  end.focus();
  fireEvent.click(end);
  await screen.findByText("The preview has ended: somebody ended it.");
  expect(document.activeElement?.textContent).toBe("Preview");
  expect(document.querySelector("iframe")).toBeNull();
  await screen.findByRole("button", { name: "Try it again" });
});

test("where there is no place, it is said when there will be one", async () => {
  render(<PreviewPanel projectId="p" number={2} />);
  const start = await screen.findByRole("button", { name: "Try this version" });
  refusal = ["busy", "there are 10 previews, the first of them ends in 3 min"];
  fireEvent.click(start);
  const problem = await screen.findByRole("alert");
  expect(problem.textContent).toBe("There are 10 previews, the first of them ends in 3 min.");
});

test("an environment without previews offers none", async () => {
  refusal = ["changed", "this environment has no previews"];
  const { container } = render(<PreviewPanel projectId="p" number={2} />);
  await vi.waitFor(() => expect(asked.length).toBe(1));
  expect(container.textContent).toBe("");
});
