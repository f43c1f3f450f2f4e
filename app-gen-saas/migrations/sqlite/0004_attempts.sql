-- A job is one attempt after the other: each has a task, a spec and a log of its own. While a job waits,
-- nobody follows it: it has no owner, and a lease that never ends keeps the version before from it.
ALTER TABLE jobs ADD COLUMN attempt BIGINT NOT NULL DEFAULT 1;
-- generator_sequence and launch_attempt as they were before the present attempt.
ALTER TABLE jobs ADD COLUMN attempt_after_sequence BIGINT NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN attempt_after_launch BIGINT NOT NULL DEFAULT 0;
-- When the present attempt was claimed.
ALTER TABLE jobs ADD COLUMN attempt_started_at BIGINT;
ALTER TABLE jobs ADD COLUMN interruptions BIGINT NOT NULL DEFAULT 0;
-- What a job waits for, and when it goes on by itself; the person's last decision. JSON.
ALTER TABLE jobs ADD COLUMN waiting TEXT;
ALTER TABLE jobs ADD COLUMN resume_at BIGINT;
ALTER TABLE jobs ADD COLUMN decision TEXT;
-- The last checkpoint, from which the next attempt goes on. JSON.
ALTER TABLE jobs ADD COLUMN checkpoint TEXT;
-- Budget and approvals that the job was submitted with. JSON.
ALTER TABLE jobs ADD COLUMN wishes TEXT;
-- What all attempts used.
ALTER TABLE jobs ADD COLUMN used_micro_usd BIGINT NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN used_tokens BIGINT NOT NULL DEFAULT 0;
-- Those of them for whose model no price is known.
ALTER TABLE jobs ADD COLUMN used_unpriced_tokens BIGINT NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN used_iterations BIGINT NOT NULL DEFAULT 0;
-- Of attempts that have ended.
ALTER TABLE jobs ADD COLUMN used_millis BIGINT NOT NULL DEFAULT 0;

-- Attempts that have ended.
CREATE TABLE attempts (
    job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    number BIGINT NOT NULL,
    started_at BIGINT NOT NULL,
    ended_at BIGINT NOT NULL,
    -- The type of the last event, or the state in which the job ended with this attempt.
    ending TEXT NOT NULL,
    detail TEXT,
    -- approved, rejected or deferred, once a person decided.
    decision TEXT,
    PRIMARY KEY (job_id, number)
);
