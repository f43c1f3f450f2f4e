import { useEffect, useState } from "react";
import type { Job } from "../api/types.ts";
import { AttachedFiles } from "../attachments/AttachedFiles.tsx";
import { jobHref, versionHref } from "../app/route.ts";
import { Again } from "../jobs/Again.tsx";
import { CancelButton } from "../jobs/CancelButton.tsx";
import { FollowedJob } from "../jobs/FollowedJob.tsx";
import { isTerminal, titleOf, wordsOf } from "../jobs/jobState.ts";
import { StateBadge } from "../jobs/StateBadge.tsx";
import { usageWords } from "../jobs/usage.ts";
import { Loading } from "../shared/PageProblem.tsx";
import { Time } from "../shared/Time.tsx";
import type { OpenProject } from "./useProject.ts";

interface Props {
  open: OpenProject;
  now: number;
  /** Takes words that were asked into the box again. */
  reuse: (description: string) => void;
}

/** The jobs of a project, newest first, so that what happens now is next to where it was asked. */
export function Conversation({ open, now, reuse }: Props) {
  const { asked, jobs, project } = open;
  const followedId = useFollowed(asked);
  const canReuse = project !== null && project.newest_version > 0 && !project.archived;
  const titles = new Map(asked.map((job) => [job.id, titleOf(job.description)]));
  return (
    <section className="conversation" aria-labelledby="conversation-title" aria-busy={jobs.status === "loading"}>
      <h2 id="conversation-title">What was asked</h2>
      {asked.length === 0 ? (
        jobs.status === "loading" ? (
          <Loading what="what was asked" />
        ) : (
          <p className="empty">
            {jobs.status === "failed"
              ? "What was asked could not be loaded."
              : "Jobs are removed some time after their end. What they made stays in the versions."}
          </p>
        )
      ) : (
        <ol>
          {asked.map((job) => {
            const again = canReuse && job.kind !== "restore" && job.kind !== "deliver" ? () => reuse(job.description) : undefined;
            return (
              <li key={job.id} className="message" data-followed={job.id === followedId}>
                {job.id === followedId ? (
                  <FollowedJob job={job} jobs={jobs} level={3} reuse={again} />
                ) : (
                  <Message
                    job={job}
                    now={now}
                    before={job.waits_for === null ? null : (titles.get(job.waits_for) ?? "an earlier change")}
                    cancel={() => jobs.cancel(job.id)}
                    reuse={again}
                  />
                )}
              </li>
            );
          })}
        </ol>
      )}
      {jobs.hasOlder && (
        <button
          type="button"
          className="button older"
          aria-disabled={jobs.loadingOlder}
          onClick={() => !jobs.loadingOlder && void jobs.loadOlder()}
        >
          {jobs.loadingOlder ? "Loading…" : "Show older"}
        </button>
      )}
    </section>
  );
}

/**
 * The job whose activity is shown: the one that is at work, or waits for a person or a limit. It is shown beyond
 * its end, until another one begins or the page is left, so that nobody loses sight of how it ended. The only job
 * of a project is always shown, because there is nothing else to see.
 */
function useFollowed(asked: readonly Job[]): string | null {
  const atWork = asked.findLast((job) => !isTerminal(job.state) && job.waits_for === null)?.id ?? null;
  const [followed, setFollowed] = useState(atWork);
  useEffect(() => {
    if (atWork !== null) setFollowed(atWork);
  }, [atWork]);
  return atWork ?? followed ?? (asked.length === 1 ? (asked[0]?.id ?? null) : null);
}

interface MessageProps {
  job: Job;
  now: number;
  /** What the job waits for that has to end first. */
  before: string | null;
  cancel: () => Promise<void>;
  reuse?: () => void;
}

function Message({ job, now, before, cancel, reuse }: MessageProps) {
  const title = titleOf(job.description);
  const usage = usageWords(job);
  const over = isTerminal(job.state);
  const { tone, sentence } = wordsOf(job.state, job.kind);
  return (
    <article className="message-brief" aria-label={title}>
      <div className="message-head">
        <h3>{title}</h3>
        {!over && <CancelButton cancel={cancel} />}
      </div>
      {title !== job.description.trim() && (
        <details className="job-description">
          <summary>Whole description</summary>
          <p>{job.description}</p>
        </details>
      )}
      <AttachedFiles job={job} />
      <div className="job-meta">
        <StateBadge state={job.state} />
        <Time time={job.created_at} now={now} />
        {job.project !== null && job.version !== null && (
          <span>
            Made <a href={versionHref(job.project, job.version)}>version {job.version}</a>
          </span>
        )}
        {job.kind === "change" && job.start_version !== null && <span>from version {job.start_version}</span>}
        {job.template && <span>Began with “{job.template.name}”</span>}
        {usage && <span>{usage}</span>}
        <a href={jobHref(job.id)}>
          Activity<span className="visually-hidden"> of “{title}”</span>
        </a>
      </div>
      {before !== null && <p className="message-waits">It begins when “{before}” has ended.</p>}
      {tone === "bad" && <p className="message-reason">{job.reason ?? sentence}</p>}
      {tone === "bad" && <Again job={job} reuse={reuse} />}
    </article>
  );
}
