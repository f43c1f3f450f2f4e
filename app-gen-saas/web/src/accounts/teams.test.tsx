import { cleanup, fireEvent, render, screen, waitFor, within } from "@testing-library/react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { refuse } from "../api/aProblem.ts";
import type { Invitation, Session, Tenant, TenantMember } from "../api/types.ts";
import { aMember, anInvitation, aSession, aTeam, personal } from "./aTeam.ts";
import { InvitationPage } from "./InvitationPage.tsx";
import { TeamPage } from "./TeamPage.tsx";
import { TeamsPage } from "./TeamsPage.tsx";

/** The server as the page sees it. */
let tenants: Tenant[];
let members: TenantMember[];
let invitations: Invitation[];
let session: Session;
/** The calls that change something. */
let sent: { method: string; path: string; body: unknown }[];
let refusal: Parameters<typeof refuse> | null;

async function answer(path: string, { method = "GET", body }: RequestInit = {}): Promise<Response> {
  if (method !== "GET") {
    sent.push({ method, path, body: body === undefined ? undefined : JSON.parse(String(body)) });
    if (refusal !== null) return refuse(...refusal);
    return change(method, path, sent.at(-1)?.body);
  }
  if (path === "/api/session") return Response.json(session);
  if (path === "/api/tenants") return Response.json({ tenants });
  if (path === "/api/tenants/t/members") return Response.json({ members });
  if (path === "/api/tenants/t/invitations") return Response.json({ invitations });
  return refuse("not_found", "tenant not found");
}

function change(method: string, path: string, body: unknown): Response {
  if (path === "/api/tenants") return Response.json(aTeam({ id: "new" }), { status: 201 });
  if (path === "/api/invitations") return Response.json(aTeam({ role: "member" }));
  if (path === "/api/tenants/t/owner") {
    const { user } = body as { user: string };
    members = members.map((member) => ({ ...member, role: member.user === user ? "owner" : "member" }));
    tenants = [personal, aTeam({ role: "member" })];
    return Response.json(tenants[1]);
  }
  if (method === "POST") {
    const { email } = body as { email: string };
    invitations = [anInvitation({ id: "n", email }), ...invitations];
    return Response.json({ token: "agi_secret", details: invitations[0] }, { status: 201 });
  }
  const id = path.split("/").at(-1);
  members = members.filter(({ user }) => user !== id);
  invitations = invitations.filter((invitation) => invitation.id !== id);
  return new Response(null, { status: 204 });
}

beforeEach(() => {
  tenants = [personal, aTeam()];
  members = [aMember(), aMember({ user: "bob", email: "bob@example.com", role: "member" })];
  invitations = [anInvitation()];
  session = aSession();
  sent = [];
  refusal = null;
  localStorage.clear();
  window.location.hash = "#/teams";
  vi.stubGlobal("fetch", vi.fn(answer));
  vi.spyOn(window.location, "reload").mockImplementation(() => undefined);
});

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

const press = (name: string | RegExp) => fireEvent.click(screen.getByRole("button", { name }));
/** Buttons beside it name them, too. */
const named = (email: string) => screen.findByText(email, { selector: "strong" });
const item = async (email: string) => within((await named(email)).closest("li") as HTMLElement);

test("teams are listed without the personal tenant, and a new one is gone to", async () => {
  render(<TeamsPage />);
  const link = await screen.findByRole("link", { name: "Garden club" });
  expect(link.getAttribute("href")).toBe("#/teams/t");
  expect(screen.queryByText("ann@example.com")).toBeNull();
  press("Make the team");
  expect(screen.getByRole("alert").textContent).toBe("A team needs a name.");
  fireEvent.change(screen.getByLabelText("Name of the team"), { target: { value: " Chess " } });
  press("Make the team");
  await waitFor(() => expect(window.location.hash).toBe("#/teams/new"));
  expect(sent).toEqual([{ method: "POST", path: "/api/tenants", body: { name: "Chess" } }]);
});

test("a refusal is said, and the name that was written stays", async () => {
  tenants = [personal];
  render(<TeamsPage />);
  await screen.findByText(/You are in no team yet/);
  refusal = ["changed", "you are in 50 tenants already; leave or delete one first"];
  const field = screen.getByLabelText<HTMLInputElement>("Name of the team");
  fireEvent.change(field, { target: { value: "Chess" } });
  press("Make the team");
  await screen.findByText("You are in 50 tenants already; leave or delete one first.");
  expect(field.value).toBe("Chess");
});

test("where there are no accounts, the page says so", async () => {
  vi.stubGlobal("fetch", vi.fn(async () => refuse("changed", "this environment has no accounts: its AUTH_MODE is none")));
  render(<TeamsPage />);
  await screen.findByRole("heading", { level: 1, name: "Your teams could not be loaded" });
  screen.getByText("This environment has no accounts: its AUTH_MODE is none.");
});

test("an owner takes a member out after a question", async () => {
  render(<TeamPage tenantId="t" />);
  const bob = await item("bob@example.com");
  expect((await item("ann@example.com")).queryAllByRole("button")).toEqual([]);
  fireEvent.click(bob.getByRole("button", { name: "Remove bob@example.com" }));
  expect(sent).toEqual([]);
  press("Remove them");
  await waitFor(() => expect(screen.queryByText("bob@example.com", { selector: "strong" })).toBeNull());
  expect(sent).toEqual([{ method: "DELETE", path: "/api/tenants/t/members/bob", body: undefined }]);
});

test("an owner hands the team over, and can then do no more than a member", async () => {
  render(<TeamPage tenantId="t" />);
  fireEvent.click((await item("bob@example.com")).getByRole("button", { name: "Hand over the team to bob@example.com" }));
  press("Hand it over");
  await screen.findByRole("button", { name: "Leave the team" });
  expect(sent).toEqual([{ method: "POST", path: "/api/tenants/t/owner", body: { user: "bob" } }]);
  expect(screen.queryByRole("region", { name: "Invitations" })).toBeNull();
  expect(screen.queryByRole("button", { name: /^Remove/ })).toBeNull();
});

test("a member leaves, and stays nowhere among its apps", async () => {
  tenants = [personal, aTeam({ role: "member" })];
  session = aSession({ user: "bob", tenant: "t", is_owner: false });
  localStorage.setItem("app-gen.tenant", "t");
  render(<TeamPage tenantId="t" />);
  await named("bob@example.com");
  press("Leave the team");
  press("Leave it");
  await waitFor(() => expect(window.location.reload).toHaveBeenCalledTimes(1));
  expect(sent).toEqual([{ method: "DELETE", path: "/api/tenants/t/members/bob", body: undefined }]);
  expect(localStorage.getItem("app-gen.tenant")).toBeNull();
  expect(window.location.hash).toBe("");
});

test("deleting a team says what is lost, and for whom", async () => {
  render(<TeamPage tenantId="t" />);
  await named("bob@example.com");
  press("Delete the team");
  screen.getByText(/All its apps with their versions, .* are lost, for you and another member\..*This cannot be taken back\./);
  press("Delete it");
  await waitFor(() => expect(window.location.hash).toBe("#/teams"));
  expect(sent).toEqual([{ method: "DELETE", path: "/api/tenants/t", body: undefined }]);
});

test("the link of an invitation is shown once, and the invitation is withdrawn after a question", async () => {
  render(<TeamPage tenantId="t" />);
  await named("cem@example.com");
  fireEvent.change(screen.getByLabelText("E-mail address that they sign in with"), { target: { value: "dana@example.com" } });
  press("Make an invitation");
  const link = await screen.findByText(/#\/invitations\/agi_secret$/);
  expect(link.textContent).toBe(`${window.location.origin}/#/invitations/agi_secret`);
  expect(sent).toEqual([{ method: "POST", path: "/api/tenants/t/invitations", body: { email: "dana@example.com" } }]);
  const made = within(screen.getByRole("region", { name: "Invitations" }));
  fireEvent.click(await made.findByRole("button", { name: "Withdraw the invitation of dana@example.com" }));
  press("Withdraw it");
  await waitFor(() => expect(screen.queryByText(/agi_secret/)).toBeNull());
  expect(sent.at(-1)).toEqual({ method: "DELETE", path: "/api/tenants/t/invitations/n", body: undefined });
});

test("a team of others, and a personal tenant, are no team", async () => {
  const { unmount } = render(<TeamPage tenantId="of-others" />);
  await screen.findByRole("heading", { name: "There is no such team" });
  unmount();
  tenants = [personal];
  render(<TeamPage tenantId="t" />);
  await screen.findByRole("heading", { name: "There is no such team" });
});

test("an invitation is taken with a button, and leads to the team", async () => {
  render(<InvitationPage token="agi_secret" />);
  await screen.findByText(/the address that you signed in with: ann@example.com/);
  expect(sent).toEqual([]);
  refusal = ["not_found", "invitation to the address that you signed in with not found"];
  press("Join the team");
  await screen.findByText(/It may be used, withdrawn, too old, or for another address\./);
  refusal = null;
  press("Join the team");
  const heading = await screen.findByRole("heading", { name: "You are in “Garden club” now" });
  expect(document.activeElement).toBe(heading);
  expect(sent.at(-1)).toEqual({ method: "POST", path: "/api/invitations", body: { token: "agi_secret" } });
  expect(screen.getByRole("link", { name: "Who is in it" }).getAttribute("href")).toBe("#/teams/t");
  press("See its apps");
  expect(localStorage.getItem("app-gen.tenant")).toBe("t");
});
