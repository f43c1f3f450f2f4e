import { lazy, type ReactNode, Suspense, useCallback, useEffect, useRef, useState } from "react";
import { messageOf } from "../api/client.ts";
import { Loading, PageProblem } from "../shared/PageProblem.tsx";
import { getAuthConfig } from "./api.ts";
import { hasCredentials, onRefused, setCredentials } from "./credentials.ts";
import { takeOverLinks } from "./files.ts";
import type { Login } from "./login.ts";
import { chosenTenant, mayBeSignedIn, returnToPlace, takeRefusal } from "./storage.ts";

// Where there are no accounts, nobody loads what only accounts need.
const SignIn = lazy(async () => ({ default: (await import("./loaded.ts")).SignIn }));
const AccountBar = lazy(async () => ({ default: (await import("./loaded.ts")).AccountBar }));

interface Person {
  id: string;
  email: string;
}

type State =
  /** Nobody has been asked who they are. */
  | { phase: "open" }
  | { phase: "loading" }
  | { phase: "failed"; message: string }
  /** `refusal` is why a link or GitHub did not sign them in. */
  | { phase: "out"; login: Login; refusal: string | null }
  | { phase: "in"; login: Login; person: Person };

/** What is shown from now on: the same as before, where the same person goes on. */
function next(before: State, login: Login, person: Person | null): State {
  if (person === null) return before.phase === "out" ? before : { phase: "out", login, refusal: null };
  // A token that was refreshed changes nothing of what is shown.
  return before.phase === "in" && before.person.id === person.id ? before : { phase: "in", login, person };
}

/**
 * Lets the page be seen by those who may. Where the server asks nobody who they are, it costs no request: only an answer
 * that does ask brings up the login. The address stays what it is, so that after signing in one is where one wanted to go.
 */
export function Gate({ children }: { children: ReactNode }) {
  const [state, setState] = useState<State>(() => (mayBeSignedIn() ? { phase: "loading" } : { phase: "open" }));
  const [problem, setProblem] = useState<string | null>(null);
  const login = useRef<Login | null>(null);

  const follow = useCallback((client: Login, person: Person | null) => {
    login.current = client;
    setCredentials(person ? () => headersOf(client) : null);
    setState((before) => next(before, client, person));
  }, []);

  useEffect(
    () =>
      onRefused(() => {
        const client = login.current;
        if (!client) return setState((before) => (before.phase === "open" ? { phase: "loading" } : before));
        // The first refusal of several is enough, and none of them is about who signs in after it.
        if (!hasCredentials()) return;
        setCredentials(null);
        // A session that the server does not take is none, also while the login cannot be asked to end it.
        const out = () => follow(client, null);
        client.auth.signOut({ scope: "local" }).then(out, out);
      }),
    [follow],
  );

  const isLoading = state.phase === "loading";
  useEffect(() => {
    if (!isLoading) return;
    let isOver = false;
    let leave = () => {};
    begin((client, person) => {
      if (!isOver) follow(client, person);
    }).then(
      (begun) => {
        if (isOver) begun?.ends();
        else if (begun === null) setState({ phase: "open" });
        else {
          leave = begun.ends;
          setState((before) => (before.phase === "out" ? { ...before, refusal: begun.refusal } : before));
        }
      },
      (error: unknown) => {
        if (!isOver) setState({ phase: "failed", message: messageOf(error) });
      },
    );
    return () => {
      // What follows the login goes on for as long as the page is there.
      if (login.current !== null) return;
      isOver = true;
      leave();
    };
  }, [isLoading, follow]);

  const isIn = state.phase === "in";
  useEffect(() => {
    if (!isIn) return;
    returnToPlace();
    return takeOverLinks((name) => setProblem(`${name} could not be loaded. Try again.`));
  }, [isIn]);

  switch (state.phase) {
    case "open":
      return children;
    case "loading":
      return (
        <main className="account-note">
          <Loading what="your account" page />
        </main>
      );
    case "failed":
      return (
        <main className="account-note">
          <PageProblem title="Nobody can sign in right now" retry={() => setState({ phase: "loading" })}>
            <p role="alert">{state.message}</p>
          </PageProblem>
        </main>
      );
    case "out":
      return (
        <Suspense fallback={null}>
          <SignIn login={state.login} refusal={state.refusal} />
        </Suspense>
      );
    case "in":
      return (
        // Nothing of one person may stay on the page of another.
        <div key={state.person.id}>
          <Suspense fallback={<div className="account-bar" />}>
            <AccountBar login={state.login} email={state.person.email} />
          </Suspense>
          {problem !== null && (
            <p className="account-problem" role="alert">
              {problem}
            </p>
          )}
          {children}
        </div>
      );
  }
}

interface Begun {
  /** Follows the login no longer. */
  ends: () => void;
  /** Why a link or GitHub did not sign anybody in. */
  refusal: string | null;
}

/** Follows the login; null if there is none. */
async function begin(follow: (login: Login, person: Person | null) => void): Promise<Begun | null> {
  const config = await getAuthConfig();
  if (config.mode === "none") return null;
  const { connect } = await import("./loaded.ts");
  const login = connect(config.url, config.anon_key);
  const { data } = await login.auth.getSession();
  const refusal = takeRefusal();
  const tell = (session: { user: { id: string; email?: string | undefined } } | null) =>
    follow(login, session && { id: session.user.id, email: session.user.email ?? "" });
  tell(data.session);
  const { data: listening } = login.auth.onAuthStateChange((_event, session) => tell(session));
  return { ends: () => listening.subscription.unsubscribe(), refusal };
}

/** What requests send: a token that is good by then, and the tenant that was chosen. */
async function headersOf(login: Login): Promise<Record<string, string>> {
  const { data } = await login.auth.getSession();
  const tenant = chosenTenant();
  const headers: Record<string, string> = {};
  if (data.session) headers["authorization"] = `Bearer ${data.session.access_token}`;
  if (tenant !== null) headers["x-app-gen-tenant"] = tenant;
  return headers;
}
