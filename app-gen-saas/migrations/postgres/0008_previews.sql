-- A preview runs a version for whoever knows its name, until its time is over.
CREATE TABLE previews (
    id TEXT PRIMARY KEY NOT NULL,
    project_id TEXT NOT NULL,
    version BIGINT NOT NULL,
    -- What the version is: its commit, and the place, size and digest of its zip file.
    commit_id TEXT NOT NULL,
    folder TEXT NOT NULL,
    size_bytes BIGINT NOT NULL,
    sha256 TEXT NOT NULL,
    -- The first label of the name of its host, which nobody can guess.
    label TEXT NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    -- How far its start is.
    phase TEXT,
    -- Why it ended, or what its start waits for.
    reason TEXT,
    ready_at BIGINT,
    -- Nobody gets to it any more.
    ended_at BIGINT,
    -- Its task has ended, too.
    gone_at BIGINT,
    -- How often a task was started, or may have been. The outcome of an unclear try was not kept.
    tries BIGINT NOT NULL DEFAULT 0,
    unclear BIGINT NOT NULL DEFAULT 0,
    task TEXT,
    task_handle TEXT,
    task_at BIGINT,
    -- Where the application is, for the orchestrator alone.
    address TEXT,
    -- Who looks after it at this moment, and when somebody is to look again.
    owner TEXT,
    lease_expires_at BIGINT NOT NULL DEFAULT 0,
    next_step_at BIGINT NOT NULL DEFAULT 0
);

CREATE INDEX previews_by_version ON previews (project_id, version, created_at);
CREATE INDEX previews_by_end ON previews (gone_at, next_step_at);

-- Whoever begins a preview counts them first, one after the other.
CREATE TABLE preview_turns (
    id BIGINT PRIMARY KEY NOT NULL,
    number BIGINT NOT NULL
);
