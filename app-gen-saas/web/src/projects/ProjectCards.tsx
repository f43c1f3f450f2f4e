import type { Project } from "../api/types.ts";
import { projectHref } from "../app/route.ts";
import { projectCostWords } from "../jobs/usage.ts";
import { Time } from "../shared/Time.tsx";

export function ProjectCards({ projects, now }: { projects: readonly Project[]; now: number }) {
  return (
    <ul className="project-cards">
      {projects.map((project) => (
        <li key={project.id}>
          <ProjectCard project={project} now={now} />
        </li>
      ))}
    </ul>
  );
}

function ProjectCard({ project, now }: { project: Project; now: number }) {
  const cost = projectCostWords(project);
  return (
    <a className="project-card" href={projectHref(project.id)}>
      <span className="project-card-name">{project.name}</span>
      <span className="project-card-state">
        <span>{versionWords(project)}</span>
        {project.unfinished_job !== null && <AtWork />}
      </span>
      <span className="project-card-meta">
        <Time time={project.created_at} now={now} />
        {cost && (
          <span>
            <span className="visually-hidden">Cost so far: </span>
            {cost}
          </span>
        )}
      </span>
    </a>
  );
}

export function versionWords(project: Project): string {
  return project.newest_version > 0 ? `Version ${project.newest_version}` : "No version yet";
}

/** A job of the project has not ended: it is at work, or waits. */
export function AtWork() {
  return (
    <span className="badge tone-active">
      <span className="badge-dot" aria-hidden="true" />
      In progress
    </span>
  );
}
