import { useState } from "react";
import { deleteProject, isMissing, messageOf } from "../api/client.ts";
import { homeHref } from "../app/route.ts";
import { ServerNotice } from "../app/ServerNotice.tsx";
import { changeDraft, saveDraft } from "../jobs/draft.ts";
import { BackLink } from "../shared/BackLink.tsx";
import { Loading, PageProblem } from "../shared/PageProblem.tsx";
import { useDocumentTitle } from "../shared/useDocumentTitle.ts";
import { useNow } from "../shared/useNow.ts";
import { VersionList } from "../versions/VersionList.tsx";
import { ChangeBox } from "./ChangeBox.tsx";
import { Conversation } from "./Conversation.tsx";
import { ProjectHead } from "./ProjectHead.tsx";
import { useProject } from "./useProject.ts";

interface Props {
  projectId: string;
  /** The version that a change is to begin with; null for the newest one. */
  from: number | null;
}

/** An application over time: what was asked, what came of it, and what is to be changed. Key it by id. */
export function ProjectPage({ projectId, from }: Props) {
  const open = useProject(projectId);
  const now = useNow(10_000);
  // Words that are taken up again come into the box when it is made anew.
  const [box, setBox] = useState(0);
  const { project } = open;
  useDocumentTitle(project?.name ?? "App");

  function reuse(description: string): void {
    saveDraft(changeDraft(projectId), description);
    setBox(box + 1);
  }

  if (isMissing(open.failure)) return <NoProject />;
  return (
    <div className="project-page">
      <ServerNotice problem={project ? open.problem : null} />
      <BackLink href={homeHref}>All apps</BackLink>
      {project ? (
        <>
          <ProjectHead
            project={project}
            now={now}
            change={open.change}
            remove={async () => {
              await deleteProject(projectId);
              window.location.hash = homeHref;
            }}
          />
          <div className="project-parts">
            <div className="project-talk">
              <ChangeBox key={box} project={project} from={from} create={open.jobs.create} focus={box > 0} />
              <Conversation open={open} now={now} reuse={reuse} />
            </div>
            <VersionList
              project={project}
              versions={open.versions}
              now={now}
              restore={project.archived ? null : open.restore}
            />
          </div>
        </>
      ) : open.failure === null ? (
        <Loading what="the app" page />
      ) : (
        <PageProblem title="This app could not be loaded" retry={open.reload}>
          <p>{messageOf(open.failure)}</p>
        </PageProblem>
      )}
    </div>
  );
}

/** In place of a project, or of one of its versions. */
export function NoProject() {
  useDocumentTitle("Not found");
  return (
    <div className="project-page">
      <PageProblem title="There is no such app">
        <p>The link may be incomplete, the app was deleted, or it belongs to another server.</p>
        <a className="button" href={homeHref}>
          All apps
        </a>
      </PageProblem>
    </div>
  );
}
