-- Files that people uploaded, to be attached to jobs. A job takes a copy along, so that an upload is removed
-- after some time whether it was used or not; its bytes are in the object store below attachments/<id>.
CREATE TABLE uploads (
    id TEXT PRIMARY KEY NOT NULL,
    name TEXT NOT NULL,
    media_type TEXT NOT NULL,
    size_bytes BIGINT NOT NULL,
    sha256 TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE INDEX uploads_by_age ON uploads (created_at);

-- Applications to begin new ones with. Each has a copy of the history of the version that it was made of, in
-- the object store below templates/<id>/<folder>, so that it outlives that version's project.
CREATE TABLE templates (
    id TEXT PRIMARY KEY NOT NULL,
    name TEXT NOT NULL,
    -- Name and description as they are searched: in lower case.
    searched_text TEXT NOT NULL,
    description TEXT NOT NULL,
    -- The version that it was made of. It may be gone.
    project_id TEXT NOT NULL,
    version BIGINT NOT NULL,
    commit_id TEXT NOT NULL,
    folder TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    -- Once set, nothing sees the template any more, and its objects are being removed.
    deleted_at BIGINT
);

-- Every folder of a template, written down before anything is in it: what no template has is removed after an
-- hour, whatever ended its making.
CREATE TABLE template_folders (
    folder TEXT PRIMARY KEY NOT NULL,
    template_id TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
