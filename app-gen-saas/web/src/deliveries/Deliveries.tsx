import { useCallback, useState } from "react";
import { deliverVersion, listDeliveries, messageOf } from "../api/client.ts";
import type { CreateDelivery, Delivery, Project } from "../api/types.ts";
import { jobHref } from "../app/route.ts";
import { Icon } from "../shared/Icon.tsx";
import { Loading } from "../shared/PageProblem.tsx";
import { Time } from "../shared/Time.tsx";
import { useFocusKept } from "../shared/useFocusKept.ts";
import { useLoaded } from "../shared/useLoaded.ts";
import { useNow } from "../shared/useNow.ts";
import { POLL } from "../shared/usePolling.ts";
import { DeliverForm } from "./DeliverForm.tsx";
import { deliveryWords, isAsked, isUnderWay, outdatedWords, targetWords } from "./deliveryState.ts";

interface Props {
  project: Project;
  number: number;
}

/** Where a version is, and the way to bring it somewhere. */
export function Deliveries({ project, number }: Props) {
  const load = useCallback(() => listDeliveries(project.id, number), [project.id, number]);
  const [isActive, setActive] = useState(false);
  const { value: deliveries, error, reload } = useLoaded(load, isActive ? POLL.active : POLL.idle);
  const now = useNow(10_000);
  const underWay = deliveries?.some(isUnderWay) ?? false;
  if (underWay !== isActive) setActive(underWay);

  async function deliver(delivery: CreateDelivery): Promise<void> {
    await deliverVersion(project.id, number, delivery);
    reload();
  }

  return (
    <section
      className="deliveries"
      aria-labelledby="deliveries-title"
      aria-busy={deliveries === null && error === null}
    >
      <h2 id="deliveries-title">Where it is</h2>
      {deliveries === null ? (
        error === null ? (
          <Loading what="where it is" />
        ) : (
          <p className="problem" role="alert">
            {messageOf(error)}
          </p>
        )
      ) : deliveries.length === 0 ? (
        <p className="empty">Version {number} was not delivered anywhere yet.</p>
      ) : (
        <ul>
          {deliveries.map((delivery) => (
            <Item key={delivery.id} delivery={delivery} now={now} deliver={project.archived ? null : deliver} />
          ))}
        </ul>
      )}
      {!project.archived && (
        <details className="deliver">
          <summary>Deliver version {number}</summary>
          <DeliverForm project={project} deliver={deliver} />
        </details>
      )}
    </section>
  );
}

interface ItemProps {
  delivery: Delivery;
  now: number;
  /** Null where nothing can be asked. */
  deliver: ((delivery: CreateDelivery) => Promise<void>) | null;
}

function Item({ delivery, now, deliver }: ItemProps) {
  const { label, tone } = deliveryWords(delivery);
  const name = targetWords(delivery.target);
  const outdated = outdatedWords(delivery);
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const canAsk = deliver !== null && delivery.target !== null && !isUnderWay(delivery);
  const [title, pressed] = useFocusKept<HTMLHeadingElement>(canAsk);

  async function ask(checkOnly: boolean): Promise<void> {
    if (busy || deliver === null || delivery.target === null) return;
    setBusy(true);
    setProblem(null);
    try {
      await deliver({ target: delivery.target, check_only: checkOnly });
      pressed();
    } catch (error) {
      setProblem(messageOf(error));
    } finally {
      setBusy(false);
    }
  }

  return (
    <li className="delivery">
      <h3 ref={title} tabIndex={-1}>
        {name}
      </h3>
      <div className="delivery-meta">
        <span role="status" className={`badge tone-${tone}`}>
          <span className="badge-dot" aria-hidden="true" />
          {label}
        </span>
        {delivery.url && (
          <a href={delivery.url} target="_blank" rel="noreferrer">
            {delivery.url.replace(/^https?:\/\//, "")}
          </a>
        )}
        <Time time={delivery.updated_at} now={now} />
        {delivery.job_state !== null && !isAsked(delivery) && (
          <a href={jobHref(delivery.job)}>
            Activity<span className="visually-hidden"> of the delivery to {name}</span>
          </a>
        )}
      </div>
      {isAsked(delivery) && (
        <p>
          <a className="button button-primary" href={jobHref(delivery.job)}>
            Decide<span className="visually-hidden"> about the delivery to {name}</span>
          </a>
        </p>
      )}
      {delivery.error && <p className="delivery-error">{delivery.error}</p>}
      {outdated && <p className="delivery-note">{outdated}</p>}
      {canAsk && (
        <div className="version-actions">
          <button type="button" className="button" aria-disabled={busy} onClick={() => void ask(false)}>
            <Icon name="again" />
            Deliver again<span className="visually-hidden"> to {name}</span>
          </button>
          {delivery.url && (
            <button type="button" className="button" aria-disabled={busy} onClick={() => void ask(true)}>
              <Icon name="search" />
              Look whether it is there<span className="visually-hidden">: {name}</span>
            </button>
          )}
        </div>
      )}
      {problem && (
        <p className="problem" role="alert">
          {problem}
        </p>
      )}
    </li>
  );
}
