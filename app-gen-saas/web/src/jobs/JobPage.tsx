import { useEffect, useState } from "react";
import { ApiError } from "../api/client.ts";
import { homeHref } from "../app/route.ts";
import { Icon } from "../shared/Icon.tsx";
import { FollowedJobPage } from "./FollowedJobPage.tsx";
import { messageOf, type Jobs } from "./useJobs.ts";

interface Props {
  jobs: Jobs;
  jobId: string;
}

/** The page of the job a link names; mount it anew (key by id) for another one. */
export function JobPage({ jobs, jobId }: Props) {
  const [problem, setProblem] = useState<{ missing: boolean; message: string } | null>(null);
  const [attempt, setAttempt] = useState(0);
  const { refresh } = jobs;

  useEffect(() => {
    let current = true;
    refresh(jobId)
      .then(() => current && setProblem(null))
      .catch((error: unknown) => {
        if (!current) return;
        const missing = error instanceof ApiError && (error.status === 404 || error.status === 400);
        setProblem({ missing, message: messageOf(error) });
      });
    return () => {
      current = false;
    };
  }, [refresh, jobId, attempt]);

  const job = jobs.jobs.get(jobId);
  return (
    <div className="job-page">
      <a className="back" href={homeHref}>
        <Icon name="back" />
        All apps
      </a>
      {job ? (
        <FollowedJobPage job={job} jobs={jobs} />
      ) : problem ? (
        <div className="page-problem">
          <h1>{problem.missing ? "There is no such job" : "This job could not be loaded"}</h1>
          <p>{problem.missing ? "The link may be incomplete, or the job belongs to another server." : problem.message}</p>
          {problem.missing ? (
            <a className="button" href={homeHref}>
              Describe a new app
            </a>
          ) : (
            <button type="button" className="button" onClick={() => setAttempt(attempt + 1)}>
              <Icon name="again" />
              Try again
            </button>
          )}
        </div>
      ) : (
        <div className="skeletons" role="status">
          <span className="visually-hidden">Loading the job</span>
          <i className="skeleton skeleton-title" />
          <i className="skeleton" />
          <i className="skeleton skeleton-block" />
        </div>
      )}
    </div>
  );
}
