import { lazy, Suspense, useLayoutEffect, useRef } from "react";
import { JobPage } from "../jobs/JobPage.tsx";
import { HomePage } from "../projects/HomePage.tsx";
import { ProjectPage } from "../projects/ProjectPage.tsx";
import { Icon } from "../shared/Icon.tsx";
import { Loading } from "../shared/PageProblem.tsx";
import { TemplatesPage } from "../templates/TemplatesPage.tsx";
import { UsagePage } from "../usage/UsagePage.tsx";
import { VersionPage } from "../versions/VersionPage.tsx";
import { ErrorBoundary } from "./ErrorBoundary.tsx";
import { MissingPage } from "./MissingPage.tsx";
import { homeFromHere, pageKey, type Route, usageHref, useRoute } from "./route.ts";

// Where there are no accounts, nobody loads what only accounts need.
const AccountPage = lazy(async () => ({ default: (await import("../accounts/AccountPage.tsx")).AccountPage }));

export function App() {
  const route = useRoute();
  const key = pageKey(route);
  const home = homeFromHere();
  const main = useFocusOnNavigation(key);
  return (
    <div className="shell" data-page={route.page}>
      <header className="top">
        <a className="brand" href={home}>
          <img src="/favicon.svg" alt="" width="28" height="28" />
          App-Gen
        </a>
        <nav className="top-links" aria-label="Pages">
          {/* From an address whose path names nothing, another hash would lead nowhere. */}
          {route.page !== "missing" && (
            <a href={usageHref} aria-current={route.page === "usage" ? "page" : undefined}>
              Usage
            </a>
          )}
          {route.page !== "home" && (
            <a className="button new-app" href={home}>
              <Icon name="plus" />
              New app
            </a>
          )}
        </nav>
      </header>
      <main ref={main} tabIndex={-1}>
        <ErrorBoundary key={key}>
          <Page route={route} />
        </ErrorBoundary>
      </main>
    </div>
  );
}

function Page({ route }: { route: Route }) {
  switch (route.page) {
    case "home":
      return <HomePage />;
    case "templates":
      return <TemplatesPage />;
    case "usage":
      return <UsagePage />;
    case "project":
      return <ProjectPage projectId={route.projectId} from={route.from} />;
    case "version":
      return <VersionPage projectId={route.projectId} number={route.number} file={route.file} />;
    case "job":
      return <JobPage jobId={route.jobId} />;
    case "missing":
      return <MissingPage />;
    default:
      return (
        <Suspense fallback={<Loading what="the page" page />}>
          <AccountPage route={route} />
        </Suspense>
      );
  }
}

/** A new page takes the focus, as a page load would; the first one leaves it to the browser. */
function useFocusOnNavigation(page: string) {
  const main = useRef<HTMLElement>(null);
  const shown = useRef(page);
  useLayoutEffect(() => {
    if (shown.current === page) return;
    shown.current = page;
    window.scrollTo(0, 0);
    // A field that the page itself chose keeps it.
    if (!main.current?.contains(document.activeElement)) main.current?.focus({ preventScroll: true });
  }, [page]);
  return main;
}
