-- What the present attempt took of its task, and what an attempt took that has ended. JSON.
ALTER TABLE jobs ADD COLUMN resources TEXT;
ALTER TABLE attempts ADD COLUMN resources TEXT;
-- What an hour of the present attempt's task costs, in millionths of a US dollar, where that is known.
ALTER TABLE jobs ADD COLUMN task_micro_usd_per_hour BIGINT;
-- What the tasks of attempts cost that have ended.
ALTER TABLE jobs ADD COLUMN used_task_micro_usd BIGINT NOT NULL DEFAULT 0;
