-- The id of the HTTP request that a delivery came with, and that a preview's commit was asked for
-- by: what the logs of all parts have in common.
ALTER TABLE deliveries ADD COLUMN request_id TEXT;
ALTER TABLE pull_request_pods ADD COLUMN request_id TEXT;

-- The cluster that a project is in, and that a preview was made in. Null: the default one.
ALTER TABLE projects ADD COLUMN cluster TEXT;
ALTER TABLE pull_request_pods ADD COLUMN cluster TEXT;
