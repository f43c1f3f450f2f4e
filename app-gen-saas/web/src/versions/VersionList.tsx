import type { Project, Version } from "../api/types.ts";
import { versionHref } from "../app/route.ts";
import { titleOf } from "../jobs/jobState.ts";
import { Loading } from "../shared/PageProblem.tsx";
import { Time } from "../shared/Time.tsx";
import { byteSize } from "../shared/time.ts";
import type { LoadedPages } from "../shared/usePages.ts";
import { Checks } from "./Checks.tsx";
import { VersionActions } from "./VersionActions.tsx";

interface Props {
  project: Project;
  versions: LoadedPages<Version>;
  now: number;
  /** Makes a version the newest one again; null where nothing can be asked. */
  restore: ((version: number) => Promise<void>) | null;
}

/** The versions of a project, newest first. */
export function VersionList({ project, versions, now, restore }: Props) {
  const { items } = versions;
  return (
    <section className="versions" aria-labelledby="versions-title" aria-busy={items === null && versions.problem === null}>
      <h2 id="versions-title">Versions</h2>
      {items === null ? (
        versions.problem === null ? (
          <Loading what="the versions" />
        ) : (
          <p className="empty">The versions could not be loaded.</p>
        )
      ) : items.length === 0 ? (
        <p className="empty">None yet. What a job makes is kept here.</p>
      ) : (
        <ol>
          {items.map((version) => (
            <li key={version.number} className="version">
              <h3>
                <a href={versionHref(project.id, version.number)}>Version {version.number}</a>
                {version.number === project.newest_version && <span className="version-newest">newest</span>}
              </h3>
              <p className="version-asked">{titleOf(version.description)}</p>
              <p className="version-meta">
                <Time time={version.created_at} now={now} />
                {version.parent !== null && <span>from version {version.parent}</span>}
                <span>{byteSize(version.size_bytes)}</span>
              </p>
              <Checks checks={version.checks} />
              <VersionActions project={project} version={version} restore={restore} />
            </li>
          ))}
        </ol>
      )}
      {versions.hasOlder && (
        <button
          type="button"
          className="button older"
          aria-disabled={versions.loadingOlder}
          onClick={() => void versions.loadOlder()}
        >
          {versions.loadingOlder ? "Loading…" : "Show older"}
        </button>
      )}
    </section>
  );
}
