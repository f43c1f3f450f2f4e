import { messageOf } from "../api/client.ts";
import type { TenantUsage } from "../api/types.ts";
import { homeHref } from "../app/route.ts";
import { ServerNotice } from "../app/ServerNotice.tsx";
import { dollars } from "../jobs/usage.ts";
import { BackLink } from "../shared/BackLink.tsx";
import { Loading, PageProblem } from "../shared/PageProblem.tsx";
import type { Order } from "../shared/pages.ts";
import { useDocumentTitle } from "../shared/useDocumentTitle.ts";
import { useLoaded } from "../shared/useLoaded.ts";
import { usePages } from "../shared/usePages.ts";
import { POLL } from "../shared/usePolling.ts";
import { getSession, listUsage } from "./api.ts";

/** The server's order. */
const byId: Order<TenantUsage> = (left, right) => (left.tenant < right.tenant ? -1 : left.tenant > right.tenant ? 1 : 0);

const list = (after?: TenantUsage) => listUsage(after?.tenant);
const whileLooked = () => POLL.idle;

/** What all tenants use, for operators: numbers, and nothing that anybody made. */
export function FleetPage() {
  useDocumentTitle("Fleet");
  const { value: session, error, reload } = useLoaded(getSession, null);
  return (
    <div className="account-page fleet">
      {session?.is_operator ? (
        <Usage />
      ) : session ? (
        <PageProblem title="Only operators see the fleet">
          <p>Whoever runs App-Gen makes operators, in the login.</p>
          <a className="button" href={homeHref}>
            All apps
          </a>
        </PageProblem>
      ) : error === null ? (
        <Loading what="the fleet" page />
      ) : (
        <PageProblem title="The fleet could not be loaded" retry={reload}>
          <p>{messageOf(error)}</p>
        </PageProblem>
      )}
    </div>
  );
}

function Usage() {
  const pages = usePages(list, byId, whileLooked);
  const { items } = pages;
  return (
    <>
      <ServerNotice problem={pages.problem} />
      <BackLink href={homeHref}>All apps</BackLink>
      <h1>Fleet</h1>
      <p className="lead">What everybody uses: numbers of each personal account and each team, and nothing that they made.</p>
      <section aria-labelledby="usage" aria-busy={items === null && pages.problem === null}>
        <h2 id="usage">Usage</h2>
        {items === null ? (
          pages.problem === null ? (
            <Loading what="the usage" />
          ) : (
            <p className="empty">The usage could not be loaded.</p>
          )
        ) : items.length === 0 ? (
          <p className="empty">Nobody has signed in yet.</p>
        ) : (
          <UsageTable items={items} />
        )}
        {pages.hasOlder && (
          <button
            type="button"
            className="button older"
            aria-disabled={pages.loadingOlder}
            onClick={() => void pages.loadOlder()}
          >
            {pages.loadingOlder ? "Loading…" : "Load more"}
          </button>
        )}
      </section>
    </>
  );
}

const HEADS = ["Id", "Kind", "Members", "Apps", "Jobs", "Unfinished", "Previews", "Models", "Tasks"];

function UsageTable({ items }: { items: readonly TenantUsage[] }) {
  return (
    // Whoever has no mouse scrolls it with the keyboard.
    <div className="usage-table" role="group" aria-label="Table of the usage" tabIndex={0}>
      <table>
        <thead>
          <tr>
            {HEADS.map((head) => (
              <th key={head} scope="col">
                {head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {items.map((usage) => (
            <tr key={usage.tenant}>
              <th scope="row">
                <code>{usage.tenant}</code>
              </th>
              <td>{usage.kind}</td>
              <td>{usage.members}</td>
              <td>{usage.projects}</td>
              <td>{usage.jobs}</td>
              <td>{usage.unfinished_jobs}</td>
              <td>{usage.previews}</td>
              <td>{dollars(usage.micro_usd)}</td>
              <td>{dollars(usage.task_micro_usd)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
