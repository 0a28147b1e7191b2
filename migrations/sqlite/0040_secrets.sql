-- Values that previews get as environment variables, encrypted by Catalyst before they come here.
-- A secret belongs to a team, to a project, to a project's template (the type of its Environments),
-- or to one Environment of a project by its name.
CREATE TABLE secrets (
    id              TEXT PRIMARY KEY NOT NULL,
    team_id         TEXT NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
    project_id      TEXT REFERENCES projects (id) ON DELETE CASCADE,
    template        TEXT,
    environment     TEXT,
    name            TEXT NOT NULL,
    description     TEXT,
    -- AES-256-GCM, in hexadecimal: the ciphertext, its 16 bytes of nonce and its tag.
    encrypted_value TEXT NOT NULL,
    iv              TEXT NOT NULL,
    auth_tag        TEXT NOT NULL,
    -- Tells which key it was encrypted with, and nothing about the key.
    key_id          TEXT NOT NULL,
    created_at      TEXT NOT NULL,
    updated_at      TEXT NOT NULL,
    updated_by      TEXT NOT NULL,
    CHECK (project_id IS NOT NULL OR (template IS NULL AND environment IS NULL)),
    CHECK (template IS NULL OR environment IS NULL)
);
CREATE UNIQUE INDEX unique_team_secret ON secrets (team_id, name)
    WHERE project_id IS NULL;
CREATE UNIQUE INDEX unique_project_secret ON secrets (project_id, name)
    WHERE project_id IS NOT NULL AND template IS NULL AND environment IS NULL;
CREATE UNIQUE INDEX unique_template_secret ON secrets (project_id, template, name)
    WHERE template IS NOT NULL;
CREATE UNIQUE INDEX unique_environment_secret ON secrets (project_id, environment, name)
    WHERE environment IS NOT NULL;
