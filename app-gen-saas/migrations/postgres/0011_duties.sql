-- What only one orchestrator does at a time, and until when: who is silent for longer has left it to others.
CREATE TABLE duties (
    name TEXT PRIMARY KEY NOT NULL,
    owner TEXT NOT NULL,
    lease_expires_at BIGINT NOT NULL
);
