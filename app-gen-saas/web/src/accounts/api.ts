/** What the orchestrator says of accounts. */
import { ApiError, request, send } from "../api/client.ts";

export type AuthConfig = { mode: "none" } | { mode: "supabase"; url: string; anon_key: string };

export interface Tenant {
  id: string;
  name: string;
  kind: string;
  role: string;
}

export interface ApiKey {
  id: string;
  name: string;
  prefix: string;
  scopes: string[];
  last_used_at: string | null;
  revoked_at: string | null;
}

export async function getAuthConfig(): Promise<AuthConfig> {
  const answer = await request<{ auth: AuthConfig }>("/api/config");
  return answer.auth;
}

export async function listTenants(): Promise<Tenant[]> {
  const answer = await request<{ tenants: Tenant[] }>("/api/tenants");
  return answer.tenants;
}

export async function listKeys(): Promise<ApiKey[]> {
  const answer = await request<{ keys: ApiKey[] }>("/api/keys");
  return answer.keys;
}

/** Makes a key; the answer is the key itself, which is never shown again. */
export async function createKey(name: string, scopes: string[]): Promise<string> {
  const answer = await send<{ key: string }>("POST", "/api/keys", { name, scopes });
  return answer.key;
}

export function revokeKey(id: string): Promise<void> {
  return request<void>(`/api/keys/${encodeURIComponent(id)}`, { method: "DELETE" });
}

/** Whether the tenant that was chosen is not theirs any more. */
export function isGone(error: unknown): boolean {
  return error instanceof ApiError && error.status === 404;
}
