/** The states of the pages of teams, and of invitations into them. */
import type { Page } from "playwright-core";
import { aMember, anInvitation, aSession, aTeam, personal } from "../../../web/src/accounts/aTeam.ts";
import type { Api } from "../server.ts";
import { answer, heading, missing, press, refused, type State, text, unavailable } from "../state.ts";

const longName = "Donaudampfschifffahrtsgesellschaftskapitänspatentverwaltung";
const longEmail = "somebody.with.a.very.long.address.indeed@department.of.an.organisation.example.com";

const members = [
  aMember(),
  aMember({ user: "bob", email: "bob@example.com", role: "member", joined_at: "2026-11-20T10:00:00.000Z" }),
  aMember({ user: "eve", email: longEmail, role: "member", joined_at: "2026-11-21T12:10:00.000Z" }),
];

const owner: Api = {
  "/api/session": answer(aSession()),
  "/api/tenants": answer({ tenants: [personal, aTeam(), aTeam({ id: "u", name: longName, role: "member" })] }),
  "/api/tenants/t/members": answer({ members }),
  "/api/tenants/t/invitations": answer({ invitations: [anInvitation(), anInvitation({ id: "j", email: longEmail })] }),
};

const member: Api = {
  ...owner,
  "/api/session": answer(aSession({ user: "bob", email: "bob@example.com", is_owner: false })),
  "/api/tenants": answer({ tenants: [{ ...personal, id: "bob" }, aTeam({ role: "member" })] }),
};

const teams = "/#/teams";
const team = "/#/teams/t";
const invitation = "/#/invitations/agi_3kf81mzq9ZqN0d4yXw7uTt1Qk5sV2bHc8rLpJaEoGiM";

const invite = async (page: Page) => {
  await page.getByLabel("E-mail address that they sign in with").fill("cem@example.com");
  await press("Make an invitation")(page);
};

export const teamStates: readonly State[] = [
  { name: "teams-loading", address: teams, api: { ...owner, "/api/tenants": "never" }, ready: text("Loading your teams") },
  { name: "teams-empty", address: teams, api: { ...owner, "/api/tenants": answer({ tenants: [personal] }) }, ready: text("You are in no team yet.") },
  { name: "teams", address: teams, api: owner, ready: text("Garden club") },
  { name: "teams-failed", address: teams, api: { ...owner, "/api/tenants": unavailable }, ready: heading("Your teams could not be loaded") },
  {
    name: "teams-not-here",
    address: teams,
    api: { ...owner, "/api/tenants": refused("changed", "this environment has no accounts: its AUTH_MODE is none") },
    ready: text("This environment has no accounts"),
  },
  { name: "team-without-name", address: teams, api: owner, act: press("Make the team"), ready: text("A team needs a name.") },

  { name: "team-loading", address: team, api: { ...owner, "/api/tenants/t/members": "never" }, ready: text("Loading the team") },
  { name: "team-owner", address: team, api: owner, ready: text("Good until") },
  { name: "team-member", address: team, api: member, ready: (page) => page.getByRole("button", { name: "Leave the team" }) },
  { name: "team-failed", address: team, api: { ...owner, "/api/tenants/t/members": unavailable }, ready: heading("This team could not be loaded") },
  { name: "team-missing", address: team, api: { ...owner, "/api/tenants/t/members": missing("tenant") }, ready: heading("There is no such team") },
  { name: "team-delete", address: team, api: owner, act: press("Delete the team"), ready: text("for you and 2 other members") },
  { name: "team-leave", address: team, api: member, act: press("Leave the team"), ready: text("you need another invitation") },
  { name: "team-remove", address: team, api: owner, act: press("Remove bob@example.com"), ready: text("What they made stays.") },
  {
    name: "team-remove-refused",
    address: team,
    // They left meanwhile.
    api: { ...owner, "DELETE /api/tenants/t/members/bob": missing("member") },
    act: async (page) => {
      await press("Remove bob@example.com")(page);
      await press("Remove them")(page);
    },
    ready: text("Member not found."),
  },
  {
    name: "team-hand-over",
    address: team,
    api: owner,
    act: press("Hand over the team to bob@example.com"),
    ready: text("You stay a member."),
  },
  {
    name: "team-invitations-loading",
    address: team,
    api: { ...owner, "/api/tenants/t/invitations": "never" },
    ready: text("Loading the invitations"),
  },
  {
    name: "team-nobody-invited",
    address: team,
    api: { ...owner, "/api/tenants/t/invitations": answer({ invitations: [] }) },
    ready: text("Nobody is invited who has not come yet."),
  },
  {
    name: "team-invitations-failed",
    address: team,
    api: { ...owner, "/api/tenants/t/invitations": unavailable },
    ready: text("The invitations could not be loaded."),
  },
  {
    name: "team-invited",
    address: team,
    api: {
      ...owner,
      "POST /api/tenants/t/invitations": {
        status: 201,
        body: { token: "agi_3kf81mzq9ZqN0d4yXw7uTt1Qk5sV2bHc8rLpJaEoGiM", details: anInvitation() },
      },
    },
    act: invite,
    ready: text("Send this link to cem@example.com"),
  },
  {
    name: "team-invitation-refused",
    address: team,
    api: { ...owner, "POST /api/tenants/t/invitations": refused("changed", "the tenant has 50 invitations already; take one back first") },
    act: invite,
    ready: text("The tenant has 50 invitations already"),
  },
  {
    name: "team-withdraw",
    address: team,
    api: owner,
    act: press("Withdraw the invitation of cem@example.com"),
    ready: text("Its link does nothing from then on."),
  },

  { name: "invitation-loading", address: invitation, api: { "/api/session": "never" }, ready: text("Loading the invitation") },
  { name: "invitation", address: invitation, api: owner, ready: heading("You are invited into a team") },
  { name: "invitation-failed", address: invitation, api: { "/api/session": unavailable }, ready: heading("The invitation could not be loaded") },
  {
    name: "invitation-refused",
    address: invitation,
    api: { ...owner, "POST /api/invitations": missing("invitation to the address that you signed in with") },
    act: press("Join the team"),
    ready: text("It may be used, withdrawn, too old, or for another address."),
  },
  {
    name: "invitation-taken",
    address: invitation,
    api: { ...owner, "POST /api/invitations": answer(aTeam({ role: "member" })) },
    act: press("Join the team"),
    ready: heading("You are in “Garden club” now"),
  },
];
