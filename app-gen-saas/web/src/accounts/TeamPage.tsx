import { useCallback } from "react";
import { isMissing, messageOf } from "../api/client.ts";
import type { Tenant, TenantMember } from "../api/types.ts";
import { teamsHref } from "../app/route.ts";
import { ServerNotice } from "../app/ServerNotice.tsx";
import { AskButton } from "../shared/AskButton.tsx";
import { BackLink } from "../shared/BackLink.tsx";
import { Icon } from "../shared/Icon.tsx";
import { Loading, PageProblem } from "../shared/PageProblem.tsx";
import { useDocumentTitle } from "../shared/useDocumentTitle.ts";
import { useLoaded } from "../shared/useLoaded.ts";
import { useNow } from "../shared/useNow.ts";
import { POLL } from "../shared/usePolling.ts";
import { deleteTenant, getSession, listMembers, listTenants, removeMember } from "./api.ts";
import { Invitations } from "./Invitations.tsx";
import { Members } from "./Members.tsx";
import { chosenTenant, enterTenant } from "./storage.ts";

/** Who is in a team, and who is to come in. Key it by id. */
export function TeamPage({ tenantId }: { tenantId: string }) {
  const load = useCallback(async () => {
    const [tenants, members, session] = await Promise.all([listTenants(), listMembers(tenantId), getSession()]);
    // Nobody else gets into a personal one.
    const team = tenants.find(({ id, kind }) => id === tenantId && kind === "shared");
    return { team, members, me: session.user };
  }, [tenantId]);
  const { value, error, reload } = useLoaded(load, POLL.idle);
  const now = useNow(30_000);
  const team = value?.team;
  useDocumentTitle(team?.name ?? "Team");

  if (isMissing(error) || (value && !team)) return <NoTeam />;
  return (
    <div className="account-page">
      <ServerNotice problem={value && error !== null ? messageOf(error) : null} />
      <BackLink href={teamsHref}>All teams</BackLink>
      {value && team ? (
        <>
          <TeamHead team={team} members={value.members} me={value.me} />
          <Members team={team} members={value.members} me={value.me} now={now} reload={reload} />
          {team.role === "owner" && <Invitations team={team} now={now} />}
        </>
      ) : error === null ? (
        <Loading what="the team" page />
      ) : (
        <PageProblem title="This team could not be loaded" retry={reload}>
          <p>{messageOf(error)}</p>
        </PageProblem>
      )}
    </div>
  );
}

function NoTeam() {
  useDocumentTitle("Not found");
  return (
    <div className="account-page">
      <PageProblem title="There is no such team">
        <p>The link may be incomplete, the team was deleted, or you are not in it.</p>
        <a className="button" href={teamsHref}>
          All teams
        </a>
      </PageProblem>
    </div>
  );
}

/** Nobody stays among the apps of a team that they are not in any more. */
function leave(team: Tenant): void {
  if (chosenTenant() === team.id) enterTenant(null);
  else window.location.hash = teamsHref;
}

function TeamHead({ team, members, me }: { team: Tenant; members: readonly TenantMember[]; me: string }) {
  const others = members.length - 1;
  return (
    <header className="account-head">
      <h1>{team.name}</h1>
      <div className="account-actions">
        {chosenTenant() !== team.id && (
          <button type="button" className="button" onClick={() => enterTenant(team.id)}>
            <Icon name="arrow" />
            See its apps
          </button>
        )}
        {team.role === "owner" ? (
          <AskButton
            label="Delete the team"
            className="button button-quiet"
            question="Delete this team?"
            consequence={`All its apps with their versions, its jobs, templates, previews and API keys are lost${forOthers(others)}. What was delivered stays where it is. This cannot be taken back.`}
            yes="Delete it"
            no="Keep it"
            busy="Deleting…"
            isDanger
            act={async () => {
              await deleteTenant(team.id);
              leave(team);
            }}
          />
        ) : (
          <AskButton
            label="Leave the team"
            className="button button-quiet"
            question="Leave this team?"
            consequence="You do not see its apps any more, and API keys that you made for it stop working. To come back, you need another invitation."
            yes="Leave it"
            no="Stay"
            busy="Leaving…"
            isDanger
            act={async () => {
              await removeMember(team.id, me);
              leave(team);
            }}
          />
        )}
      </div>
    </header>
  );
}

function forOthers(count: number): string {
  if (count === 0) return "";
  return count === 1 ? ", for you and another member" : `, for you and ${count} other members`;
}
