import { useCallback } from "react";
import { listDeliveries } from "../api/client.ts";
import { versionHref } from "../app/route.ts";
import { useLoaded } from "../shared/useLoaded.ts";
import { POLL } from "../shared/usePolling.ts";
import { latest, targetWords } from "./deliveryState.ts";

/** Links to where an app is. Nothing is shown where it is nowhere, or where that cannot be loaded: it is no part without which the page says less. */
export function LatestDeliveries({ projectId }: { projectId: string }) {
  const load = useCallback(() => listDeliveries(projectId), [projectId]);
  const { value } = useLoaded(load, POLL.idle);
  const there = latest(value ?? []);
  if (there.length === 0) return null;
  return (
    <ul className="latest-deliveries" aria-label="Where it is">
      {there.map((delivery) => (
        <li key={delivery.id}>
          <a href={delivery.url ?? undefined} target="_blank" rel="noreferrer">
            {targetWords(delivery.target)}
          </a>{" "}
          <a className="latest-version" href={versionHref(projectId, delivery.version)}>
            version {delivery.version}
          </a>
        </li>
      ))}
    </ul>
  );
}
