/** Where the page is. The hash is the whole route, so that a deep link works from any static file server. */
import { useSyncExternalStore } from "react";

export type Route =
  | { page: "home" }
  | { page: "templates" }
  | { page: "usage" }
  /** `from` is the version that a change is to begin with; null for the newest one. */
  | { page: "project"; projectId: string; from: number | null }
  /** `file` is the path of the file that is shown. */
  | { page: "version"; projectId: string; number: number; file: string | null }
  | { page: "job"; jobId: string }
  | AccountRoute
  /** The address names no page. */
  | { page: "missing" };

/** A page that only accounts need. */
export type AccountRoute =
  | { page: "teams" }
  | { page: "team"; tenantId: string }
  /** A link that somebody got who is invited into a team. */
  | { page: "invitation"; token: string }
  | { page: "keys" }
  | { page: "models" }
  | { page: "fleet" };

/** Pages that are named by one word. */
const PLAIN = ["templates", "usage", "teams", "keys", "models", "fleet"] as const;

export function parseRoute(hash: string): Route {
  const [path = "", query = ""] = splitOnce(hash.replace(/^#\/?/, ""), "?");
  const parameters = new URLSearchParams(query);
  try {
    if (path === "") return { page: "home" };
    const [kind, id, ...rest] = path.split("/").map(decodeURIComponent);
    const plain = PLAIN.find((page) => page === kind);
    if (plain && !id && rest.length === 0) return { page: plain };
    if (!id) return { page: "missing" };
    if (kind === "jobs" && rest.length === 0) return { page: "job", jobId: id };
    if (kind === "teams" && rest.length === 0) return { page: "team", tenantId: id };
    if (kind === "invitations" && rest.length === 0) return { page: "invitation", token: id };
    if (kind !== "projects") return { page: "missing" };
    if (rest.length === 0) return { page: "project", projectId: id, from: numberOf(parameters.get("from")) };
    const number = rest.length === 2 && rest[0] === "versions" ? numberOf(rest[1] ?? null) : null;
    if (number !== null) return { page: "version", projectId: id, number, file: parameters.get("file") };
  } catch {
    // A broken percent escape names nothing.
  }
  return { page: "missing" };
}

function splitOnce(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}

function numberOf(text: string | null): number | null {
  return text !== null && /^[1-9]\d{0,14}$/.test(text) ? Number(text) : null;
}

export const homeHref = "#/";
export const templatesHref = "#/templates";
export const teamsHref = "#/teams";
export const keysHref = "#/keys";
export const modelsHref = "#/models";
export const fleetHref = "#/fleet";
export const usageHref = "#/usage";

/** The server has one page, and answers every path with it. */
function isPathOfPage(): boolean {
  return ["/", "/index.html"].includes(window.location.pathname);
}

/** The home page, also from an address whose path names nothing: there, another hash would change nothing. */
export function homeFromHere(): string {
  return isPathOfPage() ? homeHref : "/";
}

export function jobHref(jobId: string): string {
  return `#/jobs/${encodeURIComponent(jobId)}`;
}

export function projectHref(projectId: string, from: number | null = null): string {
  const query = from === null ? "" : `?from=${from}`;
  return `#/projects/${encodeURIComponent(projectId)}${query}`;
}

export function versionHref(projectId: string, number: number, file: string | null = null): string {
  const query = file === null ? "" : `?${new URLSearchParams({ file })}`;
  return `#/projects/${encodeURIComponent(projectId)}/versions/${number}${query}`;
}

export function teamHref(tenantId: string): string {
  return `#/teams/${encodeURIComponent(tenantId)}`;
}

export function invitationHref(token: string): string {
  return `#/invitations/${encodeURIComponent(token)}`;
}

/** What is one page to a reader: another file of a version is not another page. */
export function pageKey(route: Route): string {
  switch (route.page) {
    case "home":
    case "missing":
    case "templates":
    case "teams":
    case "keys":
    case "models":
    case "fleet":
    case "usage":
      return route.page;
    case "team":
      return `team ${route.tenantId}`;
    case "invitation":
      return `invitation ${route.token}`;
    case "project":
      return `project ${route.projectId}`;
    case "version":
      return `version ${route.projectId} ${route.number}`;
    case "job":
      return `job ${route.jobId}`;
  }
}

function subscribe(changed: () => void): () => void {
  window.addEventListener("hashchange", changed);
  return () => window.removeEventListener("hashchange", changed);
}

/** The hash itself is the snapshot: a string compares by value, a parsed route would not. */
export function useRoute(): Route {
  const hash = useSyncExternalStore(subscribe, () => window.location.hash);
  return isPathOfPage() ? parseRoute(hash) : { page: "missing" };
}
