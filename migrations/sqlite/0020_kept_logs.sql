-- The end of what a container wrote, kept when its pod goes.
CREATE TABLE kept_logs (
    id          TEXT PRIMARY KEY NOT NULL,
    preview_id  TEXT NOT NULL,
    pod         TEXT NOT NULL,
    container   TEXT NOT NULL,
    -- Whether the container ran before the others, to its end.
    init        BOOLEAN NOT NULL DEFAULT FALSE,
    -- What the pod did for Catalyst itself; null for the project's own pods.
    job         TEXT,
    -- The commit that it ran.
    commit_sha  TEXT,
    kept_at     TEXT NOT NULL,
    -- Bytes before and after compression.
    size        BIGINT NOT NULL,
    stored      BIGINT NOT NULL,
    -- Whether there was more before it.
    cut         BOOLEAN NOT NULL,
    -- gzip of lines, each with its time before it.
    content     BLOB NOT NULL,
    UNIQUE (preview_id, pod, container)
);
CREATE INDEX idx_kept_logs_kept_at ON kept_logs (kept_at);
