-- Keys of model providers that tenants bring. The key itself is in a store of secrets, at this place.
CREATE TABLE model_keys (
    tenant_id TEXT NOT NULL,
    provider TEXT NOT NULL,
    place TEXT NOT NULL,
    -- Where it is sent, if that is not the provider's own server.
    base_url TEXT,
    -- The model that tests ask for, if somebody chose one.
    test_model TEXT,
    last_four TEXT NOT NULL,
    set_by TEXT NOT NULL,
    set_at BIGINT NOT NULL,
    tested_at BIGINT NOT NULL,
    test_outcome TEXT NOT NULL,
    PRIMARY KEY (tenant_id, provider)
);

-- Who pays the job's provider: platform or tenant. What the tenant pays is a part of used_micro_usd.
ALTER TABLE jobs ADD COLUMN paid_by TEXT NOT NULL DEFAULT 'platform';
ALTER TABLE jobs ADD COLUMN used_own_micro_usd BIGINT NOT NULL DEFAULT 0;
ALTER TABLE projects ADD COLUMN used_own_micro_usd BIGINT NOT NULL DEFAULT 0;
