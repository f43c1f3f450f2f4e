import { type FormEvent, useCallback, useState } from "react";
import { messageOf } from "../api/client.ts";
import { type ApiKey, createKey, listKeys, revokeKey } from "./api.ts";

const SCOPES = ["read", "write", "deliver", "models"];

/** The API keys of the tenant, for programs. */
export function Keys() {
  const [keys, setKeys] = useState<ApiKey[] | null>(null);
  const [made, setMade] = useState<string | null>(null);
  const [problem, setProblem] = useState<string | null>(null);

  const attempt = useCallback(async (work: () => Promise<void>) => {
    setProblem(null);
    try {
      await work();
      setKeys(await listKeys());
    } catch (error) {
      setProblem(messageOf(error));
    }
  }, []);

  function make(event: FormEvent<HTMLFormElement>): void {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const name = String(form.get("name") ?? "").trim();
    const scopes = SCOPES.filter((scope) => form.get(scope) !== null);
    void attempt(async () => setMade(await createKey(name, scopes)));
  }

  return (
    <details
      className="keys"
      onToggle={(event) => {
        if (event.currentTarget.open && keys === null) void attempt(async () => {});
      }}
    >
      <summary className="button">API keys</summary>
      <div className="keys-panel">
        <form onSubmit={make}>
          <input className="field" name="name" aria-label="Name of the key" placeholder="CI" required maxLength={80} />
          {SCOPES.map((scope) => (
            <label key={scope}>
              <input type="checkbox" name={scope} defaultChecked={scope === "read"} /> {scope}
            </label>
          ))}
          <button type="submit" className="button">
            Make a key
          </button>
        </form>
        {made !== null && (
          <p role="status">
            This is shown once: <code>{made}</code>
          </p>
        )}
        {problem !== null && <p role="alert">{problem}</p>}
        <ul>
          {(keys ?? [])
            .filter((key) => key.revoked_at === null)
            .map((key) => (
              <li key={key.id}>
                <span>{key.name}</span> <code>{key.prefix}…</code> <span>{key.scopes.join(", ")}</span>{" "}
                <button type="button" className="button" onClick={() => void attempt(() => revokeKey(key.id))}>
                  Revoke
                </button>
              </li>
            ))}
        </ul>
      </div>
    </details>
  );
}
