/** What belongs to accounts, for tests; name only what the test is about. */
import type { ApiKey, Invitation, Session, Tenant, TenantMember, TenantUsage } from "../api/types.ts";

export function aSession(parts: Partial<Session> = {}): Session {
  return {
    user: "ann",
    email: "ann@example.com",
    tenant: "ann",
    is_owner: true,
    is_operator: false,
    scopes: ["read", "write", "deliver"],
    ...parts,
  };
}

/** The tenant that Ann alone is in. */
export const personal: Tenant = {
  id: "ann",
  name: "ann@example.com",
  kind: "personal",
  role: "owner",
  created_at: "2026-10-01T08:00:00.000Z",
};

export function aTeam(parts: Partial<Tenant> = {}): Tenant {
  return { ...personal, id: "t", name: "Garden club", kind: "shared", created_at: "2026-11-02T08:00:00.000Z", ...parts };
}

export function aMember(parts: Partial<TenantMember> = {}): TenantMember {
  return { user: "ann", email: "ann@example.com", role: "owner", joined_at: "2026-11-02T08:00:00.000Z", ...parts };
}

export function anInvitation(parts: Partial<Invitation> = {}): Invitation {
  return {
    id: "i",
    email: "cem@example.com",
    created_at: "2026-11-20T08:00:00.000Z",
    expires_at: "2026-11-27T08:00:00.000Z",
    ...parts,
  };
}

export function aKey(parts: Partial<ApiKey> = {}): ApiKey {
  return {
    id: "k",
    name: "CI",
    prefix: "agk_3kf81mzq",
    scopes: ["read"],
    user: "ann",
    created_at: "2026-11-02T08:00:00.000Z",
    last_used_at: null,
    revoked_at: null,
    ...parts,
  };
}

export function aUsage(parts: Partial<TenantUsage> = {}): TenantUsage {
  return {
    tenant: "0193a000-0000-7000-8000-000000000001",
    kind: "personal",
    members: 1,
    projects: 2,
    jobs: 5,
    unfinished_jobs: 0,
    previews: 0,
    own_micro_usd: 0,
    micro_usd: 1_840_000,
    task_micro_usd: 90_000,
    ...parts,
  };
}
