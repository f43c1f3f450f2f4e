import type { CreateJob, Job, Project } from "../api/types.ts";
import { projectHref } from "../app/route.ts";
import { Composer } from "../jobs/Composer.tsx";
import { changeDraft } from "../jobs/draft.ts";

interface Props {
  project: Project;
  /** The version that the change is to begin with; null for the newest one. */
  from: number | null;
  /** Whether the field takes the focus when it appears. */
  focus: boolean;
  create: (job: CreateJob) => Promise<Job>;
}

/** Where a change of the project is asked for. */
export function ChangeBox({ project, from, focus, create }: Props) {
  return (
    <section className="change-box" aria-labelledby="change-title">
      <h2 id="change-title">Change something</h2>
      <Composer
        label="What should change?"
        placeholder="For example: make the header blue, or add a search."
        rows={2}
        submit="Make the change"
        empty="Say first what should change: a sentence is enough."
        draft={changeDraft(project.id)}
        disabled={closedWords(project)}
        focus={from ?? (focus ? "box" : null)}
        create={(description, attachments) =>
          create({
            project: project.id,
            description,
            ...(attachments.length > 0 && { attachments }),
            ...(from !== null && { start_version: from }),
          })
        }
        onCreated={() => {
          // The next change begins with the newest version again.
          if (from !== null) window.location.hash = projectHref(project.id);
        }}
      >
        {from !== null && (
          <p className="change-from">
            <span>Begins with version {from}.</span> <a href={projectHref(project.id)}>Begin with the newest</a>
          </p>
        )}
      </Composer>
    </section>
  );
}

/** Why nothing can be asked now; null if it can. */
export function closedWords(project: Project): string | null {
  if (project.archived) return "An archived app takes no changes. Take it up again first.";
  if (project.newest_version > 0) return null;
  return project.unfinished_job !== null
    ? "You can ask for changes as soon as the first version is ready."
    : "There is no version that could be changed: describe the app anew.";
}
