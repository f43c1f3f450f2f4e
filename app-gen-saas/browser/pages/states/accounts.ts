/** The states of signing in, of the bar of who signed in, of API keys, and of the fleet. */
import type { Page } from "playwright-core";
import { aKey, aSession, aTeam, aUsage, personal } from "../../../web/src/accounts/aTeam.ts";
import { SESSION_KEY } from "../../../web/src/accounts/storage.ts";
import type { Api } from "../server.ts";
import { answer, heading, press, project, refused, type State, text, unavailable } from "../state.ts";

const nobody = refused("unauthenticated", "sign in, or send an API key, as Authorization: Bearer");

/** A server that knows nobody, and its login. */
const signedOut: Api = {
  "/api/config": (_, { origin }) => answer({ auth: { mode: "supabase", url: origin, anon_key: "sb_publishable_page" } }),
  "/api/projects": nobody,
  "/api/templates": nobody,
  "/api/attachments": nobody,
};

/** A browser that keeps a session, which is good for longer than anybody looks at it. */
const keepSession = (page: Page) =>
  page.addInitScript(
    ([key, session]) => localStorage.setItem(key, session),
    [
      SESSION_KEY,
      JSON.stringify({
        access_token: "of-ann",
        refresh_token: "of-ann",
        token_type: "bearer",
        expires_in: 3600,
        expires_at: Date.parse("2100-01-01T00:00:00.000Z") / 1000,
        user: { id: "ann", email: "ann@example.com" },
      }),
    ] as const,
  );

const longName = "Donaudampfschifffahrtsgesellschaftskapitänspatentverwaltung";

const signedIn: Api = {
  "/api/config": signedOut["/api/config"] as Api[string],
  "/api/session": answer(aSession()),
  "/api/tenants": answer({ tenants: [personal] }),
  "/api/projects": answer({ projects: [project] }),
};

const write = async (page: Page) => {
  await page.getByLabel("E-mail").fill("ann@example.com");
  await page.getByLabel("Password").fill("a wrong one");
};

const keys = [
  aKey({ id: "b", name: longName, scopes: ["read", "write", "deliver"], last_used_at: "2026-11-21T12:20:00.000Z" }),
  aKey({ id: "a", name: "CI" }),
];
const withKeys: Api = { "/api/session": answer(aSession()), "/api/keys": answer({ keys }) };

const operator: Api = { "/api/session": answer(aSession({ is_operator: true })) };
const usage = Array.from({ length: 50 }, (_, index) =>
  aUsage({ tenant: `0193a000-0000-7000-8000-0000000000${10 + index}`, kind: index % 3 ? "personal" : "shared", jobs: 7 * index }),
);

export const accountStates: readonly State[] = [
  { name: "sign-in", address: "/#/projects/p", api: { ...signedOut, "/api/projects/p": nobody }, ready: heading("Sign in to App-Gen") },
  {
    name: "sign-in-loading",
    address: "/",
    api: { ...signedOut, "/api/config": "never" },
    ready: text("Loading your account"),
  },
  {
    name: "sign-in-failed",
    address: "/",
    api: { ...signedOut, "/api/config": unavailable },
    ready: heading("Nobody can sign in right now"),
  },
  { name: "sign-in-empty", address: "/", api: signedOut, act: press("Sign in"), ready: text("Write your e-mail address and your password.") },
  {
    name: "sign-in-wrong",
    address: "/",
    api: {
      ...signedOut,
      "POST /auth/v1/token": { status: 400, body: { error_code: "invalid_credentials", msg: "Invalid login credentials" } },
    },
    act: async (page) => {
      await write(page);
      await press("Sign in")(page);
    },
    ready: text("Invalid login credentials"),
  },
  {
    name: "sign-in-busy",
    address: "/",
    api: { ...signedOut, "POST /auth/v1/token": "never" },
    act: async (page) => {
      await write(page);
      await press("Sign in")(page);
    },
    ready: text("One moment…"),
  },
  {
    name: "sign-in-link-sent",
    address: "/",
    api: { ...signedOut, "POST /auth/v1/otp": answer({}) },
    act: async (page) => {
      await write(page);
      await press("Send me a link")(page);
    },
    ready: text("A link is on its way to ann@example.com."),
  },
  {
    name: "sign-in-link-refused",
    address: "/?error=access_denied&error_code=otp_expired&error_description=Email+link+is+invalid+or+has+expired",
    api: signedOut,
    ready: text("Email link is invalid or has expired"),
  },
  { name: "signed-in", address: "/", prepare: keepSession, api: signedIn, ready: text("ann@example.com") },
  {
    name: "signed-in-operator-with-teams",
    address: "/",
    prepare: keepSession,
    api: {
      ...signedIn,
      "/api/session": answer(aSession({ is_operator: true })),
      "/api/tenants": answer({ tenants: [personal, aTeam({ name: longName })] }),
    },
    ready: (page) => page.getByRole("link", { name: "Fleet" }),
  },

  { name: "keys-loading", address: "/#/keys", api: { ...withKeys, "/api/keys": "never" }, ready: text("Loading the API keys") },
  { name: "keys-empty", address: "/#/keys", api: { ...withKeys, "/api/keys": answer({ keys: [] }) }, ready: text("There is no key yet.") },
  { name: "keys", address: "/#/keys", api: withKeys, ready: text("Never used") },
  { name: "keys-failed", address: "/#/keys", api: { ...withKeys, "/api/keys": unavailable }, ready: heading("The API keys could not be loaded") },
  {
    name: "key-made",
    address: "/#/keys",
    api: {
      ...withKeys,
      "POST /api/keys": { status: 201, body: { key: "agk_3kf81mzq9ZqN0d4yXw7uTt1Qk5sV2bHc8rLpJaEoGiM", details: keys[1] } },
    },
    act: async (page) => {
      await page.getByLabel("What it is for").fill("CI");
      await press("Make the key")(page);
    },
    ready: text("it is never shown again"),
  },
  {
    name: "key-refused",
    address: "/#/keys",
    api: { ...withKeys, "POST /api/keys": refused("changed", "the tenant has 50 keys already; revoke one first") },
    act: async (page) => {
      await page.getByLabel("What it is for").fill("CI");
      await press("Make the key")(page);
    },
    ready: text("The tenant has 50 keys already"),
  },
  { name: "key-revoke", address: "/#/keys", api: withKeys, act: press("Revoke “CI”"), ready: text("Programs that use it are refused") },

  { name: "fleet-loading", address: "/#/fleet", api: { ...operator, "/api/fleet/usage": "never" }, ready: text("Loading the usage") },
  { name: "fleet-empty", address: "/#/fleet", api: { ...operator, "/api/fleet/usage": answer({ tenants: [] }) }, ready: text("Nobody has signed in yet.") },
  {
    name: "fleet",
    address: "/#/fleet",
    api: { ...operator, "/api/fleet/usage": answer({ tenants: usage }) },
    ready: (page) => page.getByRole("button", { name: "Load more" }),
  },
  { name: "fleet-failed", address: "/#/fleet", api: { ...operator, "/api/fleet/usage": unavailable }, ready: text("The usage could not be loaded.") },
  { name: "fleet-of-others", address: "/#/fleet", api: withKeys, ready: heading("Only operators see the fleet") },
];
