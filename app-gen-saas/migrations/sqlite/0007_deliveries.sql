-- A delivery is the state of a version at a target: it can be repeated, and is the same row then.
CREATE TABLE deliveries (
    id TEXT PRIMARY KEY NOT NULL,
    project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    version BIGINT NOT NULL,
    commit_id TEXT NOT NULL,
    -- Where to, as JSON; and what no two targets have in common.
    target TEXT NOT NULL,
    place TEXT NOT NULL,
    -- pending, delivered, failed or outdated. One that is pending has a job that has not ended.
    state TEXT NOT NULL,
    -- How often it was asked for, and the job of the last time.
    attempts BIGINT NOT NULL DEFAULT 1,
    job_id TEXT NOT NULL,
    -- Whether that job looks only, and changes nothing.
    check_only BIGINT NOT NULL DEFAULT 0,
    -- Where people find it, and the commit that was seen there last.
    url TEXT,
    shown_commit TEXT,
    -- Why it failed, or is outdated.
    error TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE UNIQUE INDEX deliveries_of_versions ON deliveries (project_id, version, place);
-- One at a time for each target.
CREATE UNIQUE INDEX deliveries_pending ON deliveries (place) WHERE state = 'pending';
CREATE INDEX deliveries_by_job ON deliveries (job_id);
