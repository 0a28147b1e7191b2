-- What people asked for, and its history. Kept in step with ../postgres, table by table.
--
-- Times are RFC 3339 texts in UTC, always with "+00:00" at the end, so that they sort as texts.
-- Ids made by Catalyst are UUIDs as text.

CREATE TABLE users (
    id         TEXT PRIMARY KEY NOT NULL,
    -- Null for the one who runs Catalyst on their own machine.
    github_id  BIGINT UNIQUE,
    login      TEXT NOT NULL,
    -- Sees all teams, and the operators' page.
    operator   BOOLEAN NOT NULL DEFAULT FALSE,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
);
CREATE UNIQUE INDEX unique_local_login ON users (login) WHERE github_id IS NULL;

CREATE TABLE teams (
    id         TEXT PRIMARY KEY NOT NULL,
    name       TEXT NOT NULL UNIQUE,
    created_at TEXT NOT NULL
);

CREATE TABLE memberships (
    team_id TEXT NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    role    TEXT NOT NULL CHECK (role IN ('owner', 'admin', 'member')),
    PRIMARY KEY (user_id, team_id)
);

-- Links that sign one in once. Only a hash of the link's secret is kept.
CREATE TABLE sign_in_tokens (
    hash       TEXT PRIMARY KEY NOT NULL,
    user_id    TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    expires_at TEXT NOT NULL
);

-- The schema of tower-sessions-sqlx-store, which alone reads and writes it.
CREATE TABLE sessions (
    id          TEXT PRIMARY KEY NOT NULL,
    data        BLOB NOT NULL,
    expiry_date INTEGER NOT NULL
);

CREATE TABLE projects (
    id         TEXT PRIMARY KEY NOT NULL,
    team_id    TEXT NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
    name       TEXT NOT NULL,
    problem    TEXT,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    -- A project that is gone keeps its history.
    removed_at TEXT,
    UNIQUE (team_id, name)
);

CREATE TABLE repositories (
    id            TEXT PRIMARY KEY NOT NULL,
    team_id       TEXT NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
    project_id    TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    -- Learned from the first delivery; from then on it tells the repository, whatever its name.
    github_id     BIGINT,
    full_name     TEXT NOT NULL,
    -- full_name in lower case.
    full_name_key TEXT NOT NULL,
    source        TEXT NOT NULL,
    position      INTEGER NOT NULL,
    clone_url     TEXT NOT NULL,
    branch        TEXT NOT NULL,
    created_at    TEXT NOT NULL,
    updated_at    TEXT NOT NULL,
    removed_at    TEXT,
    CONSTRAINT unique_github_team UNIQUE (github_id, team_id),
    CONSTRAINT unique_name_team UNIQUE (full_name_key, team_id)
);
CREATE INDEX idx_repository_project ON repositories (project_id, position);

CREATE TABLE pull_requests (
    id                  TEXT PRIMARY KEY NOT NULL,
    repo_id             TEXT NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
    provider            TEXT NOT NULL DEFAULT 'github',
    provider_pr_id      TEXT NOT NULL,
    number              BIGINT NOT NULL,
    title               TEXT NOT NULL,
    author              TEXT NOT NULL,
    url                 TEXT NOT NULL,
    state               TEXT NOT NULL CHECK (state IN ('open', 'closed', 'merged')),
    status              TEXT NOT NULL CHECK (status IN ('draft', 'ready', 'changes_requested')),
    -- A JSON list of names.
    labels              TEXT NOT NULL DEFAULT '[]',
    head_sha            TEXT NOT NULL,
    head_ref            TEXT NOT NULL,
    -- Null once the fork is deleted.
    head_repository     TEXT,
    is_fork             BOOLEAN NOT NULL,
    -- The commit of a fork that a maintainer let run.
    approved_sha        TEXT,
    -- The commit whose preview a person removed; another commit brings the preview back.
    removed_sha         TEXT,
    -- The sticky comment.
    comment_id          BIGINT,
    -- GitHub's own time of the state above; older news never overwrite newer ones.
    provider_updated_at TEXT NOT NULL,
    created_at          TEXT NOT NULL,
    updated_at          TEXT NOT NULL,

    -- What Catalyst has yet to do in the cluster for the current preview: one worker at a time.
    work_due_at         TEXT,
    work_tries          INTEGER NOT NULL DEFAULT 0,
    work_error          TEXT,
    work_locked_by      TEXT,
    work_locked_until   TEXT,
    work_given_up_at    TEXT,
    CONSTRAINT unique_provider_pr UNIQUE (repo_id, provider, provider_pr_id)
);
CREATE INDEX idx_pull_request_number ON pull_requests (repo_id, number);
CREATE INDEX idx_pull_request_work ON pull_requests (COALESCE(work_due_at, work_locked_until))
    WHERE COALESCE(work_due_at, work_locked_until) IS NOT NULL;
CREATE INDEX idx_pull_request_given_up ON pull_requests (work_given_up_at)
    WHERE work_given_up_at IS NOT NULL;

CREATE TABLE pull_request_pods (
    id                  TEXT PRIMARY KEY NOT NULL,
    source              TEXT NOT NULL DEFAULT 'pull_request' CHECK (source IN ('pull_request', 'manual')),
    pull_request_id     TEXT REFERENCES pull_requests (id) ON DELETE CASCADE,
    created_by          TEXT REFERENCES users (id) ON DELETE SET NULL,
    commit_sha          TEXT NOT NULL,
    namespace           TEXT NOT NULL,
    -- The Environment's name.
    deployment_name     TEXT NOT NULL,
    status              TEXT NOT NULL
        CHECK (status IN ('pending', 'deploying', 'running', 'failed', 'deleting')),
    branch              TEXT NOT NULL,
    public_url          TEXT,
    image_tag           TEXT,
    -- What happens at the moment, or went wrong.
    error_message       TEXT,
    resources_allocated TEXT,
    expires_at          TEXT,
    last_deployed_at    TEXT,
    deleted_at          TEXT,
    created_at          TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now')),
    updated_at          TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now')),

    -- Denormalised from the repository: lists are by team.
    team_id             TEXT NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
    -- The newest commit asked for; the pull request's other rows are history.
    is_current          BOOLEAN NOT NULL DEFAULT TRUE,
    phase               TEXT,
    blocked             TEXT,
    serving_commit      TEXT,
    -- From 1, counted up by each retry of this commit.
    attempt             INTEGER NOT NULL DEFAULT 1,
    CONSTRAINT unique_pr_commit UNIQUE (pull_request_id, commit_sha)
);
CREATE INDEX idx_pod_status ON pull_request_pods (status);
CREATE INDEX idx_pod_namespace ON pull_request_pods (namespace);
CREATE INDEX idx_pod_source ON pull_request_pods (source);
CREATE INDEX idx_pod_expires_at ON pull_request_pods (expires_at);
CREATE UNIQUE INDEX unique_pr_current ON pull_request_pods (pull_request_id) WHERE is_current;
CREATE INDEX idx_pod_present ON pull_request_pods (updated_at DESC, id)
    WHERE is_current AND deleted_at IS NULL;
CREATE INDEX idx_pod_team ON pull_request_pods (team_id, updated_at DESC, id)
    WHERE is_current AND deleted_at IS NULL;
CREATE INDEX idx_pod_removed ON pull_request_pods (updated_at DESC, id)
    WHERE is_current AND deleted_at IS NOT NULL;

CREATE TABLE deployments (
    id          TEXT PRIMARY KEY NOT NULL,
    pod_id      TEXT NOT NULL REFERENCES pull_request_pods (id) ON DELETE CASCADE,
    attempt     INTEGER NOT NULL,
    result      TEXT NOT NULL
        CHECK (result IN ('deploying', 'ready', 'failed', 'superseded', 'cancelled')),
    message     TEXT,
    started_at  TEXT NOT NULL,
    finished_at TEXT
);
CREATE INDEX idx_deployment_pod ON deployments (pod_id, started_at);
CREATE INDEX idx_deployment_ready ON deployments (finished_at) WHERE result = 'ready';

CREATE TABLE deliveries (
    -- X-GitHub-Delivery
    id                   TEXT PRIMARY KEY NOT NULL,
    event                TEXT NOT NULL,
    action               TEXT,
    repository           TEXT,
    repository_key       TEXT,
    repository_github_id BIGINT,
    number               BIGINT,
    -- Deliveries of one lane are worked off one after the other.
    lane                 TEXT NOT NULL,
    -- As it arrived; null once it is processed.
    body                 BLOB,
    received_at          TEXT NOT NULL,
    next_attempt_at      TEXT NOT NULL,
    attempts             INTEGER NOT NULL DEFAULT 0,
    locked_by            TEXT,
    locked_until         TEXT,
    processed_at         TEXT,
    given_up             BOOLEAN NOT NULL DEFAULT FALSE,
    decision             TEXT,
    reason               TEXT,
    error                TEXT
);
CREATE INDEX idx_delivery_received ON deliveries (received_at);
CREATE INDEX idx_delivery_due ON deliveries (next_attempt_at, received_at) WHERE processed_at IS NULL;
CREATE INDEX idx_delivery_lane ON deliveries (lane, received_at, id) WHERE processed_at IS NULL;
CREATE INDEX idx_delivery_given_up ON deliveries (received_at) WHERE given_up;

-- What only one process may do at a time.
CREATE TABLE leases (
    name       TEXT PRIMARY KEY NOT NULL,
    holder     TEXT NOT NULL,
    expires_at TEXT NOT NULL
);

CREATE TABLE audit (
    id      TEXT PRIMARY KEY NOT NULL,
    at      TEXT NOT NULL,
    -- Kept when the user is not.
    user_id TEXT,
    actor   TEXT NOT NULL,
    action  TEXT NOT NULL,
    object  TEXT NOT NULL,
    details TEXT NOT NULL
);
CREATE INDEX idx_audit_at ON audit (at);
CREATE INDEX idx_audit_object ON audit (object, at);
