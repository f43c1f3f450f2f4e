import { useCallback } from "react";
import { getProject, getVersion, isMissing, messageOf, restoreVersion } from "../api/client.ts";
import type { Project, Version } from "../api/types.ts";
import { projectHref, versionHref } from "../app/route.ts";
import { ServerNotice } from "../app/ServerNotice.tsx";
import { Deliveries } from "../deliveries/Deliveries.tsx";
import { titleOf } from "../jobs/jobState.ts";
import { PreviewPanel } from "../previews/PreviewPanel.tsx";
import { NoProject } from "../projects/ProjectPage.tsx";
import { BackLink } from "../shared/BackLink.tsx";
import { Loading, PageProblem } from "../shared/PageProblem.tsx";
import { Time } from "../shared/Time.tsx";
import { byteSize } from "../shared/time.ts";
import { useDocumentTitle } from "../shared/useDocumentTitle.ts";
import { useLoaded } from "../shared/useLoaded.ts";
import { useNow } from "../shared/useNow.ts";
import { POLL } from "../shared/usePolling.ts";
import { MakeTemplate } from "../templates/MakeTemplate.tsx";
import { Checks } from "./Checks.tsx";
import { Differences } from "./Differences.tsx";
import { Files } from "./Files.tsx";
import { VersionActions } from "./VersionActions.tsx";

interface Props {
  projectId: string;
  number: number;
  /** The path of the file that is shown; null for none. */
  file: string | null;
}

/** A version: what it changed, and its files. Key it by project and number. */
export function VersionPage({ projectId, number, file }: Props) {
  const loadProject = useCallback(() => getProject(projectId), [projectId]);
  const loadVersion = useCallback(() => getVersion(projectId, number), [projectId, number]);
  const { value: project, error: projectError, reload: reloadProject } = useLoaded(loadProject, POLL.idle);
  // What a version is never changes.
  const { value: version, error: versionError, reload: reloadVersion } = useLoaded(loadVersion, null);
  const error = projectError ?? versionError;
  useDocumentTitle(project ? `Version ${number} of ${project.name}` : `Version ${number}`);

  if (isMissing(projectError)) return <NoProject />;
  return (
    <div className="version-page">
      <ServerNotice problem={project && version && error !== null ? messageOf(error) : null} />
      <BackLink href={projectHref(projectId)}>{project?.name ?? "The app"}</BackLink>
      {project && version ? (
        <>
          <VersionHead project={project} version={version} />
          <PreviewPanel projectId={projectId} number={number} />
          <Deliveries project={project} number={number} />
          <Differences projectId={projectId} number={number} parent={version.parent} />
          <Files projectId={projectId} number={number} file={file} />
        </>
      ) : error === null ? (
        <Loading what="the version" page />
      ) : isMissing(versionError) ? (
        <PageProblem title="There is no such version">
          <p>The link may be incomplete.</p>
          <a className="button" href={projectHref(projectId)}>
            All versions
          </a>
        </PageProblem>
      ) : (
        <PageProblem
          title="This version could not be loaded"
          retry={() => {
            reloadProject();
            reloadVersion();
          }}
        >
          <p>{messageOf(error)}</p>
        </PageProblem>
      )}
    </div>
  );
}

function VersionHead({ project, version }: { project: Project; version: Version }) {
  const now = useNow(10_000);
  const title = titleOf(version.description);

  async function restore(number: number): Promise<void> {
    await restoreVersion(project.id, number);
    // There it can be watched.
    window.location.hash = projectHref(project.id);
  }

  return (
    <header className="version-head">
      <h1>
        Version {version.number}
        {version.number === project.newest_version && <span className="version-newest">newest</span>}
      </h1>
      <p className="version-asked">{title}</p>
      {title !== version.description.trim() && (
        <details className="job-description">
          <summary>Whole description</summary>
          <p>{version.description}</p>
        </details>
      )}
      <div className="job-meta">
        <span>
          Made <Time time={version.created_at} now={now} />
        </span>
        {version.parent !== null && (
          <span>
            from <a href={versionHref(project.id, version.parent)}>version {version.parent}</a>
          </span>
        )}
        <span>Provider: {version.provider}</span>
        <span title={`SHA-256 ${version.sha256}`}>{byteSize(version.size_bytes)} to download</span>
        <span>
          Commit <code title={version.commit}>{version.commit.slice(0, 10)}</code>
        </span>
      </div>
      <Checks checks={version.checks} />
      <VersionActions project={project} version={version} restore={project.archived ? null : restore} />
      <MakeTemplate project={project} version={version} />
    </header>
  );
}
