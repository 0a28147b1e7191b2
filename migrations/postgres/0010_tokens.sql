-- What programs prove with whom they act for. Only a hash of the token's secret is kept.
CREATE TABLE api_tokens (
    id           TEXT PRIMARY KEY NOT NULL,
    user_id      TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name         TEXT NOT NULL,
    hash         TEXT NOT NULL UNIQUE,
    scope        TEXT NOT NULL CHECK (scope IN ('read', 'write')),
    -- Null: all teams of the user's.
    team_id      TEXT REFERENCES teams (id) ON DELETE CASCADE,
    created_at   TIMESTAMPTZ NOT NULL,
    expires_at   TIMESTAMPTZ NOT NULL,
    last_used_at TIMESTAMPTZ
);
CREATE INDEX idx_token_user ON api_tokens (user_id, created_at);

-- Logins are looked up as GitHub compares them: whatever their case.
CREATE INDEX idx_user_login ON users (lower(login));
CREATE INDEX idx_membership_team ON memberships (team_id);
