import { type FormEvent, useId, useState } from "react";
import { useDocumentTitle } from "../shared/useDocumentTitle.ts";
import type { Login } from "./login.ts";
import { keepPlace } from "./storage.ts";

/** Where a link or GitHub brings people back to: this page, without what is behind the #. */
function here(): string {
  return `${window.location.origin}${window.location.pathname}`;
}

interface Props {
  login: Login;
  /** Why a link or GitHub did not sign them in. */
  refusal: string | null;
}

/** Signs somebody in: with a password, with a link by e-mail, or with GitHub. */
export function SignIn({ login, refusal }: Props) {
  useDocumentTitle("Sign in");
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const [busy, setBusy] = useState(false);
  const [note, setNote] = useState<string | null>(null);
  const [problem, setProblem] = useState(refusal);
  const ids = { email: useId(), password: useId(), problem: useId() };

  async function ask(work: () => Promise<{ error: { message: string } | null }>, done: string | null): Promise<void> {
    if (busy) return;
    setBusy(true);
    setNote(null);
    setProblem(null);
    try {
      const { error } = await work();
      if (error) setProblem(error.message);
      else setNote(done);
    } catch {
      setProblem("The login can’t be reached. Try again.");
    }
    setBusy(false);
  }

  function withPassword(event: FormEvent): void {
    event.preventDefault();
    if (email.trim() === "" || password === "") return setProblem("Write your e-mail address and your password.");
    void ask(() => login.auth.signInWithPassword({ email: email.trim(), password }), null);
  }

  function withLink(): void {
    if (email.trim() === "") return setProblem("Write your e-mail address first.");
    keepPlace();
    const options = { emailRedirectTo: here() };
    void ask(
      () => login.auth.signInWithOtp({ email: email.trim(), options }),
      `A link is on its way to ${email.trim()}. Open it in this browser.`,
    );
  }

  function withGitHub(): void {
    keepPlace();
    void ask(() => login.auth.signInWithOAuth({ provider: "github", options: { redirectTo: here() } }), null);
  }

  return (
    <main className="sign-in">
      <h1>Sign in to App-Gen</h1>
      <form noValidate onSubmit={withPassword}>
        <label htmlFor={ids.email}>E-mail</label>
        <input
          id={ids.email}
          className="field"
          type="email"
          autoComplete="username"
          autoFocus
          value={email}
          onChange={(event) => setEmail(event.target.value)}
          aria-invalid={problem !== null}
          aria-describedby={problem ? ids.problem : undefined}
        />
        <label htmlFor={ids.password}>Password</label>
        <input
          id={ids.password}
          className="field"
          type="password"
          autoComplete="current-password"
          value={password}
          onChange={(event) => setPassword(event.target.value)}
          aria-invalid={problem !== null}
          aria-describedby={problem ? ids.problem : undefined}
        />
        <button type="submit" className="button button-primary" aria-disabled={busy}>
          {busy ? "One moment…" : "Sign in"}
        </button>
      </form>
      <div className="sign-in-others">
        <button type="button" className="button" aria-disabled={busy} onClick={withLink}>
          Send me a link
        </button>
        <button type="button" className="button" aria-disabled={busy} onClick={withGitHub}>
          Continue with GitHub
        </button>
      </div>
      {problem && (
        <p id={ids.problem} className="problem" role="alert">
          {problem}
        </p>
      )}
      <p role="status" className="sign-in-note">
        {note}
      </p>
    </main>
  );
}
