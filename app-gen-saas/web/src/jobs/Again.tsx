import type { Job } from "../api/types.ts";
import { homeHref, projectHref } from "../app/route.ts";
import { Icon } from "../shared/Icon.tsx";
import { changeDraft, newAppDraft, saveDraft } from "./draft.ts";

interface Props {
  job: Job;
  /** Takes the words into the field where the job was asked for; without it, a link leads to such a field. */
  reuse?: () => void;
}

/** Takes the words along to where they can be changed and sent again. */
export function Again({ job, reuse }: Props) {
  // Whoever wants to go back to a version, or to deliver one, finds it in the list of versions.
  if (job.kind === "restore" || job.kind === "deliver") return null;
  const words = (
    <>
      <Icon name="again" />
      Use this description again
    </>
  );
  const [href, key] =
    job.kind === "change" && job.project !== null
      ? [projectHref(job.project), changeDraft(job.project)]
      : [homeHref, newAppDraft];
  return (
    <p className="outcome-actions">
      {reuse ? (
        <button type="button" className="button" onClick={reuse}>
          {words}
        </button>
      ) : (
        <a className="button" href={href} onClick={() => saveDraft(key, job.description)}>
          {words}
        </a>
      )}
    </p>
  );
}
