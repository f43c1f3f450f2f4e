-- Times are milliseconds since 1970 (UTC). The same tables as migrations/sqlite.

CREATE TABLE jobs (
    id TEXT PRIMARY KEY NOT NULL,
    description TEXT NOT NULL,
    provider TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT,
    launcher TEXT NOT NULL,
    -- What people know the task by: a process id or a task ARN.
    task TEXT,
    -- What the launcher finds the task by; written as soon as it is known.
    task_handle TEXT,
    -- Counts up before every try to start the task, so that a try can be found again.
    launch_attempt BIGINT NOT NULL DEFAULT 0,
    created_at BIGINT NOT NULL,
    started_at BIGINT,
    finished_at BIGINT,
    -- Last number of the job's own stream, and of the generator's.
    last_sequence BIGINT NOT NULL DEFAULT 0,
    generator_sequence BIGINT NOT NULL DEFAULT 0,
    -- Where in the generator's log the next line begins; the launcher's own notation.
    log_position TEXT,
    -- What the generator's last event says: succeeded or failed, with its text.
    outcome TEXT,
    outcome_text TEXT,
    -- Once set, the task is being stopped and the job ends in this state.
    stop_state TEXT,
    stop_reason TEXT,
    artifact_name TEXT,
    artifact_size_bytes BIGINT,
    artifact_sha256 TEXT,
    -- Who follows the job, until when.
    owner TEXT,
    lease_expires_at BIGINT NOT NULL DEFAULT 0
);

CREATE INDEX jobs_by_state ON jobs (state, id);
-- Orchestrators look for orphans every second, however many jobs there were.
CREATE INDEX jobs_unfinished ON jobs (lease_expires_at) WHERE finished_at IS NULL;

CREATE TABLE events (
    job_id TEXT NOT NULL REFERENCES jobs (id),
    sequence BIGINT NOT NULL,
    -- The generator's own number; the orchestrator's events have none.
    generator_sequence BIGINT,
    time TEXT NOT NULL,
    type TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (job_id, sequence),
    UNIQUE (job_id, generator_sequence)
);
