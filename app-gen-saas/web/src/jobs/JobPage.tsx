import { useCallback, useState } from "react";
import { getJob, isMissing, messageOf } from "../api/client.ts";
import { homeHref, projectHref } from "../app/route.ts";
import { ServerNotice } from "../app/ServerNotice.tsx";
import { PreviewPanel } from "../previews/PreviewPanel.tsx";
import { BackLink } from "../shared/BackLink.tsx";
import { Loading, PageProblem } from "../shared/PageProblem.tsx";
import { useDocumentTitle } from "../shared/useDocumentTitle.ts";
import { FollowedJob } from "./FollowedJob.tsx";
import { titleOf, wordsOf } from "./jobState.ts";
import { useJobs } from "./useJobs.ts";

/** The page of the job a link names; mount it anew (key by id) for another one. */
export function JobPage({ jobId }: { jobId: string }) {
  const [failure, setFailure] = useState<unknown>(null);
  const list = useCallback(async () => {
    try {
      const job = await getJob(jobId);
      setFailure(null);
      return [job];
    } catch (error) {
      setFailure(error);
      throw error;
    }
  }, [jobId]);
  const jobs = useJobs(list);

  const job = jobs.jobs.get(jobId);
  useDocumentTitle(job ? `${wordsOf(job.state).label}: ${titleOf(job.description)}` : "Job");
  return (
    <div className="job-page">
      <ServerNotice problem={job ? jobs.problem : null} />
      {job?.project ? (
        <BackLink href={projectHref(job.project)}>The app</BackLink>
      ) : (
        <BackLink href={homeHref}>All apps</BackLink>
      )}
      {job ? (
        <>
          <FollowedJob job={job} jobs={jobs} level={1} />
          {job.state === "succeeded" && job.project !== null && job.version !== null && (
            <PreviewPanel projectId={job.project} number={job.version} />
          )}
        </>
      ) : failure === null ? (
        <Loading what="the job" page />
      ) : isMissing(failure) ? (
        <PageProblem title="There is no such job">
          <p>The link may be incomplete, the job was removed some time after its end, or it belongs to another server.</p>
          <a className="button" href={homeHref}>
            Describe a new app
          </a>
        </PageProblem>
      ) : (
        <PageProblem title="This job could not be loaded">
          <p>{messageOf(failure)} This page keeps trying.</p>
        </PageProblem>
      )}
    </div>
  );
}
