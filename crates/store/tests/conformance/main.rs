//! What a store guarantees, tried on both databases: every case is a test on SQLite and one on
//! PostgreSQL.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test fails by failing"
)]

/// Makes of each named case, a function of a fresh store, a test on either database.
macro_rules! on_both_databases {
    ($($case:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::$case(catalyst_testkit::store::TemporaryStore::sqlite().await).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::$case(catalyst_testkit::store::TemporaryStore::postgres().await).await;
            })*
        }
    };
}

mod access;
mod deliveries;
mod deployments;
mod given;
mod identity;
mod kept_logs;
mod leases;
mod listing;
mod manual;
mod opening;
mod previews;
mod projects;
mod pull_requests;
mod secrets;
mod work;
