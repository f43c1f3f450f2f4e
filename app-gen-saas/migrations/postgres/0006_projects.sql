-- A project is an application over time. Its versions are commits; their files and history are in the object
-- store below projects/<project>/<folder>, and outlive the job that made them.
CREATE TABLE projects (
    id TEXT PRIMARY KEY NOT NULL,
    name TEXT NOT NULL,
    -- Part of addresses and names elsewhere: it stays when the name changes.
    slug TEXT NOT NULL UNIQUE,
    -- The name as it is searched: in lower case.
    searched_name TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    archived_at BIGINT,
    -- Once set, nothing sees the project any more, and what belongs to it is being removed.
    deleted_at BIGINT,
    -- What its jobs cost that have ended, in millionths of a US dollar.
    used_micro_usd BIGINT NOT NULL DEFAULT 0,
    used_task_micro_usd BIGINT NOT NULL DEFAULT 0
);

CREATE TABLE versions (
    project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    -- From 1, without gaps.
    number BIGINT NOT NULL,
    -- The version that it was made from.
    parent BIGINT,
    commit_id TEXT NOT NULL,
    -- Name of the folder of its files: the id of the job that made them.
    folder TEXT NOT NULL,
    -- The job that made it a version, and what that was asked.
    job_id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    description TEXT NOT NULL,
    provider TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    size_bytes BIGINT NOT NULL,
    sha256 TEXT NOT NULL,
    -- What the checks of its files came to. JSON.
    checks TEXT NOT NULL,
    PRIMARY KEY (project_id, number)
);

-- The version before does not know of projects, so that nothing here may keep it from removing rows.
ALTER TABLE jobs ADD COLUMN project_id TEXT;
-- create, change or restore.
ALTER TABLE jobs ADD COLUMN kind TEXT NOT NULL DEFAULT 'create';
-- The version that it begins with, once that is known.
ALTER TABLE jobs ADD COLUMN start_version BIGINT;
-- The commit of its result.
ALTER TABLE jobs ADD COLUMN artifact_commit TEXT;

CREATE INDEX jobs_by_project ON jobs (project_id, id);
