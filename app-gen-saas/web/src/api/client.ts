/** The orchestrator's HTTP API. Every call is bounded and fails with an ApiError that can be shown as it is. */
import { credentialHeaders, hasCredentials, tellRefused } from "../accounts/credentials.ts";
import type {
  AttachmentLimits,
  ChangeProject,
  ChangeTemplate,
  CreateDelivery,
  CreateJob,
  CreateTemplate,
  Decide,
  Delivery,
  DeliveryList,
  Difference,
  FileContent,
  FileList,
  Job,
  JobList,
  ModelKey,
  ModelKeyList,
  ModelProvider,
  MonthUsage,
  Preview,
  Problem,
  Project,
  ProjectList,
  SetModelKey,
  Template,
  TemplateList,
  UploadedFile,
  Version,
  VersionFile,
  VersionList,
} from "./types.ts";

const TIMEOUT_MS = 15_000;
/** A file takes longer than a few words. */
const UPLOAD_TIMEOUT_MS = 60_000;
/** A key is tested by asking its provider, who may take a while. */
const TEST_TIMEOUT_MS = 45_000;

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

/** What failed, in words for the user. */
export function messageOf(error: unknown): string {
  return error instanceof ApiError ? error.message : "Something went wrong on this page.";
}

/** Whether the server answered, and the same request will be refused again. */
export function isRefusal(error: unknown): boolean {
  return error instanceof ApiError && error.status >= 400 && error.status < 500 && error.status !== 429;
}

/** Whether what the address names does not exist, or cannot exist. */
export function isMissing(error: unknown): boolean {
  return error instanceof ApiError && (error.status === 404 || error.status === 400);
}

export async function request<T>(path: string, init: RequestInit = {}, timeoutMs = TIMEOUT_MS): Promise<T> {
  let response: Response;
  try {
    // Without accounts, nothing is waited for.
    const own = hasCredentials() ? await credentialHeaders() : {};
    response = await fetch(path, {
      ...init,
      headers: { accept: "application/json, application/problem+json", ...own, ...init.headers },
      signal: AbortSignal.timeout(timeoutMs),
    });
  } catch (error) {
    const late = error instanceof DOMException && error.name === "TimeoutError";
    throw late
      ? new ApiError(0, "timeout", "The server took too long to answer.")
      : new ApiError(0, "unreachable", "The server can’t be reached.");
  }
  // "No content" is all there is to say.
  if (response.status === 204) return undefined as T;
  const body = await readJson(response);
  if (response.ok && body !== undefined) return body as T;
  if (response.status === 401) tellRefused();
  const reported = body as Partial<Problem> | undefined;
  throw new ApiError(
    response.status,
    reported?.code ?? "unexpected",
    reported?.detail ? sentence(reported.detail) : explainStatus(response.status),
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
  if (status === 413) return "That is more than the server accepts.";
  if (status === 429) return "Too many requests. Wait a moment, then try again.";
  if (status >= 500) return "The server can’t be reached.";
  return `The server gave an answer this page does not understand (status ${status}).`;
}

export const PAGE_SIZE = 50;

/** Newest first; `before` is the id after which the next older page starts. */
export async function listJobs(projectId: string, before?: string): Promise<Job[]> {
  const answer = await request<JobList>(`/api/jobs?${pageQuery(before, { project: projectId })}`);
  return answer.jobs;
}

export function getJob(jobId: string): Promise<Job> {
  return request<Job>(jobPath(jobId));
}

/** A job that was asked for without an answer: asked for again, it is the same one. */
let unanswered: { asked: string; key: string } | null = null;

export async function createJob(job: CreateJob): Promise<Job> {
  const asked = JSON.stringify(job);
  const key = unanswered?.asked === asked ? unanswered.key : newKey();
  unanswered = { asked, key };
  const made = await send<Job>("POST", "/api/jobs", job, { headers: { "idempotency-key": key } });
  unanswered = null;
  return made;
}

/** `crypto.randomUUID` is only there on HTTPS and on this machine. */
function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function decideJob(jobId: string, decision: Decide): Promise<Job> {
  return send<Job>("POST", `${jobPath(jobId)}/decision`, decision);
}

export function cancelJob(jobId: string): Promise<Job> {
  return request<Job>(`${jobPath(jobId)}/cancel`, { method: "POST" });
}

/** What was used this month, and how much may be. */
export function getUsage(): Promise<MonthUsage> {
  return request<MonthUsage>("/api/usage");
}

/** What can be attached to a job. */
export function getAttachmentLimits(): Promise<AttachmentLimits> {
  return request<AttachmentLimits>("/api/attachments");
}

/** Uploads a file; a job names it by its id. */
export function uploadFile(name: string, file: Blob): Promise<UploadedFile> {
  const path = `/api/attachments?${new URLSearchParams({ name })}`;
  return request<UploadedFile>(path, { method: "POST", body: file }, UPLOAD_TIMEOUT_MS);
}

export function attachmentHref(jobId: string, number: number): string {
  return `${jobPath(jobId)}/attachments/${number}`;
}

export function artifactHref(jobId: string): string {
  return `${jobPath(jobId)}/artifact`;
}

/** The address of a job's events, from the one after `after` on. */
export function eventsHref(jobId: string, after: number): string {
  return `${jobPath(jobId)}/events?after=${after}`;
}

/** What opens the stream of a job once, for an EventSource, which cannot say who asks. */
export async function streamTicket(jobId: string): Promise<string> {
  const answer = await send<{ ticket: string }>("POST", "/api/stream-tickets", { job: jobId });
  return answer.ticket;
}

/** The pause that a server which refuses this address asks for; null if it asks for none, or does not answer. */
export async function retryAfterMs(href: string): Promise<number | null> {
  try {
    const own = hasCredentials() ? { headers: await credentialHeaders() } : {};
    const response = await fetch(href, { method: "HEAD", ...own, signal: AbortSignal.timeout(TIMEOUT_MS) });
    const seconds = Number.parseInt(response.headers.get("retry-after") ?? "", 10);
    return seconds >= 0 ? seconds * 1000 : null;
  } catch {
    return null;
  }
}

/** Which projects are listed. */
export interface ProjectFilter {
  /** Part of the name; empty for all of them. */
  search: string;
  /** Those that were put aside, instead of the others. */
  archived: boolean;
}

/** Newest first; `before` is the id after which the next older page starts. */
export async function listProjects({ search, archived }: ProjectFilter, before?: string): Promise<Project[]> {
  const query = pageQuery(before, { ...(search && { search }), ...(archived && { archived: "true" }) });
  const answer = await request<ProjectList>(`/api/projects?${query}`);
  return answer.projects;
}

export function getProject(projectId: string): Promise<Project> {
  return request<Project>(projectPath(projectId));
}

export function changeProject(projectId: string, change: ChangeProject): Promise<Project> {
  return send<Project>("PATCH", projectPath(projectId), change);
}

export function deleteProject(projectId: string): Promise<void> {
  return request<void>(projectPath(projectId), { method: "DELETE" });
}

/** Newest first; `before` is the number after which the next older page starts. */
export async function listVersions(projectId: string, before?: number): Promise<Version[]> {
  const answer = await request<VersionList>(`${projectPath(projectId)}/versions?${pageQuery(before?.toString())}`);
  return answer.versions;
}

export function getVersion(projectId: string, number: number): Promise<Version> {
  return request<Version>(versionPath(projectId, number));
}

/** What differs from the version that it was made from; everything, for the first one. */
export function getDifference(projectId: string, number: number): Promise<Difference> {
  return request<Difference>(`${versionPath(projectId, number)}/diff`);
}

export async function listFiles(projectId: string, number: number): Promise<VersionFile[]> {
  const answer = await request<FileList>(`${versionPath(projectId, number)}/files`);
  return answer.files;
}

export function getFile(projectId: string, number: number, path: string): Promise<FileContent> {
  return request<FileContent>(`${versionPath(projectId, number)}/file?${new URLSearchParams({ path })}`);
}

/** Gives the job that goes back to the version. */
export function restoreVersion(projectId: string, number: number): Promise<Job> {
  return request<Job>(`${versionPath(projectId, number)}/restore`, { method: "POST" });
}

/** The newest preview of the version, also one that has ended; null if it never had one. */
export async function getPreview(projectId: string, number: number): Promise<Preview | null> {
  try {
    return await request<Preview>(`${versionPath(projectId, number)}/preview`);
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}

/** Gives the preview that starts, or the one that the version has. */
export function startPreview(projectId: string, number: number): Promise<Preview> {
  return request<Preview>(`${versionPath(projectId, number)}/preview`, { method: "POST" });
}

export function endPreview(projectId: string, number: number): Promise<void> {
  return request<void>(`${versionPath(projectId, number)}/preview`, { method: "DELETE" });
}

/** Whether what was asked for does not exist in this environment. */
export function isNotHere(error: unknown): boolean {
  return error instanceof ApiError && error.status === 409;
}

/** Of one version, or of all; what was asked for last comes first. */
export async function listDeliveries(projectId: string, version?: number): Promise<Delivery[]> {
  const query = new URLSearchParams({
    limit: String(PAGE_SIZE),
    ...(version !== undefined && { version: String(version) }),
  });
  const answer = await request<DeliveryList>(`${projectPath(projectId)}/deliveries?${query}`);
  return answer.deliveries;
}

/** Gives the delivery that was asked for; it goes its way by itself. */
export function deliverVersion(projectId: string, number: number, delivery: CreateDelivery): Promise<Delivery> {
  return send<Delivery>("POST", `${versionPath(projectId, number)}/deliveries`, delivery);
}

export function downloadHref(projectId: string, number: number): string {
  return `${versionPath(projectId, number)}/download`;
}

/** Built-in ones first, on the first page; `before` is the id after which the next older page of the others starts. */
export async function listTemplates(search: string, before?: string): Promise<Template[]> {
  const answer = await request<TemplateList>(`/api/templates?${pageQuery(before, { ...(search && { search }) })}`);
  return answer.templates;
}

export function getTemplate(templateId: string): Promise<Template> {
  return request<Template>(templatePath(templateId));
}

export function createTemplate(template: CreateTemplate): Promise<Template> {
  return send<Template>("POST", "/api/templates", template);
}

export function changeTemplate(templateId: string, change: ChangeTemplate): Promise<Template> {
  return send<Template>("PATCH", templatePath(templateId), change);
}

export function removeTemplate(templateId: string): Promise<void> {
  return request<void>(templatePath(templateId), { method: "DELETE" });
}

/** The tenant's own keys of model providers, without their values. */
export async function listModelKeys(): Promise<ModelKey[]> {
  const answer = await request<ModelKeyList>("/api/model-keys");
  return answer.keys;
}

/** Keeps a key once the provider has taken it. */
export function setModelKey(provider: ModelProvider, key: SetModelKey): Promise<ModelKey> {
  return send<ModelKey>("PUT", modelKeyPath(provider), key, { timeoutMs: TEST_TIMEOUT_MS });
}

/** Asks the provider again, with the key that is kept. */
export function testModelKey(provider: ModelProvider): Promise<ModelKey> {
  return request<ModelKey>(`${modelKeyPath(provider)}/test`, { method: "POST" }, TEST_TIMEOUT_MS);
}

export function removeModelKey(provider: ModelProvider): Promise<void> {
  return request<void>(modelKeyPath(provider), { method: "DELETE" });
}

export function send<T>(
  method: "POST" | "PUT" | "PATCH",
  path: string,
  body: object,
  { timeoutMs, ...more }: { timeoutMs?: number; headers?: Record<string, string> } = {},
): Promise<T> {
  const headers = { "content-type": "application/json", ...more.headers };
  return request<T>(path, { method, headers, body: JSON.stringify(body) }, timeoutMs);
}

function pageQuery(before: string | undefined, others: Record<string, string> = {}): URLSearchParams {
  return new URLSearchParams({ limit: String(PAGE_SIZE), ...others, ...(before !== undefined && { before }) });
}

function jobPath(jobId: string): string {
  return `/api/jobs/${encodeURIComponent(jobId)}`;
}

function modelKeyPath(provider: ModelProvider): string {
  return `/api/model-keys/${provider}`;
}

function templatePath(templateId: string): string {
  return `/api/templates/${encodeURIComponent(templateId)}`;
}

function projectPath(projectId: string): string {
  return `/api/projects/${encodeURIComponent(projectId)}`;
}

function versionPath(projectId: string, number: number): string {
  return `${projectPath(projectId)}/versions/${number}`;
}
