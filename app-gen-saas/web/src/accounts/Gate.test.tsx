import { act, cleanup, fireEvent, render, screen, waitFor } from "@testing-library/react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { refuse } from "../api/aProblem.ts";
import { listJobs } from "../api/client.ts";
import { aSession } from "./aTeam.ts";
import { setCredentials } from "./credentials.ts";
import { Gate } from "./Gate.tsx";
import { SESSION_KEY } from "./storage.ts";

interface Session {
  access_token: string;
  user: { id: string; email: string };
}

/** The login as the page sees it; the real one is used in the browser's tests. */
const login = vi.hoisted(() => ({
  session: null as Session | null,
  listeners: [] as ((event: string, session: Session | null) => void)[],
  signedOut: [] as string[],
  /** Whether it cannot be asked to end a session. */
  isAway: false,
  connected: [] as string[],
}));

function become(session: Session | null): void {
  login.session = session;
  for (const listener of login.listeners) listener("CHANGED", session);
}

vi.mock("./login.ts", () => ({
  connect: (url: string, key: string) => {
    login.connected.push(`${url} ${key}`);
    return {
      auth: {
        getSession: async () => ({ data: { session: login.session } }),
        onAuthStateChange: (listener: (event: string, session: Session | null) => void) => {
          login.listeners.push(listener);
          return { data: { subscription: { unsubscribe: () => undefined } } };
        },
        signInWithPassword: async ({ email, password }: { email: string; password: string }) => {
          if (password !== "right") return { error: { message: "Invalid login credentials" } };
          become({ access_token: "token", user: { id: email, email } });
          return { error: null };
        },
        signOut: async ({ scope }: { scope: string }) => {
          login.signedOut.push(scope);
          if (login.isAway) return { error: { message: "the refresh token was revoked" } };
          become(null);
          return { error: null };
        },
      },
    };
  },
}));

let asked: { path: string; authorization: string | undefined }[];
let mode: "none" | "supabase";
let isOperator: boolean;

async function answer(path: string, init: RequestInit = {}): Promise<Response> {
  const { authorization } = init.headers as Record<string, string>;
  asked.push({ path, authorization });
  if (path === "/api/config") {
    const auth = mode === "none" ? { mode } : { mode, url: "https://login.example", anon_key: "public" };
    return Response.json({ auth });
  }
  if (mode === "supabase" && authorization !== "Bearer token") {
    return refuse("unauthenticated", "sign in");
  }
  if (path === "/api/session") return Response.json(aSession({ is_operator: isOperator }));
  return Response.json({ jobs: [], tenants: [] });
}

function show(): void {
  render(
    <Gate>
      <p>The page</p>
    </Gate>,
  );
}

beforeEach(() => {
  asked = [];
  mode = "supabase";
  login.session = null;
  login.listeners = [];
  login.signedOut = [];
  login.isAway = false;
  login.connected = [];
  localStorage.clear();
  window.history.replaceState(null, "", "/#/projects/p");
  isOperator = false;
  vi.stubGlobal("fetch", vi.fn(answer));
});

afterEach(() => {
  cleanup();
  setCredentials(null);
  vi.unstubAllGlobals();
});

test("where nobody is asked who they are, the page is there at once, and costs nothing", async () => {
  mode = "none";
  show();
  expect(screen.getByText("The page")).toBeTruthy();
  await listJobs("p");
  expect(asked.map(({ path }) => path).filter((path) => !path.startsWith("/api/jobs"))).toEqual([]);
  expect(login.connected).toEqual([]);
});

test("a refusal brings up the login, and after that one is where one wanted to go", async () => {
  show();
  await act(async () => {
    await listJobs("p").catch(() => undefined);
  });
  await screen.findByText("Sign in to App-Gen");
  expect(login.connected).toEqual(["https://login.example public"]);
  expect(screen.queryByText("The page")).toBeNull();

  fireEvent.change(screen.getByLabelText("E-mail"), { target: { value: "ann@example.com" } });
  fireEvent.change(screen.getByLabelText("Password"), { target: { value: "wrong" } });
  fireEvent.click(screen.getByRole("button", { name: "Sign in" }));
  await screen.findByText("Invalid login credentials");
  fireEvent.change(screen.getByLabelText("Password"), { target: { value: "right" } });
  fireEvent.click(screen.getByRole("button", { name: "Sign in" }));
  await screen.findByText("The page");
  expect(window.location.hash).toBe("#/projects/p");
  await listJobs("p");
  expect(asked.at(-1)?.authorization).toBe("Bearer token");
});

test("who signed in before is in without being asked, and out everywhere when they wish", async () => {
  localStorage.setItem(SESSION_KEY, "kept");
  login.session = { access_token: "token", user: { id: "ann", email: "ann@example.com" } };
  show();
  await screen.findByText("ann@example.com");
  fireEvent.click(screen.getByRole("button", { name: "Sign out everywhere" }));
  await screen.findByText("Sign in to App-Gen");
  expect(login.signedOut).toEqual(["global"]);
});

test("a session that the server does not take is none", async () => {
  localStorage.setItem(SESSION_KEY, "kept");
  login.session = { access_token: "old", user: { id: "ann", email: "ann@example.com" } };
  show();
  await waitFor(() => expect(login.signedOut).toContain("local"));
  await screen.findByText("Sign in to App-Gen");
});

test("a session that the server does not take is none, also where the login does not end it", async () => {
  localStorage.setItem(SESSION_KEY, "kept");
  login.isAway = true;
  login.session = { access_token: "old", user: { id: "ann", email: "ann@example.com" } };
  show();
  await screen.findByText("Sign in to App-Gen");
  // Whoever signs in then is in.
  login.isAway = false;
  fireEvent.change(screen.getByLabelText("E-mail"), { target: { value: "ann@example.com" } });
  fireEvent.change(screen.getByLabelText("Password"), { target: { value: "right" } });
  fireEvent.click(screen.getByRole("button", { name: "Sign in" }));
  await screen.findByText("The page");
});

test("a token that is refreshed changes nothing of what is shown, another person everything", async () => {
  localStorage.setItem(SESSION_KEY, "kept");
  login.session = { access_token: "token", user: { id: "ann", email: "ann@example.com" } };
  show();
  const page = await screen.findByText("The page");
  act(() => become({ access_token: "token", user: { id: "ann", email: "ann@example.com" } }));
  expect(screen.getByText("The page")).toBe(page);
  act(() => become({ access_token: "token", user: { id: "bob", email: "bob@example.com" } }));
  await screen.findByText("bob@example.com");
  expect(screen.getByText("The page")).not.toBe(page);
});

test("a link that signs nobody in says why, and leaves nothing in the address", async () => {
  window.history.replaceState(null, "", "/?error=access_denied&error_description=Email+link+is+invalid#error=access_denied");
  show();
  await screen.findByText("Email link is invalid");
  expect(`${window.location.pathname}${window.location.search}${window.location.hash}`).toBe("/");
});

test("a link that is opened in another browser says where it works", async () => {
  window.history.replaceState(null, "", "/?code=of-another");
  show();
  await screen.findByText(/only in the browser in which it was asked for/);
  expect(window.location.search).toBe("");
});

test.each([true, false])("only operators see the way to the fleet: %s", async (theyAre) => {
  isOperator = theyAre;
  localStorage.setItem(SESSION_KEY, "kept");
  login.session = { access_token: "token", user: { id: "ann", email: "ann@example.com" } };
  show();
  await screen.findByRole("link", { name: "Teams" });
  await waitFor(() => expect(asked.some(({ path }) => path === "/api/session")).toBe(true));
  // What was answered is shown by then.
  await act(async () => void (await new Promise((resolve) => setTimeout(resolve))));
  expect(screen.queryAllByRole("link", { name: "Fleet" })).toHaveLength(theyAre ? 1 : 0);
});
