import { type FormEvent, useId, useState } from "react";
import { messageOf } from "../api/client.ts";
import type { CreateDelivery, DeliveryTarget, Project } from "../api/types.ts";

interface Props {
  project: Project;
  deliver: (delivery: CreateDelivery) => Promise<void>;
}

type Kind = DeliveryTarget["kind"];

/** What is left empty is chosen by the server. */
function given(text: string): string | undefined {
  return text.trim() || undefined;
}

/** Asks where a version is to be delivered to. */
export function DeliverForm({ project, deliver }: Props) {
  const [kind, setKind] = useState<Kind>("github");
  const [owner, setOwner] = useState("");
  const [repository, setRepository] = useState(project.slug);
  const [isPublic, setPublic] = useState(false);
  const [pullRequest, setPullRequest] = useState(false);
  const [app, setApp] = useState("");
  const [organization, setOrganization] = useState("");
  const [region, setRegion] = useState("");
  const [approval, setApproval] = useState(false);
  const [sending, setSending] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const name = useId();

  async function send(event: FormEvent): Promise<void> {
    event.preventDefault();
    if (sending) return;
    const target: DeliveryTarget =
      kind === "github"
        ? { kind, owner: given(owner), repository: repository.trim(), public: isPublic, pull_request: pullRequest }
        : { kind, app: given(app), organization: given(organization), region: given(region) };
    setSending(true);
    setProblem(null);
    try {
      await deliver({ target, approval });
    } catch (error) {
      setProblem(messageOf(error));
    } finally {
      setSending(false);
    }
  }

  return (
    <form className="deliver-form" onSubmit={(event) => void send(event)}>
      <fieldset className="deliver-kinds">
        <legend>Where to</legend>
        <Choice name={name} label="A repository on GitHub" checked={kind === "github"} choose={() => setKind("github")} />
        <Choice name={name} label="An app on Fly.io" checked={kind === "fly"} choose={() => setKind("fly")} />
      </fieldset>
      <div className="deliver-fields">
        {kind === "github" ? (
          <>
            <Field label="Repository" value={repository} change={setRepository} required />
            <Field label="Owner" value={owner} change={setOwner} hint="Empty: whoever the token belongs to." />
            <Tick
              label="It exists already: open a pull request"
              checked={pullRequest}
              change={setPullRequest}
            />
            {!pullRequest && <Tick label="Everybody may see a new repository" checked={isPublic} change={setPublic} />}
          </>
        ) : (
          <>
            <Field label="Name of the app" value={app} change={setApp} hint="A part of its address. Empty: one is made." />
            <Field label="Organization" value={organization} change={setOrganization} hint="Empty: personal." />
            <Field label="Region" value={region} change={setRegion} hint="ams for example. Empty: Fly.io chooses." />
          </>
        )}
      </div>
      <Tick label="Ask me before anything outside is changed" checked={approval} change={setApproval} />
      <div className="deliver-send">
        <button type="submit" className="button button-primary" aria-disabled={sending}>
          {sending ? "Asking for it…" : "Deliver"}
        </button>
        {problem && (
          <p className="problem" role="alert">
            {problem}
          </p>
        )}
      </div>
    </form>
  );
}

function Choice({ name, label, checked, choose }: { name: string; label: string; checked: boolean; choose: () => void }) {
  return (
    <label className="tick">
      <input type="radio" name={name} checked={checked} onChange={choose} />
      {label}
    </label>
  );
}

function Tick({ label, checked, change }: { label: string; checked: boolean; change: (to: boolean) => void }) {
  return (
    <label className="tick">
      <input type="checkbox" checked={checked} onChange={(event) => change(event.target.checked)} />
      {label}
    </label>
  );
}

interface FieldProps {
  label: string;
  value: string;
  change: (to: string) => void;
  hint?: string;
  required?: boolean;
}

function Field({ label, value, change, hint, required }: FieldProps) {
  const ids = { field: useId(), hint: useId() };
  return (
    <div className="deliver-field">
      <label htmlFor={ids.field}>{label}</label>
      <input
        id={ids.field}
        className="field"
        autoComplete="off"
        spellCheck={false}
        maxLength={100}
        required={required}
        value={value}
        onChange={(event) => change(event.target.value)}
        aria-describedby={hint ? ids.hint : undefined}
      />
      {hint && (
        <span id={ids.hint} className="deliver-hint">
          {hint}
        </span>
      )}
    </div>
  );
}
