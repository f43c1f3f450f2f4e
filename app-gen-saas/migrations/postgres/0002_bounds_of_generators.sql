-- Bytes of all event bodies of the job's generator.
ALTER TABLE jobs ADD COLUMN event_bytes BIGINT NOT NULL DEFAULT 0;
-- How many orchestrators in a row died while they took lines of the generator's log; one more while
-- lines are being taken.
ALTER TABLE jobs ADD COLUMN reading_deaths BIGINT NOT NULL DEFAULT 0;
