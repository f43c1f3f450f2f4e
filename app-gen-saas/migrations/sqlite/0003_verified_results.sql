-- The object whose bytes were compared with the SHA-256 of the result, as the store tells it from others.
ALTER TABLE jobs ADD COLUMN artifact_e_tag TEXT;

-- Jobs that ended long ago are looked for every hour.
CREATE INDEX jobs_by_end ON jobs (finished_at);
