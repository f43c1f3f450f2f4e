import { downloadHref } from "../api/client.ts";
import type { Project, Version } from "../api/types.ts";
import { projectHref } from "../app/route.ts";
import { AskButton } from "../shared/AskButton.tsx";
import { Icon } from "../shared/Icon.tsx";

interface Props {
  project: Project;
  version: Version;
  /** Makes it the newest one again; null where nothing can be asked. */
  restore: ((version: number) => Promise<void>) | null;
}

/** What can be done with a version. Nothing is offered that would change nothing. */
export function VersionActions({ project, version, restore }: Props) {
  const isOld = version.number < project.newest_version;
  return (
    <div className="version-actions">
      <a className="button" href={downloadHref(project.id, version.number)} download>
        <Icon name="download" />
        Download<span className="visually-hidden"> version {version.number}</span>
      </a>
      {isOld && restore && (
        <>
          <a className="button" href={projectHref(project.id, version.number)}>
            Change from here
          </a>
          <AskButton
            label="Go back to this version"
            question={`Go back to version ${version.number}?`}
            consequence={`Its files become version ${project.newest_version + 1}. The versions after it stay.`}
            yes="Go back"
            no="Leave it"
            busy="Asking for it…"
            done="It was asked for, and begins after the jobs before it."
            act={() => restore(version.number)}
          />
        </>
      )}
    </div>
  );
}
