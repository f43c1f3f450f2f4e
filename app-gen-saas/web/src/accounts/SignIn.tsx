import { type FormEvent, useId, useState } from "react";
import type { Login } from "./login.ts";
import { keepPlace } from "./storage.ts";

/** Where a link or GitHub brings people back to: this page, without what is behind the #. */
function here(): string {
  return `${window.location.origin}${window.location.pathname}`;
}

/** Signs somebody in: with a password, with a link by e-mail, or with GitHub. */
export function SignIn({ login }: { login: Login }) {
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const [busy, setBusy] = useState(false);
  const [note, setNote] = useState<string | null>(null);
  const ids = { email: useId(), password: useId(), note: useId() };

  async function ask(work: () => Promise<{ error: { message: string } | null }>, done: string | null): Promise<void> {
    if (busy) return;
    setBusy(true);
    setNote(null);
    try {
      const { error } = await work();
      setNote(error ? error.message : done);
    } catch {
      setNote("The login can’t be reached. Try again.");
    }
    setBusy(false);
  }

  function withPassword(event: FormEvent): void {
    event.preventDefault();
    void ask(() => login.auth.signInWithPassword({ email, password }), null);
  }

  function withLink(): void {
    if (email.trim() === "") return setNote("Write your e-mail address first.");
    keepPlace();
    const options = { emailRedirectTo: here() };
    void ask(() => login.auth.signInWithOtp({ email, options }), `A link is on its way to ${email}.`);
  }

  function withGitHub(): void {
    keepPlace();
    void ask(() => login.auth.signInWithOAuth({ provider: "github", options: { redirectTo: here() } }), null);
  }

  return (
    <main className="sign-in">
      <h1>Sign in to App-Gen</h1>
      <form onSubmit={withPassword} aria-describedby={ids.note}>
        <label htmlFor={ids.email}>E-mail</label>
        <input
          id={ids.email}
          className="field"
          type="email"
          autoComplete="username"
          required
          value={email}
          onChange={(event) => setEmail(event.target.value)}
        />
        <label htmlFor={ids.password}>Password</label>
        <input
          id={ids.password}
          className="field"
          type="password"
          autoComplete="current-password"
          required
          value={password}
          onChange={(event) => setPassword(event.target.value)}
        />
        <button type="submit" className="button button-primary" disabled={busy}>
          Sign in
        </button>
      </form>
      <div className="sign-in-others">
        <button type="button" className="button" disabled={busy} onClick={withLink}>
          Send me a link
        </button>
        <button type="button" className="button" disabled={busy} onClick={withGitHub}>
          Continue with GitHub
        </button>
      </div>
      <p id={ids.note} role="status">
        {note}
      </p>
    </main>
  );
}
