import { type FormEvent, useState } from "react";
import { isNotHere, listModelKeys, messageOf, removeModelKey, setModelKey, testModelKey } from "../api/client.ts";
import type { ModelKey } from "../api/types.ts";
import { homeHref } from "../app/route.ts";
import { ServerNotice } from "../app/ServerNotice.tsx";
import { AskButton } from "../shared/AskButton.tsx";
import { BackLink } from "../shared/BackLink.tsx";
import { Loading, PageProblem } from "../shared/PageProblem.tsx";
import { Time } from "../shared/Time.tsx";
import { useDocumentTitle } from "../shared/useDocumentTitle.ts";
import { useLoaded } from "../shared/useLoaded.ts";
import { useNow } from "../shared/useNow.ts";
import { keyWords, PROVIDERS, type ProviderWords } from "./modelKeyWords.ts";

/** The tenant's own keys of model providers. */
export function ModelKeysPage() {
  useDocumentTitle("Model keys");
  const { value: keys, error, reload } = useLoaded(listModelKeys, null);
  const problem = error === null ? null : isNotHere(error) ? "Own keys cannot be used in this environment." : messageOf(error);
  return (
    <div className="account-page">
      <ServerNotice problem={keys ? problem : null} />
      <BackLink href={homeHref}>All apps</BackLink>
      {keys ? (
        <>
          <h1>Model keys</h1>
          <p className="lead">With a key of your own, your apps are made on your account at the provider, and you pay there.</p>
          {PROVIDERS.map((words) => (
            <ProviderKey
              key={words.provider}
              words={words}
              known={keys.find((key) => key.provider === words.provider) ?? null}
              changed={reload}
            />
          ))}
        </>
      ) : problem === null ? (
        <Loading what="the model keys" page />
      ) : (
        <PageProblem title="The model keys could not be loaded" retry={reload}>
          <p>{problem}</p>
        </PageProblem>
      )}
    </div>
  );
}

interface Props {
  words: ProviderWords;
  known: ModelKey | null;
  changed: () => void;
}

/** The key for one provider: what is known of it, and the way to set another one. */
function ProviderKey({ words, known, changed }: Props) {
  const [busy, setBusy] = useState<"set" | "test" | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const now = useNow(60_000);

  async function attempt(what: "set" | "test", work: () => Promise<unknown>): Promise<boolean> {
    setBusy(what);
    setProblem(null);
    try {
      await work();
      changed();
      return true;
    } catch (error) {
      setProblem(messageOf(error));
      return false;
    } finally {
      setBusy(null);
    }
  }

  async function set(event: FormEvent<HTMLFormElement>): Promise<void> {
    event.preventDefault();
    const form = event.currentTarget;
    const fields = new FormData(form);
    const text = (name: string) => String(fields.get(name) ?? "").trim();
    const [base_url, test_model] = [text("base"), text("model")];
    const key = { key: text("key"), ...(base_url && { base_url }), ...(test_model && { test_model }) };
    // A key that was taken stays on no page.
    if (await attempt("set", () => setModelKey(words.provider, key))) form.reset();
  }

  return (
    <section className="model-key" aria-label={words.name}>
      <h2>
        {words.name}, for {words.agent}
      </h2>
      {known === null ? (
        <p className="empty">The platform’s key is used.</p>
      ) : (
        <>
          <p role="status">
            Your key {keyWords(known)}. Tested <Time time={known.tested_at} now={now} />, set{" "}
            <Time time={known.set_at} now={now} /> by {known.set_by}
            {known.base_url !== null && <>, sent to {known.base_url}</>}.
          </p>
          <div className="account-actions">
            <button
              type="button"
              className="button button-quiet"
              aria-disabled={busy !== null}
              onClick={() => busy === null && void attempt("test", () => testModelKey(words.provider))}
            >
              {busy === "test" ? "Testing…" : "Test"}
            </button>
            <AskButton
              label="Remove"
              question={`Remove your key for ${words.name}?`}
              consequence="From then on, the platform’s key is used."
              yes="Remove it"
              no="Keep it"
              busy="Removing…"
              isDanger
              act={async () => {
                await removeModelKey(words.provider);
                changed();
              }}
            />
          </div>
        </>
      )}
      <form onSubmit={(event) => void set(event)}>
        <input
          className="field"
          type="password"
          name="key"
          autoComplete="off"
          aria-label={`Key for ${words.name}`}
          placeholder={known === null ? "Your key" : "Another key"}
          required
          minLength={12}
          maxLength={512}
        />
        <details>
          <summary>A server of your own</summary>
          <input
            className="field"
            type="url"
            name="base"
            aria-label={`Base URL for ${words.name}`}
            placeholder={words.base}
            maxLength={300}
          />
          <input
            className="field"
            name="model"
            aria-label={`Model that the test asks ${words.name} for`}
            placeholder="Model for the test"
            maxLength={128}
          />
        </details>
        <button type="submit" className="button" aria-disabled={busy !== null} disabled={busy !== null}>
          {busy === "set" ? "Testing…" : "Test and use it"}
        </button>
        <p role="alert" className="problem">
          {problem}
        </p>
      </form>
    </section>
  );
}
