import type { Job } from "../api/types.ts";
import { jobHref } from "../app/route.ts";
import { Time } from "../shared/Time.tsx";
import { isTerminal, titleOf } from "./jobState.ts";
import { newestFirst } from "./jobsStore.ts";
import { StateBadge } from "./StateBadge.tsx";
import type { Jobs } from "./useJobs.ts";

interface Props {
  jobs: Jobs;
  selectedId: string | null;
  now: number;
}

export function JobList({ jobs, selectedId, now }: Props) {
  const list = newestFirst(jobs.jobs);
  return (
    <section className="job-list" aria-labelledby="job-list-title" aria-busy={jobs.status === "loading"}>
      <h2 id="job-list-title" className="rail-title">
        Your apps
      </h2>
      {list.length > 0 ? (
        <ul>
          {list.map((job) => (
            <li key={job.id}>
              <JobEntry job={job} selected={job.id === selectedId} now={now} />
            </li>
          ))}
        </ul>
      ) : (
        <NoJobs status={jobs.status} />
      )}
      {jobs.hasOlder && list.length > 0 && (
        <button
          type="button"
          className="button button-quiet older"
          aria-disabled={jobs.loadingOlder}
          onClick={() => !jobs.loadingOlder && void jobs.loadOlder()}
        >
          {jobs.loadingOlder ? "Loading…" : "Show older"}
        </button>
      )}
    </section>
  );
}

function JobEntry({ job, selected, now }: { job: Job; selected: boolean; now: number }) {
  return (
    <a className="job-entry" href={jobHref(job.id)} aria-current={selected ? "page" : undefined}>
      <span className="job-entry-title">{titleOf(job.description)}</span>
      <span className="job-entry-meta">
        <StateBadge state={job.state} />
        <Time time={isTerminal(job.state) ? (job.finished_at ?? job.created_at) : job.created_at} now={now} />
      </span>
    </a>
  );
}

function NoJobs({ status }: { status: Jobs["status"] }) {
  if (status === "loading") {
    return (
      <div className="skeletons">
        <span className="visually-hidden">Loading your apps</span>
        <i className="skeleton" />
        <i className="skeleton" />
        <i className="skeleton" />
      </div>
    );
  }
  return (
    <p className="empty">
      {status === "failed" ? "The list could not be loaded." : "Nothing here yet. What you describe will show up here."}
    </p>
  );
}
