/** The orchestrator's HTTP API. Every call is bounded and fails with an ApiError that can be shown as it is. */
import type { CreateJob, Decide, ErrorBody, Job, JobList } from "./types.ts";

const TIMEOUT_MS = 15_000;

export class ApiError extends Error {
  /** The HTTP status, or 0 when no answer came. */
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.code = code;
  }
}

async function request<T>(path: string, init: RequestInit = {}): Promise<T> {
  let response: Response;
  try {
    response = await fetch(path, {
      ...init,
      headers: { accept: "application/json", ...init.headers },
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch (error) {
    const late = error instanceof DOMException && error.name === "TimeoutError";
    throw late
      ? new ApiError(0, "timeout", "The server took too long to answer.")
      : new ApiError(0, "unreachable", "The server can’t be reached.");
  }
  const body = await readJson(response);
  if (response.ok && body !== undefined) return body as T;
  const reported = (body as Partial<ErrorBody> | undefined)?.error;
  throw new ApiError(
    response.status,
    reported?.code ?? "unexpected",
    reported?.message ? sentence(reported.message) : explainStatus(response.status),
  );
}

/** The server's messages are fragments ("job not found"); here they are shown alone. */
function sentence(fragment: string): string {
  const capital = fragment.charAt(0).toUpperCase() + fragment.slice(1);
  return /[.!?]$/.test(capital) ? capital : `${capital}.`;
}

/** Undefined when the body is not JSON: a proxy's error page, or an answer that broke off. */
async function readJson(response: Response): Promise<unknown> {
  try {
    return await response.json();
  } catch {
    return undefined;
  }
}

function explainStatus(status: number): string {
  if (status === 404) return "There is nothing at this address.";
  if (status === 413) return "That is more text than the server accepts.";
  if (status === 429) return "Too many requests. Wait a moment, then try again.";
  if (status >= 500) return "The server can’t be reached.";
  return `The server gave an answer this page does not understand (status ${status}).`;
}

export const PAGE_SIZE = 50;

/** Newest first; `before` is the id after which the next older page starts. */
export async function listJobs(before?: string): Promise<Job[]> {
  const query = new URLSearchParams({ limit: String(PAGE_SIZE) });
  if (before) query.set("before", before);
  const answer = await request<JobList>(`/api/jobs?${query}`);
  return answer.jobs;
}

export function getJob(jobId: string): Promise<Job> {
  return request<Job>(jobPath(jobId));
}

export function createJob(description: string): Promise<Job> {
  return request<Job>("/api/jobs", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ description } satisfies CreateJob),
  });
}

export function decideJob(jobId: string, decision: Decide): Promise<Job> {
  return request<Job>(`${jobPath(jobId)}/decision`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(decision),
  });
}

export function cancelJob(jobId: string): Promise<Job> {
  return request<Job>(`${jobPath(jobId)}/cancel`, { method: "POST" });
}

export function artifactHref(jobId: string): string {
  return `${jobPath(jobId)}/artifact`;
}

/** The address of a job's events, from the one after `after` on. */
export function eventsHref(jobId: string, after: number): string {
  return `${jobPath(jobId)}/events?after=${after}`;
}

function jobPath(jobId: string): string {
  return `/api/jobs/${encodeURIComponent(jobId)}`;
}
