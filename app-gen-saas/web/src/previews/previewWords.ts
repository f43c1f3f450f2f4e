import type { Preview } from "../api/types.ts";

const PHASES: Readonly<Record<string, string>> = {
  pending: "Preparing its place…",
  waiting: "Waiting for room…",
  installing: "Installing its packages…",
  building: "Building it…",
  starting: "Starting it…",
};

/** What the start of a preview is at. */
export function phaseWords({ phase }: Preview): string {
  return PHASES[phase ?? "pending"] ?? "Starting it…";
}

/** How long a preview goes on: "ends in 12 min". */
export function remainingWords(expiresAt: string, now: number): string {
  const minutes = Math.ceil((Date.parse(expiresAt) - now) / 60_000);
  if (Number.isNaN(minutes)) return "";
  return minutes <= 0 ? "ends now" : `ends in ${minutes} min`;
}
