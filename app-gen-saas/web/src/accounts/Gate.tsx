import { lazy, type ReactNode, Suspense, useEffect, useRef, useState } from "react";
import { messageOf } from "../api/client.ts";
import { getAuthConfig } from "./api.ts";
import { onRefused, setCredentials } from "./credentials.ts";
import { takeOverLinks } from "./files.ts";
import type { Login } from "./login.ts";
import { chosenTenant, mayBeSignedIn, returnToPlace } from "./storage.ts";

// Where there are no accounts, nobody loads what only accounts need.
const SignIn = lazy(async () => ({ default: (await import("./SignIn.tsx")).SignIn }));
const AccountBar = lazy(async () => ({ default: (await import("./AccountBar.tsx")).AccountBar }));

type State =
  /** Nobody has been asked who they are. */
  | { phase: "open" }
  | { phase: "loading" }
  | { phase: "failed"; message: string }
  | { phase: "out"; login: Login }
  | { phase: "in"; login: Login; email: string };

/**
 * Lets the page be seen by those who may. Where the server asks nobody who they are, it costs no request: only an answer
 * that does ask brings up the login. The address stays what it is, so that after signing in one is where one wanted to go.
 */
export function Gate({ children }: { children: ReactNode }) {
  const [state, setState] = useState<State>(() => (mayBeSignedIn() ? { phase: "loading" } : { phase: "open" }));
  const [problem, setProblem] = useState<string | null>(null);
  const login = useRef<Login | null>(null);

  useEffect(
    () =>
      onRefused(() => {
        // A session that the server does not take is none.
        if (login.current) void login.current.auth.signOut({ scope: "local" });
        else setState((before) => (before.phase === "open" ? { phase: "loading" } : before));
      }),
    [],
  );

  const isLoading = state.phase === "loading";
  useEffect(() => {
    if (!isLoading) return;
    let isOver = false;
    let leave = () => {};
    begin((client, session) => {
      if (isOver) return;
      login.current = client;
      setCredentials(session ? () => headersOf(client) : null);
      setState(session ? { phase: "in", login: client, email: session.email } : { phase: "out", login: client });
    }).then(
      (ends) => {
        if (ends === null) setState({ phase: "open" });
        else if (login.current === null) ends();
        else leave = ends;
      },
      (error: unknown) => {
        if (!isOver) setState({ phase: "failed", message: messageOf(error) });
      },
    );
    return () => {
      // What follows the login goes on for as long as the page is there.
      if (login.current === null) {
        isOver = true;
        leave();
      }
    };
  }, [isLoading]);

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
      return <p className="account-note">Looking who you are…</p>;
    case "failed":
      return (
        <div className="account-note" role="alert">
          <p>{state.message}</p>
          <button type="button" className="button" onClick={() => setState({ phase: "loading" })}>
            Try again
          </button>
        </div>
      );
    case "out":
      return (
        <Suspense fallback={null}>
          <SignIn login={state.login} />
        </Suspense>
      );
    case "in":
      return (
        <>
          <Suspense fallback={null}>
            <AccountBar login={state.login} email={state.email} />
          </Suspense>
          {problem !== null && (
            <p className="account-note" role="alert">
              {problem}
            </p>
          )}
          {children}
        </>
      );
  }
}

/** Follows the login; null if there is none. */
async function begin(
  follow: (login: Login, session: { email: string } | null) => void,
): Promise<(() => void) | null> {
  const config = await getAuthConfig();
  if (config.mode === "none") return null;
  const { connect } = await import("./login.ts");
  const login = connect(config.url, config.anon_key);
  const { data } = await login.auth.getSession();
  const told = (session: { user: { email?: string | undefined } } | null) =>
    follow(login, session && { email: session.user.email ?? "" });
  told(data.session);
  let isIn = data.session !== null;
  const { data: listening } = login.auth.onAuthStateChange((_event, session) => {
    // A token that was refreshed changes nothing of what is shown.
    if ((session !== null) === isIn) return;
    isIn = session !== null;
    told(session);
  });
  return () => listening.subscription.unsubscribe();
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
