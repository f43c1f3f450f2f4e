/** Deliveries in the user's words: where they go, what they are at, and what can be asked of them. */

import type { Delivery, DeliveryState, DeliveryTarget } from "../api/types.ts";
import type { Tone } from "../jobs/jobState.ts";

interface Words {
  label: string;
  tone: Tone;
}

const WORDS: Record<DeliveryState, Words> = {
  pending: { label: "Waiting", tone: "waiting" },
  running: { label: "On its way", tone: "active" },
  delivered: { label: "Delivered", tone: "done" },
  failed: { label: "Failed", tone: "bad" },
  outdated: { label: "Outdated", tone: "quiet" },
};

/** A person must decide before it goes on. */
export function isAsked(delivery: Delivery): boolean {
  return delivery.state === "pending" && delivery.job_state === "waiting_approval";
}

export function deliveryWords(delivery: Delivery): Words {
  if (isAsked(delivery)) return { label: "Needs approval", tone: "waiting" };
  const words = WORDS[delivery.state] as Words | undefined;
  return words ?? { label: String(delivery.state), tone: "quiet" };
}

/** Whether it changes by itself. */
export function isUnderWay(delivery: Delivery): boolean {
  return delivery.state === "pending" || delivery.state === "running";
}

/** "GitHub: octo/plants", "Fly.io: plants". */
export function targetWords(target: DeliveryTarget | null): string {
  if (target === null) return "A target of a newer version";
  if (target.kind === "github") {
    return `GitHub: ${target.owner ? `${target.owner}/` : ""}${target.repository}`;
  }
  return `Fly.io: ${target.app ?? `an app of ${target.organization ?? "personal"}`}`;
}

/** Why an outdated one is none any more; null for others. */
export function outdatedWords({ state, shown_commit: shown }: Delivery): string | null {
  if (state !== "outdated") return null;
  return shown === null
    ? "Nothing says which commit is there."
    : "Another version was delivered there since, or somebody changed it.";
}

/** Where each target's newest version is, for as long as it is there. */
export function latest(deliveries: readonly Delivery[]): Delivery[] {
  return deliveries.filter(({ state, url }) => state === "delivered" && url !== null);
}
