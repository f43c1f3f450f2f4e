import { useState } from "react";
import { isMissing, messageOf } from "../api/client.ts";
import type { Tenant } from "../api/types.ts";
import { homeHref, teamHref } from "../app/route.ts";
import { Loading, PageProblem } from "../shared/PageProblem.tsx";
import { useDocumentTitle } from "../shared/useDocumentTitle.ts";
import { useLoaded } from "../shared/useLoaded.ts";
import { getSession, takeInvitation } from "./api.ts";
import { enterTenant } from "./storage.ts";

/** Where the link of an invitation leads. Who is not signed in is asked that first, and comes back to it. */
export function InvitationPage({ token }: { token: string }) {
  useDocumentTitle("Invitation");
  const { value: session, error, reload } = useLoaded(getSession, null);
  const [team, setTeam] = useState<Tenant | null>(null);
  if (team) return <Joined team={team} />;
  return (
    <div className="account-page">
      {session ? (
        <Invited token={token} email={session.email} joined={setTeam} />
      ) : error === null ? (
        <Loading what="the invitation" page />
      ) : (
        <PageProblem title="The invitation could not be loaded" retry={reload}>
          <p>{messageOf(error)}</p>
        </PageProblem>
      )}
    </div>
  );
}

interface InvitedProps {
  token: string;
  email: string | null;
  joined: (team: Tenant) => void;
}

function Invited({ token, email, joined }: InvitedProps) {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);

  async function join(): Promise<void> {
    if (busy) return;
    setBusy(true);
    setProblem(null);
    try {
      joined(await takeInvitation(token));
    } catch (failure) {
      const advice = isMissing(failure) ? " It may be used, withdrawn, too old, or for another address." : "";
      setProblem(`${messageOf(failure)}${advice}`);
      setBusy(false);
    }
  }

  return (
    <>
      <h1>You are invited into a team</h1>
      <p className="lead">
        Everybody in a team sees and changes all its apps. Your personal apps stay yours alone.
        {email !== null && ` The invitation has to be to the address that you signed in with: ${email}.`}
      </p>
      <div className="account-actions">
        <button type="button" className="button button-primary" aria-disabled={busy} onClick={() => void join()}>
          {busy ? "Joining…" : "Join the team"}
        </button>
        <a className="button" href={homeHref}>
          Not now
        </a>
      </div>
      {problem && (
        <p className="problem" role="alert">
          {problem}
        </p>
      )}
    </>
  );
}

function Joined({ team }: { team: Tenant }) {
  return (
    <div className="account-page">
      {/* The button that had the focus is gone. */}
      <h1 tabIndex={-1} ref={(heading) => heading?.focus()}>
        You are in “{team.name}” now
      </h1>
      <p className="lead">Above, you choose whose apps you see: your own, or those of the team.</p>
      <div className="account-actions">
        <button type="button" className="button button-primary" onClick={() => enterTenant(team.id)}>
          See its apps
        </button>
        <a className="button" href={teamHref(team.id)}>
          Who is in it
        </a>
      </div>
    </div>
  );
}
