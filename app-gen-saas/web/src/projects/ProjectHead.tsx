import { type FormEvent, useId, useRef, useState } from "react";
import { messageOf } from "../api/client.ts";
import type { ChangeProject, Project } from "../api/types.ts";
import { versionHref } from "../app/route.ts";
import { LatestDeliveries } from "../deliveries/LatestDeliveries.tsx";
import { projectCostWords } from "../jobs/usage.ts";
import { AskButton } from "../shared/AskButton.tsx";
import { Icon } from "../shared/Icon.tsx";
import { Time } from "../shared/Time.tsx";
import { AtWork } from "./ProjectCards.tsx";

/** The server's limit. */
const MAX_NAME = 80;

interface Props {
  project: Project;
  now: number;
  change: (change: ChangeProject) => Promise<void>;
  remove: () => Promise<void>;
}

export function ProjectHead({ project, now, change, remove }: Props) {
  const cost = projectCostWords(project);
  return (
    <header className="project-head">
      <div className="project-heading">
        <ProjectName name={project.name} rename={(name) => change({ name })} />
        <div className="project-meta">
          <span role="status" className="project-state">
            {project.archived && <span className="badge">Archived</span>}
            {project.unfinished_job !== null && <AtWork />}
          </span>
          {project.newest_version > 0 ? (
            <a href={versionHref(project.id, project.newest_version)}>Version {project.newest_version}</a>
          ) : (
            <span>No version yet</span>
          )}
          <span>
            Begun <Time time={project.created_at} now={now} />
          </span>
          <span>{cost ? `Cost so far: ${cost}` : "No cost so far"}</span>
        </div>
        {project.newest_version > 0 && <LatestDeliveries projectId={project.id} />}
      </div>
      <div className="project-actions">
        <ArchiveButton archived={project.archived} setArchived={(archived) => change({ archived })} />
        <AskButton
          label="Delete"
          className="button button-quiet"
          question="Delete this app?"
          consequence={`${lost(project)} are lost. This cannot be taken back.`}
          yes="Delete it"
          no="Keep it"
          busy="Deleting…"
          isDanger
          act={remove}
        />
      </div>
    </header>
  );
}

function lost({ newest_version: count }: Project): string {
  if (count === 0) return "Its jobs and files";
  return count === 1 ? "Its version, its jobs and all files" : `Its ${count} versions, its jobs and all files`;
}

function ArchiveButton({ archived, setArchived }: { archived: boolean; setArchived: (to: boolean) => Promise<void> }) {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);

  async function press(): Promise<void> {
    if (busy) return;
    setBusy(true);
    setProblem(null);
    try {
      await setArchived(!archived);
    } catch (error) {
      setProblem(messageOf(error));
    } finally {
      setBusy(false);
    }
  }

  return (
    <div className="ask">
      <button type="button" className={archived ? "button" : "button button-quiet"} aria-disabled={busy} onClick={() => void press()}>
        {archived ? "Take up again" : "Archive"}
      </button>
      {problem && (
        <p className="problem" role="alert">
          {problem}
        </p>
      )}
    </div>
  );
}

/** The name as the page's heading; a button turns it into a field. */
function ProjectName({ name, rename }: { name: string; rename: (name: string) => Promise<void> }) {
  const [draft, setDraft] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const opener = useRef<HTMLButtonElement>(null);
  const ids = { field: useId(), problem: useId() };

  function close(): void {
    setDraft(null);
    setProblem(null);
    // The field that had the focus is gone; the focus returns to where it came from.
    requestAnimationFrame(() => opener.current?.focus());
  }

  async function save(event: FormEvent): Promise<void> {
    event.preventDefault();
    const wanted = draft?.trim() ?? "";
    if (busy) return;
    if (wanted === "") return setProblem("An app needs a name.");
    if (wanted === name) return close();
    setBusy(true);
    try {
      await rename(wanted);
      close();
    } catch (error) {
      setProblem(messageOf(error));
    } finally {
      setBusy(false);
    }
  }

  if (draft === null) {
    return (
      <div className="project-name">
        <h1>{name}</h1>
        <button type="button" ref={opener} className="button button-quiet" onClick={() => setDraft(name)}>
          <Icon name="edit" />
          Rename
        </button>
      </div>
    );
  }
  return (
    <form
      className="project-rename"
      noValidate
      onSubmit={(event) => void save(event)}
      onKeyDown={(event) => event.key === "Escape" && close()}
    >
      <h1 className="visually-hidden">{name}</h1>
      <label className="visually-hidden" htmlFor={ids.field}>
        Name of the app
      </label>
      <input
        id={ids.field}
        className="field"
        maxLength={MAX_NAME}
        autoFocus
        autoComplete="off"
        value={draft}
        onChange={(event) => setDraft(event.target.value)}
        onFocus={(event) => event.target.select()}
        aria-invalid={problem !== null}
        aria-describedby={problem ? ids.problem : undefined}
      />
      <button type="submit" className="button button-primary" aria-disabled={busy}>
        {busy ? "Saving…" : "Save"}
      </button>
      <button type="button" className="button" onClick={close}>
        Cancel
      </button>
      {problem && (
        <p id={ids.problem} className="problem" role="alert">
          {problem}
        </p>
      )}
    </form>
  );
}
