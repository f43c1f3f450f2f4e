import { useEffect, useState } from "react";
import { createJob } from "../api/client.ts";
import { jobHref, projectHref } from "../app/route.ts";
import { ServerNotice } from "../app/ServerNotice.tsx";
import { Composer, type Example } from "../jobs/Composer.tsx";
import { loadDraft, newAppDraft, saveDraft, templateDraft } from "../jobs/draft.ts";
import { useNow } from "../shared/useNow.ts";
import { TemplatePicker } from "../templates/TemplatePicker.tsx";
import { type Filter, ProjectsSection } from "./ProjectsSection.tsx";
import { useProjects } from "./useProjects.ts";

const EXAMPLES: readonly Example[] = [
  {
    name: "Recipe box",
    text: "A recipe box: save recipes with ingredients and tags, search them, and scale the amounts to the number of guests.",
  },
  {
    name: "Reading list",
    text: "A reading list for our book club: everyone proposes books, votes once per month, and sees what comes next.",
  },
  {
    name: "Plant diary",
    text: "A plant diary that reminds me which plant needs water today and keeps a note of how each one is doing.",
  },
];

/** Where an application begins, and where all of them are found. */
export function HomePage() {
  const [filter, setFilter] = useState<Filter>({ search: "", archived: false });
  const projects = useProjects(filter.search, filter.archived);
  const [template, setTemplate] = useState(() => loadDraft(templateDraft));
  useEffect(() => saveDraft(templateDraft, template), [template]);
  const now = useNow(10_000);
  return (
    <>
      <div className="home">
        <ServerNotice problem={projects.problem} />
        <h1>
          Describe an app. <span>Get one that works.</span>
        </h1>
        <p className="lead">
          Write a few sentences. You get a complete React, Vite and Express project to download, run, and change.
        </p>
        <Composer
          label="Describe your app"
          placeholder="What should it do, and for whom?"
          rows={5}
          submit="Generate app"
          empty="Describe the app first: a sentence is enough."
          draft={newAppDraft}
          examples={EXAMPLES}
          create={(description, attachments) =>
            createJob({
              description,
              ...(attachments.length > 0 && { attachments }),
              ...(template !== "" && { template }),
            })
          }
          onCreated={(job) => {
            saveDraft(templateDraft, "");
            window.location.hash = job.project === null ? jobHref(job.id) : projectHref(job.project);
          }}
        >
          <TemplatePicker value={template} onChange={setTemplate} />
        </Composer>
      </div>
      <ProjectsSection projects={projects} filter={filter} setFilter={setFilter} now={now} />
    </>
  );
}
