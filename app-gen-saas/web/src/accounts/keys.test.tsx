import { cleanup, fireEvent, render, screen, waitFor } from "@testing-library/react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { refuse } from "../api/aProblem.ts";
import type { ApiKey, Session, TenantUsage } from "../api/types.ts";
import { aKey, aSession, aUsage } from "./aTeam.ts";
import { FleetPage } from "./FleetPage.tsx";
import { KeysPage } from "./KeysPage.tsx";

/** The server as the page sees it. */
let keys: ApiKey[];
let session: Session;
let usage: TenantUsage[];
/** Every call. */
let asked: string[];
let refusal: Parameters<typeof refuse> | null;

async function answer(path: string, { method = "GET", body }: RequestInit = {}): Promise<Response> {
  asked.push(`${method} ${path}${body === undefined ? "" : ` ${String(body)}`}`);
  if (method !== "GET" && refusal !== null) return refuse(...refusal);
  if (method === "POST") {
    keys = [aKey({ id: "n", ...JSON.parse(String(body)) }), ...keys];
    return Response.json({ key: "agk_secret", details: keys[0] }, { status: 201 });
  }
  if (method === "DELETE") {
    keys = keys.map((key) => (path.endsWith(`/${key.id}`) ? { ...key, revoked_at: "2026-11-21T12:00:00.000Z" } : key));
    return new Response(null, { status: 204 });
  }
  if (path === "/api/session") return Response.json(session);
  if (path === "/api/keys") return Response.json({ keys });
  const after = new URL(path, "http://server").searchParams.get("after") ?? "";
  return Response.json({ tenants: usage.filter(({ tenant }) => tenant > after).slice(0, 50) });
}

beforeEach(() => {
  keys = [aKey()];
  session = aSession();
  usage = [aUsage()];
  asked = [];
  refusal = null;
  vi.stubGlobal("fetch", vi.fn(answer));
});

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

const press = (name: string | RegExp) => fireEvent.click(screen.getByRole("button", { name }));

test("a key is made with what it may do, and shown once", async () => {
  render(<KeysPage />);
  await screen.findByText("CI");
  fireEvent.click(screen.getByLabelText("Create, change and remove"));
  fireEvent.change(screen.getByLabelText("What it is for"), { target: { value: "Nightly" } });
  refusal = ["changed", "the tenant has 50 keys already; revoke one first"];
  press("Make the key");
  await screen.findByText("The tenant has 50 keys already; revoke one first.");
  refusal = null;
  press("Make the key");
  await screen.findByText("agk_secret");
  expect(asked).toContain('POST /api/keys {"name":"Nightly","scopes":["read","write"]}');
  await screen.findByText("Nightly");
});

test("a key is revoked after a question, and is gone", async () => {
  render(<KeysPage />);
  await screen.findByText("CI");
  press("Revoke “CI”");
  press("Revoke it");
  await screen.findByText("There is no key yet.");
  expect(asked).toContain("DELETE /api/keys/k");
});

test("who does not own the team revokes only their own keys", async () => {
  session = aSession({ user: "bob", is_owner: false });
  keys = [aKey(), aKey({ id: "own", name: "Mine", user: "bob" })];
  render(<KeysPage />);
  await screen.findByText("CI");
  expect(screen.getAllByRole("button", { name: /^Revoke/ }).map(({ textContent }) => textContent)).toEqual(["Revoke “Mine”"]);
});

test("operators see numbers of every tenant, page by page", async () => {
  session = aSession({ is_operator: true });
  usage = Array.from({ length: 60 }, (_, index) => aUsage({ tenant: `t${100 + index}`, jobs: index }));
  render(<FleetPage />);
  await screen.findByText("t100");
  expect(screen.getAllByRole("row")).toHaveLength(51);
  expect(screen.getAllByText("$1.84")).toHaveLength(50);
  press("Load more");
  await screen.findByText("t159");
  expect(screen.getAllByRole("row")).toHaveLength(61);
  expect(asked).toContain("GET /api/fleet/usage?limit=50&after=t149");
});

test("others are told that they are none, and nothing is asked", async () => {
  render(<FleetPage />);
  await screen.findByRole("heading", { name: "Only operators see the fleet" });
  await waitFor(() => expect(asked).toEqual(["GET /api/session"]));
});
