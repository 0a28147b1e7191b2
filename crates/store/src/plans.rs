//! The statements that run often find their rows by an index, on both databases.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test fails by failing"
)]

use catalyst_model::state::PreviewStatus;
use catalyst_model::views::{PreviewFilter, PreviewOrder, PreviewSource};
use sqlx::{Executor, QueryBuilder, Row};

use crate::database::Database;
use crate::listing::{Scope, push_counts, push_page};
use crate::{Store, deliveries, values, work};

/// Enough rows for a planner to care: 20 teams, 4,000 pull requests with two commits each, and
/// 4,000 deliveries, of which one in ten waits.
const ROWS: [&str; 9] = [
    "INSERT INTO teams (id, name, created_at)
     WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20)
     SELECT 't' || i, 'team-' || i, TIME FROM n",
    "INSERT INTO projects (id, team_id, name, created_at, updated_at)
     SELECT 'p' || id, id, 'shop', TIME, TIME FROM teams",
    "INSERT INTO repositories (id, team_id, project_id, github_id, full_name, full_name_key,
         source, position, clone_url, branch, created_at, updated_at)
     SELECT 'r' || id, id, 'p' || id, NULL, name || '/shop', name || '/shop', 'primary', 0, '',
         'main', TIME, TIME FROM teams",
    "INSERT INTO pull_requests (id, repo_id, provider_pr_id, number, title, author, url, state,
         status, head_sha, head_ref, is_fork, provider_updated_at, created_at, updated_at)
     WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4000)
     SELECT 'q' || i, 'rt' || (i % 20 + 1), '' || i, i, 'Change', 'octocat', '', 'open', 'ready',
         'a', 'topic', FALSE, TIME, TIME, TIME FROM n",
    "INSERT INTO previews (id, pull_request_id, repo_id, created_at, updated_at)
     SELECT id, id, repo_id, TIME, TIME FROM pull_requests",
    "INSERT INTO pull_request_pods (id, pull_request_id, preview_id, commit_sha, namespace,
         deployment_name, status, branch, team_id, is_current, created_at, updated_at)
     SELECT q.id || c.sha, q.id, q.id, c.sha, 'ns-' || q.number, 'preview', 'running', 'topic',
         r.team_id, c.sha = 'b', TIME, TIME
     FROM pull_requests q JOIN repositories r ON r.id = q.repo_id,
         (SELECT 'a' AS sha UNION ALL SELECT 'b') c",
    "INSERT INTO deliveries (id, event, lane, received_at, next_attempt_at, processed_at)
     SELECT 'd' || number, 'push', 'lane-' || (number % 100), TIME, TIME,
         CASE number % 10 WHEN 0 THEN NULL ELSE TIME END
     FROM pull_requests",
    "UPDATE previews SET work_due_at = TIME
     WHERE id IN (SELECT id FROM pull_requests WHERE number % 100 = 0)",
    "INSERT INTO users (id, login, created_at, updated_at) VALUES ('u', 'local', TIME, TIME)",
];

const SQLITE_TIME: &str = "'2025-06-15T15:06:40+00:00'";
const POSTGRES_TIME: &str = "TIMESTAMPTZ '2025-06-15T15:06:40+00:00'";

/// Without statistics, as a store that Catalyst itself made.
async fn sqlite() -> (Store, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}/plans.db", folder.path().display());
    let store = Store::connect(&url).await.unwrap();
    if let Database::Sqlite { writer, .. } = &store.database {
        for rows in ROWS {
            writer
                .execute(rows.replace("TIME", SQLITE_TIME).as_str())
                .await
                .unwrap();
        }
    }
    (store, folder)
}

async fn postgres() -> Store {
    let url = catalyst_testkit::postgres::fresh_database().await;
    let store = Store::connect(&url).await.unwrap();
    if let Database::Postgres(pool) = &store.database {
        for rows in ROWS {
            pool.execute(rows.replace("TIME", POSTGRES_TIME).as_str())
                .await
                .unwrap();
        }
        pool.execute("ANALYZE").await.unwrap();
    }
    store
}

/// How the database means to run what is pushed onto the query.
macro_rules! plan {
    ($store:expr, |$query:ident| $push:expr) => {
        match &$store.database {
            Database::Sqlite { readers, .. } => {
                let mut $query = QueryBuilder::<sqlx::Sqlite>::new("EXPLAIN QUERY PLAN ");
                $push;
                let rows = $query.build().fetch_all(readers).await.unwrap();
                let steps = rows.iter().map(|row| row.get::<String, _>("detail"));
                steps.collect::<Vec<_>>().join("\n")
            }
            Database::Postgres(pool) => {
                let mut $query = QueryBuilder::<sqlx::Postgres>::new("EXPLAIN ");
                $push;
                // A planner that is free to choose would read small tables whole.
                let mut tx = pool.begin().await.unwrap();
                tx.execute("SET LOCAL enable_seqscan = off").await.unwrap();
                let rows = $query.build().fetch_all(&mut *tx).await.unwrap();
                let lines = rows.iter().map(|row| row.get::<String, _>(0));
                lines.collect::<Vec<_>>().join("\n")
            }
        }
    };
}

/// Fails where the plan does not use the index, or reads a whole table that grows.
fn uses(plan: &str, index: &str) {
    assert!(plan.contains(index), "{index} is not used:\n{plan}");
    for step in plan.lines() {
        let reads_all =
            step.contains("Seq Scan") || (step.starts_with("SCAN") && !step.contains("INDEX"));
        assert!(!reads_all, "a whole table is read:\n{plan}");
    }
}

async fn the_list_uses_its_indexes(store: &Store) {
    let teams = ["team-3".to_owned()];
    let present = PreviewFilter::default();
    let running = PreviewFilter {
        statuses: vec![PreviewStatus::Running],
        ..PreviewFilter::default()
    };
    let removed = PreviewFilter {
        removed: true,
        ..PreviewFilter::default()
    };
    let plan = plan!(store, |query| push_page(&mut query, Scope::All, &present));
    uses(&plan, "idx_pod_present");
    let sorts = plan.contains("B-TREE") || plan.contains("Sort");
    assert!(!sorts, "the index gives the order:\n{plan}");
    let plan = plan!(store, |query| push_page(
        &mut query,
        Scope::Teams(&teams),
        &present
    ));
    uses(&plan, "idx_pod_team");
    let plan = plan!(store, |query| push_page(&mut query, Scope::All, &running));
    uses(&plan, "idx_pod_");
    let plan = plan!(store, |query| push_page(&mut query, Scope::All, &removed));
    uses(&plan, "idx_pod_removed");
    let plan = plan!(store, |query| push_counts(&mut query, Scope::Teams(&teams)));
    uses(&plan, "idx_pod_team");
    for order in [PreviewOrder::Status, PreviewOrder::Title, PreviewOrder::Age] {
        let ordered = PreviewFilter {
            order,
            offset: 50,
            limit: 50,
            ..PreviewFilter::default()
        };
        let plan = plan!(store, |query| push_page(
            &mut query,
            Scope::Teams(&teams),
            &ordered
        ));
        uses(&plan, "idx_pod_team");
    }
    let by_hand = PreviewFilter {
        source: Some(PreviewSource::Manual),
        ..PreviewFilter::default()
    };
    let plan = plan!(store, |query| push_page(
        &mut query,
        Scope::Teams(&teams),
        &by_hand
    ));
    uses(&plan, "idx_pod_");
}

async fn the_queues_use_their_indexes(store: &Store) {
    let now = values::now();
    let push_time = |sql: &'static str| sql.split_once("$1").unwrap();
    for (sql, indexes) in [
        (
            deliveries::CLAIMABLE,
            &["idx_delivery_due", "idx_delivery_lane"][..],
        ),
        (work::CLAIMABLE, &["idx_preview_work"][..]),
    ] {
        let plan = plan!(store, |query| {
            let (mut before, mut rest) = push_time(sql);
            loop {
                query.push(before).push_bind(now);
                match rest.split_once("$1") {
                    Some(parts) => (before, rest) = parts,
                    None => break,
                }
            }
            query.push(rest)
        });
        for index in indexes {
            uses(&plan, index);
        }
    }
}

#[tokio::test]
async fn the_list_uses_its_indexes_on_sqlite() {
    let (store, _folder) = sqlite().await;
    the_list_uses_its_indexes(&store).await;
}

#[tokio::test]
async fn the_list_uses_its_indexes_on_postgres() {
    the_list_uses_its_indexes(&postgres().await).await;
}

#[tokio::test]
async fn the_queues_use_their_indexes_on_sqlite() {
    let (store, _folder) = sqlite().await;
    the_queues_use_their_indexes(&store).await;
}

#[tokio::test]
async fn the_queues_use_their_indexes_on_postgres() {
    the_queues_use_their_indexes(&postgres().await).await;
}
