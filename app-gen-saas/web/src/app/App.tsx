import { useEffect, useRef } from "react";
import { Composer } from "../jobs/Composer.tsx";
import { JobList } from "../jobs/JobList.tsx";
import { JobPage } from "../jobs/JobPage.tsx";
import { useJobs } from "../jobs/useJobs.ts";
import { Icon } from "../shared/Icon.tsx";
import { useNow } from "../shared/useNow.ts";
import { homeHref, jobHref, useRoute } from "./route.ts";
import { ServerNotice } from "./ServerNotice.tsx";

export function App() {
  const route = useRoute();
  const jobs = useJobs();
  const now = useNow(10_000);
  const selectedId = route.page === "job" ? route.jobId : null;
  const main = useFocusOnNavigation(selectedId ?? "");

  return (
    <div className="shell" data-page={route.page}>
      <header className="top">
        <a className="brand" href={homeHref}>
          <img src="/favicon.svg" alt="" width="28" height="28" />
          App-Gen
        </a>
        <a className="button new-app" href={homeHref} aria-current={route.page === "home" ? "page" : undefined}>
          <Icon name="plus" />
          New app
        </a>
      </header>
      <main ref={main} tabIndex={-1}>
        <ServerNotice problem={jobs.problem} />
        {route.page === "job" ? (
          <JobPage key={route.jobId} jobs={jobs} jobId={route.jobId} />
        ) : (
          <div className="home">
            <h1>
              Describe an app. <span>Get one that works.</span>
            </h1>
            <p className="lead">
              Write a few sentences. You get a complete React, Vite and Express project to download and run.
            </p>
            <Composer
              create={jobs.create}
              onCreated={(job) => {
                window.location.hash = jobHref(job.id);
              }}
            />
          </div>
        )}
      </main>
      <nav className="rail" aria-label="Your apps">
        <JobList jobs={jobs} selectedId={selectedId} now={now} />
      </nav>
    </div>
  );
}

/** A new page takes the focus, as a page load would; the first one leaves it to the browser. */
function useFocusOnNavigation(page: string) {
  const main = useRef<HTMLElement>(null);
  const shown = useRef(page);
  useEffect(() => {
    if (shown.current === page) return;
    shown.current = page;
    main.current?.focus({ preventScroll: true });
    window.scrollTo(0, 0);
  }, [page]);
  return main;
}
