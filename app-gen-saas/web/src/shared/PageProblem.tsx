import type { ReactNode } from "react";
import { Icon } from "./Icon.tsx";

/** In place of a page: why it is not there, and what can be done. */
export function PageProblem({ title, children, retry }: { title: string; children: ReactNode; retry?: () => void }) {
  return (
    <div className="page-problem">
      <h1>{title}</h1>
      {children}
      {retry && (
        <button type="button" className="button" onClick={retry}>
          <Icon name="again" />
          Try again
        </button>
      )}
    </div>
  );
}

/** In place of what is being loaded. */
export function Loading({ what, page = false }: { what: string; page?: boolean }) {
  // A page has a heading at any time.
  const Words = page ? "h1" : "span";
  return (
    <div className="skeletons" role="status">
      <Words className="visually-hidden">Loading {what}</Words>
      {page && <i className="skeleton skeleton-title" />}
      <i className="skeleton" />
      {page ? <i className="skeleton skeleton-block" /> : <i className="skeleton" />}
    </div>
  );
}
