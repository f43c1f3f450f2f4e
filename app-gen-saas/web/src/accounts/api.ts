/** What the orchestrator says of accounts. */
import { ApiError, PAGE_SIZE, request, send } from "../api/client.ts";
import type {
  ApiKey,
  ApiKeyList,
  FleetUsage,
  Invitation,
  InvitationList,
  MemberList,
  NewApiKey,
  NewInvitation,
  PublicConfig,
  Scope,
  Session,
  Tenant,
  TenantList,
  TenantMember,
  TenantUsage,
} from "../api/types.ts";

export async function getAuthConfig(): Promise<PublicConfig["auth"]> {
  const answer = await request<PublicConfig>("/api/config");
  return answer.auth;
}

/** Who asks, and in which tenant. */
export function getSession(): Promise<Session> {
  return request<Session>("/api/session");
}

/** The personal one and the shared ones, the oldest first. */
export async function listTenants(): Promise<Tenant[]> {
  const answer = await request<TenantList>("/api/tenants");
  return answer.tenants;
}

export function createTenant(name: string): Promise<Tenant> {
  return send<Tenant>("POST", "/api/tenants", { name });
}

export function deleteTenant(tenantId: string): Promise<void> {
  return request<void>(tenantPath(tenantId), { method: "DELETE" });
}

/** Who came first is first. */
export async function listMembers(tenantId: string): Promise<TenantMember[]> {
  const answer = await request<MemberList>(`${tenantPath(tenantId)}/members`);
  return answer.members;
}

/** Takes a member out; with one's own id, one leaves. */
export function removeMember(tenantId: string, userId: string): Promise<void> {
  return request<void>(`${tenantPath(tenantId)}/members/${encodeURIComponent(userId)}`, { method: "DELETE" });
}

/** Hands the tenant over to a member. */
export function changeOwner(tenantId: string, userId: string): Promise<Tenant> {
  return send<Tenant>("POST", `${tenantPath(tenantId)}/owner`, { user: userId });
}

/** Those that can be taken, newest first. */
export async function listInvitations(tenantId: string): Promise<Invitation[]> {
  const answer = await request<InvitationList>(`${tenantPath(tenantId)}/invitations`);
  return answer.invitations;
}

/** The answer has what the invitation is taken with, which is never shown again. */
export function createInvitation(tenantId: string, email: string): Promise<NewInvitation> {
  return send<NewInvitation>("POST", `${tenantPath(tenantId)}/invitations`, { email });
}

export function withdrawInvitation(tenantId: string, invitationId: string): Promise<void> {
  const path = `${tenantPath(tenantId)}/invitations/${encodeURIComponent(invitationId)}`;
  return request<void>(path, { method: "DELETE" });
}

/** Gives the tenant in which one is a member from then on. */
export function takeInvitation(token: string): Promise<Tenant> {
  return send<Tenant>("POST", "/api/invitations", { token });
}

/** Newest first, those that were revoked, too. */
export async function listKeys(): Promise<ApiKey[]> {
  const answer = await request<ApiKeyList>("/api/keys");
  return answer.keys;
}

/** The answer has the key itself, which is never shown again. */
export function createKey(name: string, scopes: readonly Scope[]): Promise<NewApiKey> {
  return send<NewApiKey>("POST", "/api/keys", { name, scopes });
}

export function revokeKey(keyId: string): Promise<void> {
  return request<void>(`/api/keys/${encodeURIComponent(keyId)}`, { method: "DELETE" });
}

/** In the order of their ids; `after` is the id after which the next page starts. */
export async function listUsage(after?: string): Promise<TenantUsage[]> {
  const query = new URLSearchParams({ limit: String(PAGE_SIZE), ...(after !== undefined && { after }) });
  const answer = await request<FleetUsage>(`/api/fleet/usage?${query}`);
  return answer.tenants;
}

/** Whether the tenant that was chosen is not theirs any more. */
export function isGone(error: unknown): boolean {
  return error instanceof ApiError && error.status === 404;
}

function tenantPath(tenantId: string): string {
  return `/api/tenants/${encodeURIComponent(tenantId)}`;
}
