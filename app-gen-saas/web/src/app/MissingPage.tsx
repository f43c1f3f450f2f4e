import { PageProblem } from "../shared/PageProblem.tsx";
import { useDocumentTitle } from "../shared/useDocumentTitle.ts";
import { homeFromHere } from "./route.ts";

/** For an address that names no page. */
export function MissingPage() {
  useDocumentTitle("Not found");
  return (
    <PageProblem title="There is no such page">
      <p>The link may be incomplete, or it belongs to another version of App-Gen.</p>
      <a className="button" href={homeFromHere()}>
        All apps
      </a>
    </PageProblem>
  );
}
