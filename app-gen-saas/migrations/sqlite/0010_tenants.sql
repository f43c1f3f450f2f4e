-- Who owns what. Rows from before there were tenants belong to `local`, the one tenant of an orchestrator that
-- knows no users, which has no row here.
CREATE TABLE tenants (
    id TEXT PRIMARY KEY NOT NULL,
    name TEXT NOT NULL,
    -- personal (its id is that of its user) or shared.
    kind TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    -- Once set, nobody gets into it any more, and what belongs to it is being removed.
    deleted_at BIGINT
);

CREATE INDEX tenants_by_end ON tenants (deleted_at);

-- Users are those of the login; here is what tenants they are in. Exactly one member of each is its owner.
CREATE TABLE members (
    tenant_id TEXT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    user_id TEXT NOT NULL,
    email TEXT NOT NULL,
    -- owner or member.
    role TEXT NOT NULL,
    joined_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, user_id)
);

CREATE INDEX members_by_user ON members (user_id);

-- Of a token only its SHA-256 is kept, here and below.
CREATE TABLE invitations (
    id TEXT PRIMARY KEY NOT NULL,
    tenant_id TEXT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    -- In lower case.
    email TEXT NOT NULL,
    hash TEXT NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE INDEX invitations_by_tenant ON invitations (tenant_id);

CREATE TABLE api_keys (
    id TEXT PRIMARY KEY NOT NULL,
    tenant_id TEXT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    -- Who made it. It ends when that user leaves the tenant.
    user_id TEXT NOT NULL,
    name TEXT NOT NULL,
    -- Its beginning, by which people know it.
    prefix TEXT NOT NULL,
    hash TEXT NOT NULL UNIQUE,
    -- Names with spaces between them.
    scopes TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT,
    revoked_at BIGINT
);

CREATE INDEX api_keys_by_tenant ON api_keys (tenant_id, id);

-- Each opens one live stream of one job, once.
CREATE TABLE stream_tickets (
    hash TEXT PRIMARY KEY NOT NULL,
    tenant_id TEXT NOT NULL,
    job_id TEXT NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE INDEX stream_tickets_by_end ON stream_tickets (expires_at);

ALTER TABLE jobs ADD COLUMN tenant_id TEXT NOT NULL DEFAULT 'local';
ALTER TABLE projects ADD COLUMN tenant_id TEXT NOT NULL DEFAULT 'local';
ALTER TABLE templates ADD COLUMN tenant_id TEXT NOT NULL DEFAULT 'local';
ALTER TABLE uploads ADD COLUMN tenant_id TEXT NOT NULL DEFAULT 'local';
ALTER TABLE previews ADD COLUMN tenant_id TEXT NOT NULL DEFAULT 'local';
ALTER TABLE deliveries ADD COLUMN tenant_id TEXT NOT NULL DEFAULT 'local';

CREATE INDEX jobs_by_tenant ON jobs (tenant_id, id);
CREATE INDEX projects_by_tenant ON projects (tenant_id, id);
CREATE INDEX templates_by_tenant ON templates (tenant_id, id);
CREATE INDEX uploads_by_tenant ON uploads (tenant_id);
CREATE INDEX previews_by_tenant ON previews (tenant_id, created_at);
