import { cleanup, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, expect, test, vi } from "vitest";
import type { ModelKey } from "../api/types.ts";
import { ModelKeysPage } from "./ModelKeysPage.tsx";

const kept: ModelKey = {
  provider: "anthropic",
  agent: "claude",
  base_url: null,
  last_four: "0001",
  set_by: "ann@example.com",
  set_at: "2026-11-21T12:00:00.000Z",
  test_model: "claude-haiku-4-5",
  tested_at: "2026-11-21T12:00:00.000Z",
  test_outcome: "works",
};

/** A server that has these keys, and takes any other for Anthropic but the refused one. */
function serve(keys: ModelKey[]): { method: string; path: string; body: string }[] {
  const asked: { method: string; path: string; body: string }[] = [];
  vi.stubGlobal("fetch", async (path: string, init: RequestInit = {}) => {
    const method = init.method ?? "GET";
    const body = typeof init.body === "string" ? init.body : "";
    asked.push({ method, path, body });
    if (method === "PUT" && body.includes("refused")) {
      const detail = "the provider refuses the key";
      return Response.json({ code: "key_unusable", outcome: "key_refused", detail }, { status: 422 });
    }
    if (method === "PUT") {
      keys.splice(0, keys.length, kept);
      return Response.json(kept);
    }
    return Response.json({ keys });
  });
  return asked;
}

async function open(): Promise<void> {
  render(<ModelKeysPage />);
  await screen.findByText(/Anthropic, for Claude Code/);
}

function submit(key: string): void {
  const field = screen.getByLabelText<HTMLInputElement>("Key for Anthropic");
  fireEvent.change(field, { target: { value: key } });
  const form = field.closest("form");
  if (form === null) throw new Error("there is no form");
  fireEvent.submit(form);
}

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

test("a key that works is kept, and shown by its end alone", async () => {
  const asked = serve([]);
  await open();
  submit("sk-very-secret-0001");
  expect(await screen.findByText(/…0001 works/)).toBeTruthy();
  const put = asked.find(({ method }) => method === "PUT");
  expect(put?.path).toBe("/api/model-keys/anthropic");
  expect(JSON.parse(put?.body ?? "")).toEqual({ key: "sk-very-secret-0001" });
  expect(screen.getByLabelText<HTMLInputElement>("Key for Anthropic").value).toBe("");
  expect(document.body.innerHTML).not.toContain("very-secret");
});

test("a key that is refused is told in the server's words", async () => {
  serve([]);
  await open();
  submit("sk-refused-secret");
  expect(await screen.findByText("The provider refuses the key.")).toBeTruthy();
  expect(screen.queryByText(/…/)).toBeNull();
});
