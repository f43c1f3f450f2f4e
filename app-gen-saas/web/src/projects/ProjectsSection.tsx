import { useEffect, useId, useState } from "react";
import { Icon } from "../shared/Icon.tsx";
import { Loading } from "../shared/PageProblem.tsx";
import type { LoadedPages } from "../shared/usePages.ts";
import type { Project } from "../api/types.ts";
import { ProjectCards } from "./ProjectCards.tsx";

/** A search begins when nothing was typed for so long. */
const TYPING_MS = 250;

export interface Filter {
  search: string;
  archived: boolean;
}

interface Props {
  projects: LoadedPages<Project>;
  filter: Filter;
  setFilter: (filter: Filter) => void;
  now: number;
}

/** All applications: found by their names, newest first. */
export function ProjectsSection({ projects, filter, setFilter, now }: Props) {
  const { items } = projects;
  const isFiltered = filter.search !== "" || filter.archived;
  // Somebody without any application has nothing to search.
  const nothing = items !== null && items.length === 0 && !isFiltered;
  return (
    <section className="projects" aria-labelledby="projects-title" aria-busy={items === null && projects.problem === null}>
      <div className="projects-head">
        <h2 id="projects-title">Your apps</h2>
        <ProjectFilter filter={filter} setFilter={setFilter} isPlain={nothing} />
      </div>
      {items === null ? (
        projects.problem === null ? (
          <Loading what="your apps" />
        ) : (
          <p className="empty">Your apps could not be loaded.</p>
        )
      ) : items.length > 0 ? (
        <ProjectCards projects={items} now={now} />
      ) : (
        <p className="empty">{emptyWords(filter)}</p>
      )}
      {projects.hasOlder && (
        <button
          type="button"
          className="button older"
          aria-disabled={projects.loadingOlder}
          onClick={() => void projects.loadOlder()}
        >
          {projects.loadingOlder ? "Loading…" : "Load more"}
        </button>
      )}
    </section>
  );
}

function emptyWords({ search, archived }: Filter): string {
  if (search !== "") return `No ${archived ? "archived " : ""}app has “${search}” in its name.`;
  return archived ? "No app is archived." : "Nothing here yet. What you describe will show up here.";
}

interface FilterProps {
  filter: Filter;
  setFilter: (filter: Filter) => void;
  /** There is nothing to search in. */
  isPlain: boolean;
}

function ProjectFilter({ filter, setFilter, isPlain }: FilterProps) {
  const [text, setText] = useState(filter.search);
  const field = useId();
  const search = text.trim();

  useEffect(() => {
    if (search === filter.search) return;
    const timer = setTimeout(() => setFilter({ ...filter, search }), TYPING_MS);
    return () => clearTimeout(timer);
  }, [search, filter, setFilter]);

  return (
    <div className="projects-filter" role="search" aria-label="Your apps">
      {!isPlain && (
        <div className="search-field">
          <Icon name="search" />
          <label className="visually-hidden" htmlFor={field}>
            Search by name
          </label>
          <input
            id={field}
            type="search"
            className="field"
            placeholder="Search by name"
            maxLength={100}
            value={text}
            onChange={(event) => setText(event.target.value)}
          />
        </div>
      )}
      <label className="check-field">
        <input
          type="checkbox"
          checked={filter.archived}
          onChange={(event) => setFilter({ search, archived: event.target.checked })}
        />
        Show archived
      </label>
    </div>
  );
}
