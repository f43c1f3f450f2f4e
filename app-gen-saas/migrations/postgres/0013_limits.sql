-- What operators allow a tenant in place of the configuration: nothing is what that says, 0 is no bound.
CREATE TABLE tenant_limits (
    tenant_id TEXT PRIMARY KEY NOT NULL,
    jobs_at_once BIGINT,
    jobs_per_day BIGINT,
    micro_usd_per_month BIGINT,
    storage_bytes BIGINT,
    updated_at BIGINT NOT NULL
);

-- What a tenant used on a day (UTC, days since 1970), in jobs that were accepted and millionths of a US dollar. What
-- was counted stays when jobs and projects are removed.
CREATE TABLE usage_days (
    tenant_id TEXT NOT NULL,
    day BIGINT NOT NULL,
    jobs BIGINT NOT NULL DEFAULT 0,
    micro_usd BIGINT NOT NULL DEFAULT 0,
    task_micro_usd BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, day)
);

-- The number of the turn that a tenant had last. The row without a tenant has that of the last turn of all, and
-- whoever gives the next one holds it.
CREATE TABLE turns (
    tenant_id TEXT PRIMARY KEY NOT NULL,
    number BIGINT NOT NULL
);

-- Requests that are answered once, whoever repeats them.
CREATE TABLE idempotency_keys (
    tenant_id TEXT NOT NULL,
    name TEXT NOT NULL,
    -- SHA-256 of what was asked.
    hash TEXT NOT NULL,
    -- The status of the answer, and the id of what it is about.
    status BIGINT NOT NULL,
    result_id TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, name)
);

CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);

-- Whose turn it is follows from what waits and runs of each tenant, which is asked every second.
CREATE INDEX jobs_in_turn ON jobs (state, tenant_id, id);
