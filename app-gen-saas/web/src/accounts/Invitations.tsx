import { useCallback, useState } from "react";
import { messageOf } from "../api/client.ts";
import type { Invitation, NewInvitation, Tenant } from "../api/types.ts";
import { invitationHref } from "../app/route.ts";
import { AskButton } from "../shared/AskButton.tsx";
import { Loading } from "../shared/PageProblem.tsx";
import { Time } from "../shared/Time.tsx";
import { fullTime } from "../shared/time.ts";
import { useFocusKept } from "../shared/useFocusKept.ts";
import { useLoaded } from "../shared/useLoaded.ts";
import { POLL } from "../shared/usePolling.ts";
import { createInvitation, listInvitations, withdrawInvitation } from "./api.ts";
import { OneFieldForm } from "./OneFieldForm.tsx";
import { ShownOnce } from "./ShownOnce.tsx";

/** As RFC 5321 has it. */
const MAX_EMAIL = 254;

/** The link that whoever is invited opens. */
function linkOf({ token }: NewInvitation): string {
  return `${window.location.origin}${window.location.pathname}${invitationHref(token)}`;
}

/** Invites others into the team, and says who has not come yet. */
export function Invitations({ team, now }: { team: Tenant; now: number }) {
  const load = useCallback(() => listInvitations(team.id), [team.id]);
  const { value: invitations, error, reload } = useLoaded(load, POLL.idle);
  const [made, setMade] = useState<NewInvitation | null>(null);
  const [title, pressed] = useFocusKept<HTMLHeadingElement>(invitations);

  async function withdraw(invitation: Invitation): Promise<void> {
    await withdrawInvitation(team.id, invitation.id);
    if (made?.details.id === invitation.id) setMade(null);
    pressed();
    reload();
  }

  return (
    <section aria-labelledby="invitations">
      <h2 id="invitations" ref={title} tabIndex={-1}>
        Invitations
      </h2>
      <OneFieldForm
        label="E-mail address that they sign in with"
        type="email"
        maxLength={MAX_EMAIL}
        submit="Make an invitation"
        busy="Making it…"
        empty="Write whom you want to invite."
        save={async (email) => {
          setMade(await createInvitation(team.id, email));
          reload();
        }}
      />
      <ShownOnce text={made && linkOf(made)} label="Copy the link">
        Send this link to {made?.details.email}: nobody was written to, and it is shown only now. It is good once, for a
        week, and for this address alone.
      </ShownOnce>
      {invitations === null ? (
        error === null ? (
          <Loading what="the invitations" />
        ) : (
          <p className="empty">The invitations could not be loaded. {messageOf(error)}</p>
        )
      ) : invitations.length === 0 ? (
        <p className="empty">Nobody is invited who has not come yet.</p>
      ) : (
        <ul className="account-list">
          {invitations.map((invitation) => (
            <li key={invitation.id} className="account-item">
              <strong>{invitation.email}</strong>
              <div className="account-meta">
                <span>
                  Invited <Time time={invitation.created_at} now={now} />
                </span>
                <span>
                  Good until <time dateTime={invitation.expires_at}>{fullTime(invitation.expires_at)}</time>
                </span>
              </div>
              <AskButton
                label={
                  <>
                    Withdraw<span className="visually-hidden"> the invitation of {invitation.email}</span>
                  </>
                }
                className="button button-quiet"
                question={`Withdraw the invitation of ${invitation.email}?`}
                consequence="Its link does nothing from then on."
                yes="Withdraw it"
                no="Keep it"
                busy="Withdrawing…"
                isDanger
                act={() => withdraw(invitation)}
              />
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
