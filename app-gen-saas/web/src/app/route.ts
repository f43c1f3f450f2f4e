/** Where the page is. The hash is the whole route, so that a deep link works from any static file server. */
import { useSyncExternalStore } from "react";

export type Route = { page: "home" } | { page: "job"; jobId: string };

export function parseRoute(hash: string): Route {
  const match = /^#\/jobs\/([^/?]+)$/.exec(hash);
  if (!match?.[1]) return { page: "home" };
  try {
    return { page: "job", jobId: decodeURIComponent(match[1]) };
  } catch {
    // A broken percent escape names no job.
    return { page: "home" };
  }
}

export function jobHref(jobId: string): string {
  return `#/jobs/${encodeURIComponent(jobId)}`;
}

export const homeHref = "#/";

function subscribe(changed: () => void): () => void {
  window.addEventListener("hashchange", changed);
  return () => window.removeEventListener("hashchange", changed);
}

/** The hash itself is the snapshot: a string compares by value, a parsed route would not. */
export function useRoute(): Route {
  return parseRoute(useSyncExternalStore(subscribe, () => window.location.hash));
}
