-- A preview stands for itself: it belongs to a pull request, or was made by hand. What is yet to
-- be done for it in the cluster is kept here; the columns work_* of pull_requests are no longer
-- used.
CREATE TABLE previews (
    -- The pull request's id, or that of the only row where it was made by hand.
    id                TEXT PRIMARY KEY NOT NULL,
    pull_request_id   TEXT UNIQUE REFERENCES pull_requests (id) ON DELETE CASCADE,
    repo_id           TEXT NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
    created_at        TIMESTAMPTZ NOT NULL,
    updated_at        TIMESTAMPTZ NOT NULL,

    -- One worker at a time.
    work_due_at       TIMESTAMPTZ,
    work_tries        BIGINT NOT NULL DEFAULT 0,
    work_error        TEXT,
    work_locked_by    TEXT,
    work_locked_until TIMESTAMPTZ,
    work_given_up_at  TIMESTAMPTZ
);
CREATE INDEX idx_preview_repository ON previews (repo_id);
CREATE INDEX idx_preview_work ON previews (COALESCE(work_due_at, work_locked_until))
    WHERE COALESCE(work_due_at, work_locked_until) IS NOT NULL;
CREATE INDEX idx_preview_given_up ON previews (work_given_up_at) WHERE work_given_up_at IS NOT NULL;

INSERT INTO previews (id, pull_request_id, repo_id, created_at, updated_at, work_due_at, work_tries,
    work_error, work_locked_by, work_locked_until, work_given_up_at)
SELECT q.id, q.id, q.repo_id, q.created_at, q.updated_at, q.work_due_at, q.work_tries, q.work_error,
    q.work_locked_by, q.work_locked_until, q.work_given_up_at
FROM pull_requests q
WHERE EXISTS (SELECT 1 FROM pull_request_pods p WHERE p.pull_request_id = q.id);

-- Always set; a column that is added to a table cannot say so.
ALTER TABLE pull_request_pods ADD COLUMN preview_id TEXT REFERENCES previews (id) ON DELETE CASCADE;
-- The port that an image listens on, where that was said.
ALTER TABLE pull_request_pods ADD COLUMN port BIGINT;
UPDATE pull_request_pods SET preview_id = pull_request_id;
CREATE UNIQUE INDEX unique_preview_current ON pull_request_pods (preview_id) WHERE is_current;
CREATE INDEX idx_pod_preview ON pull_request_pods (preview_id);
-- No two that were made by hand are in one place.
CREATE UNIQUE INDEX unique_manual_namespace ON pull_request_pods (namespace)
    WHERE source = 'manual' AND deleted_at IS NULL;

DROP INDEX idx_pull_request_work;
DROP INDEX idx_pull_request_given_up;
