import { useState } from "react";
import { messageOf } from "../api/client.ts";
import type { ApiKey, Scope, Session } from "../api/types.ts";
import { homeHref } from "../app/route.ts";
import { ServerNotice } from "../app/ServerNotice.tsx";
import { AskButton } from "../shared/AskButton.tsx";
import { BackLink } from "../shared/BackLink.tsx";
import { Loading, PageProblem } from "../shared/PageProblem.tsx";
import { Time } from "../shared/Time.tsx";
import { useDocumentTitle } from "../shared/useDocumentTitle.ts";
import { useFocusKept } from "../shared/useFocusKept.ts";
import { useLoaded } from "../shared/useLoaded.ts";
import { useNow } from "../shared/useNow.ts";
import { POLL } from "../shared/usePolling.ts";
import { createKey, getSession, listKeys, revokeKey } from "./api.ts";
import { OneFieldForm } from "./OneFieldForm.tsx";
import { ShownOnce } from "./ShownOnce.tsx";

/** The server's limit. */
const MAX_NAME = 80;

const SCOPES: readonly { scope: Scope; words: string }[] = [
  { scope: "read", words: "Look at everything" },
  { scope: "write", words: "Create, change and remove" },
  { scope: "deliver", words: "Deliver versions" },
  { scope: "models", words: "Set model keys" },
];

async function load(): Promise<{ keys: ApiKey[]; session: Session }> {
  const [keys, session] = await Promise.all([listKeys(), getSession()]);
  return { keys: keys.filter((key) => key.revoked_at === null), session };
}

/** The API keys of the tenant, for programs. */
export function KeysPage() {
  useDocumentTitle("API keys");
  const { value, error, reload } = useLoaded(load, POLL.idle);
  return (
    <div className="account-page">
      <ServerNotice problem={value && error !== null ? messageOf(error) : null} />
      <BackLink href={homeHref}>All apps</BackLink>
      {value ? (
        <>
          <h1>API keys</h1>
          <p className="lead">
            Programs use the API with a key instead of a login. A key gets at the apps that you see now, personal ones or
            those of a team, and at nothing else.
          </p>
          <NewKey reload={reload} />
          <Keys keys={value.keys} session={value.session} reload={reload} />
        </>
      ) : error === null ? (
        <Loading what="the API keys" page />
      ) : (
        <PageProblem title="The API keys could not be loaded" retry={reload}>
          <p>{messageOf(error)}</p>
        </PageProblem>
      )}
    </div>
  );
}

function NewKey({ reload }: { reload: () => void }) {
  const [scopes, setScopes] = useState<readonly Scope[]>(["read"]);
  const [made, setMade] = useState<string | null>(null);
  return (
    <section aria-labelledby="new-key">
      <h2 id="new-key">Make a key</h2>
      <OneFieldForm
        label="What it is for"
        maxLength={MAX_NAME}
        submit="Make the key"
        busy="Making it…"
        empty="A key needs a name, so that you know it again."
        save={async (name) => {
          const { key } = await createKey(name, scopes);
          setMade(key);
          reload();
        }}
      >
        <fieldset className="scopes">
          <legend>What it may do</legend>
          {SCOPES.map(({ scope, words }) => (
            <label key={scope} className="check-field">
              <input
                type="checkbox"
                checked={scopes.includes(scope)}
                onChange={(event) =>
                  setScopes(event.target.checked ? [...scopes, scope] : scopes.filter((chosen) => chosen !== scope))
                }
              />
              {words}
            </label>
          ))}
        </fieldset>
      </OneFieldForm>
      <ShownOnce text={made} label="Copy the key">
        Copy the key now: it is never shown again. Programs send it as <code>Authorization: Bearer</code>.
      </ShownOnce>
    </section>
  );
}

interface KeysProps {
  keys: readonly ApiKey[];
  session: Session;
  reload: () => void;
}

function Keys({ keys, session, reload }: KeysProps) {
  const now = useNow(30_000);
  const [title, pressed] = useFocusKept<HTMLHeadingElement>(keys);
  return (
    <section aria-labelledby="keys">
      <h2 id="keys" ref={title} tabIndex={-1}>
        Keys
      </h2>
      {keys.length === 0 ? (
        <p className="empty">There is no key yet.</p>
      ) : (
        <ul className="account-list">
          {keys.map((key) => (
            <li key={key.id} className="account-item">
              <strong>{key.name}</strong>
              <div className="account-meta">
                <code>{key.prefix}…</code>
                <span>{wordsOf(key.scopes)}</span>
                <span>
                  {key.last_used_at === null ? "Never used" : <>Used <Time time={key.last_used_at} now={now} /></>}
                </span>
              </div>
              {/* Owners revoke any, others their own. */}
              {(session.is_owner || key.user === session.user) && (
                <AskButton
                  label={
                    <>
                      Revoke<span className="visually-hidden"> “{key.name}”</span>
                    </>
                  }
                  className="button button-quiet"
                  question={`Revoke “${key.name}”?`}
                  consequence="Programs that use it are refused from then on. This cannot be taken back."
                  yes="Revoke it"
                  no="Keep it"
                  busy="Revoking…"
                  isDanger
                  act={async () => {
                    await revokeKey(key.id);
                    pressed();
                    reload();
                  }}
                />
              )}
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function wordsOf(scopes: readonly Scope[]): string {
  return SCOPES.filter(({ scope }) => scopes.includes(scope))
    .map(({ words }) => words)
    .join(", ");
}
