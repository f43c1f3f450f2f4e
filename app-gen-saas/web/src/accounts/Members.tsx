import type { Tenant, TenantMember } from "../api/types.ts";
import { AskButton } from "../shared/AskButton.tsx";
import { Time } from "../shared/Time.tsx";
import { useFocusKept } from "../shared/useFocusKept.ts";
import { changeOwner, removeMember } from "./api.ts";

interface Props {
  team: Tenant;
  members: readonly TenantMember[];
  /** Id of whoever looks at it. */
  me: string;
  now: number;
  /** Reads the team and its members again. */
  reload: () => void;
}

/** Who is in the team. Its owner takes others out, and hands it over. */
export function Members({ team, members, me, now, reload }: Props) {
  const [title, pressed] = useFocusKept<HTMLHeadingElement>(members);

  async function act(work: () => Promise<unknown>): Promise<void> {
    await work();
    pressed();
    reload();
  }

  return (
    <section aria-labelledby="members">
      <h2 id="members" ref={title} tabIndex={-1}>
        Members
      </h2>
      <ul className="account-list">
        {members.map((member) => (
          <li key={member.user} className="account-item">
            <strong>{member.email || "No address"}</strong>
            <div className="account-meta">
              <span>
                {member.role === "owner" ? "Owner" : "Member"}
                {member.user === me && ", you"}
              </span>
              <span>
                Came in <Time time={member.joined_at} now={now} />
              </span>
            </div>
            {team.role === "owner" && member.user !== me && (
              <div className="account-actions">
                <HandOver member={member} act={() => act(() => changeOwner(team.id, member.user))} />
                <TakeOut member={member} act={() => act(() => removeMember(team.id, member.user))} />
              </div>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}

interface ActionProps {
  member: TenantMember;
  act: () => Promise<void>;
}

function HandOver({ member, act }: ActionProps) {
  return (
    <AskButton
      label={
        <>
          Hand over<span className="visually-hidden"> the team to {member.email}</span>
        </>
      }
      className="button button-quiet"
      question={`Hand the team over to ${member.email}?`}
      consequence="They can then take you out, and delete the team. You stay a member."
      yes="Hand it over"
      no="Keep it"
      busy="Handing over…"
      act={act}
    />
  );
}

function TakeOut({ member, act }: ActionProps) {
  return (
    <AskButton
      label={
        <>
          Remove<span className="visually-hidden"> {member.email}</span>
        </>
      }
      className="button button-quiet"
      question={`Remove ${member.email}?`}
      consequence="They do not see the team’s apps any more, and API keys that they made for it stop working. What they made stays."
      yes="Remove them"
      no="Keep them"
      busy="Removing…"
      isDanger
      act={act}
    />
  );
}
