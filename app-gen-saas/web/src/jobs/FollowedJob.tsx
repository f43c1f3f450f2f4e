import { useEffect, useState } from "react";
import type { Job, JobState } from "../api/types.ts";
import { AttachedFiles } from "../attachments/AttachedFiles.tsx";
import type { JobLog } from "../log/jobLog.ts";
import { LogView } from "../log/LogView.tsx";
import { Stages } from "../log/Stages.tsx";
import { BelowHeading } from "../shared/Heading.tsx";
import { Time } from "../shared/Time.tsx";
import { duration } from "../shared/time.ts";
import { useNow } from "../shared/useNow.ts";
import { useJobStream } from "../stream/useJobStream.ts";
import { CancelButton } from "./CancelButton.tsx";
import { isTerminal, isWaiting, titleOf, wordsOf } from "./jobState.ts";
import { Outcome } from "./Outcome.tsx";
import { queueWords } from "./queueWords.ts";
import { StateBadge } from "./StateBadge.tsx";
import { usageWords } from "./usage.ts";
import type { Jobs } from "./useJobs.ts";
import { Waiting } from "./Waiting.tsx";

interface Props {
  job: Job;
  jobs: Jobs;
  /** Of its heading: the page's, or a part's of a page. */
  level: 1 | 3;
  /** Asks for the same again where the job was asked for; without it, the page for a new app does. */
  reuse?: () => void;
}

/** A job with its activity, live; mount it anew (key by id) for another one. */
export function FollowedJob({ job, jobs, level, reuse }: Props) {
  const over = isTerminal(job.state);
  const now = useNow(over ? 30_000 : 1000);
  const { log, connection, retry } = useJobStream(job.id, over ? job.last_sequence : null);
  // What happened before anybody looked comes in one go; a connection that breaks is no longer one go.
  const [wasOver] = useState(over);
  const isReplaying =
    wasOver && log.lastSequence < job.last_sequence && connection.attempt === 0 && connection.phase !== "offline";
  useStreamedState(job.id, log, jobs);

  const Title = level === 1 ? "h1" : "h3";
  const title = titleOf(job.description);
  const usage = usageWords(job);
  const work = over ? "over" : isWaiting(job.state) ? "waiting" : "running";
  return (
    <article className="job" aria-labelledby="job-title">
      <header className="job-head">
        <div className="job-heading">
          <Title id="job-title">{title}</Title>
          {title !== job.description.trim() && (
            <details className="job-description">
              <summary>Whole description</summary>
              <p>{job.description}</p>
            </details>
          )}
          <AttachedFiles job={job} />
          <div className="job-meta">
            <span role="status" className="job-state">
              <StateBadge state={job.state} />
              {!over && <span className="job-sentence">{waitingWords(job)}</span>}
            </span>
            <span>
              Submitted <Time time={job.created_at} now={now} />
            </span>
            <Elapsed job={job} now={now} />
            <span>Provider: {job.provider}</span>
            {job.template && <span>Began with “{job.template.name}”</span>}
            {job.attempt > 1 && <span>Attempt {job.attempt}</span>}
            {usage && <span className="job-usage">{usage}</span>}
          </div>
        </div>
        {!over && <CancelButton cancel={() => jobs.cancel(job.id)} />}
      </header>
      <BelowHeading level={level}>
        {over && <Outcome job={job} log={log} reuse={reuse} />}
        <Waiting job={job} now={now} decide={(decision) => jobs.decide(job.id, decision)} />
        <div className="job-work" aria-busy={isReplaying}>
          <Stages stages={log.stages} work={work} />
          <LogView log={log} connection={connection} retry={retry} />
        </div>
      </BelowHeading>
    </article>
  );
}

function waitingWords(job: Job): string {
  return queueWords(job) ?? wordsOf(job.state, job.kind).sentence;
}

function Elapsed({ job, now }: { job: Job; now: number }) {
  if (!job.started_at) return null;
  const end = job.finished_at ? Date.parse(job.finished_at) : isTerminal(job.state) ? null : now;
  if (end === null) return null;
  const words = duration(end - Date.parse(job.started_at));
  return <span className="job-elapsed">{job.finished_at ? `Took ${words}` : `${words} so far`}</span>;
}

/** Passes the stream's state to the list, then fetches the fields that only the job itself holds (artifact, times). */
function useStreamedState(jobId: string, log: JobLog, jobs: Jobs): void {
  const { dispatch, refresh } = jobs;
  const { state, stateReason, lastSequence } = log;
  useEffect(() => {
    if (!state) return;
    dispatch({ type: "streamed", jobId, state: state as JobState, reason: stateReason, sequence: lastSequence });
    // The list reports a failure here: its next poll brings the same job.
    refresh(jobId).catch(() => undefined);
    // lastSequence is left out, because every line changes it: only a new state is a reason to fetch.
  }, [dispatch, refresh, jobId, state, stateReason]);
}
