import { messageOf } from "../api/client.ts";
import type { Tenant } from "../api/types.ts";
import { homeHref, teamHref } from "../app/route.ts";
import { ServerNotice } from "../app/ServerNotice.tsx";
import { BackLink } from "../shared/BackLink.tsx";
import { Loading, PageProblem } from "../shared/PageProblem.tsx";
import { Time } from "../shared/Time.tsx";
import { useDocumentTitle } from "../shared/useDocumentTitle.ts";
import { useLoaded } from "../shared/useLoaded.ts";
import { useNow } from "../shared/useNow.ts";
import { POLL } from "../shared/usePolling.ts";
import { createTenant, listTenants } from "./api.ts";
import { OneFieldForm } from "./OneFieldForm.tsx";

/** The server's limit. */
const MAX_NAME = 80;

/** The teams that one is in, and the way to another one. */
export function TeamsPage() {
  useDocumentTitle("Teams");
  const { value: tenants, error, reload } = useLoaded(listTenants, POLL.idle);
  const now = useNow(30_000);
  const teams = tenants?.filter((tenant) => tenant.kind === "shared");
  return (
    <div className="account-page">
      <ServerNotice problem={teams && error !== null ? messageOf(error) : null} />
      <BackLink href={homeHref}>All apps</BackLink>
      {teams ? (
        <>
          <h1>Teams</h1>
          <p className="lead">Everybody in a team sees and changes all its apps. Your personal apps stay yours alone.</p>
          <section aria-labelledby="own-teams">
            <h2 id="own-teams">Your teams</h2>
            {teams.length === 0 ? (
              <p className="empty">You are in no team yet. Make one, or open the link of an invitation.</p>
            ) : (
              <ul className="account-list">
                {teams.map((team) => (
                  <TeamItem key={team.id} team={team} now={now} />
                ))}
              </ul>
            )}
          </section>
          <section aria-labelledby="new-team">
            <h2 id="new-team">Make a team</h2>
            <OneFieldForm
              label="Name of the team"
              maxLength={MAX_NAME}
              submit="Make the team"
              busy="Making it…"
              empty="A team needs a name."
              save={async (name) => {
                const team = await createTenant(name);
                window.location.hash = teamHref(team.id);
              }}
            />
          </section>
        </>
      ) : error === null ? (
        <Loading what="your teams" page />
      ) : (
        <PageProblem title="Your teams could not be loaded" retry={reload}>
          <p>{messageOf(error)}</p>
        </PageProblem>
      )}
    </div>
  );
}

function TeamItem({ team, now }: { team: Tenant; now: number }) {
  return (
    <li className="account-item">
      <a href={teamHref(team.id)}>{team.name}</a>
      <div className="account-meta">
        <span>{team.role === "owner" ? "You own it" : "You are a member"}</span>
        <span>
          Made <Time time={team.created_at} now={now} />
        </span>
      </div>
    </li>
  );
}
