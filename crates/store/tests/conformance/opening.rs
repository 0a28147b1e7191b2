use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use catalyst_store::{SessionPool, Store, StoreError};
use catalyst_testkit::store::TemporaryStore;
use sqlx::{Connection, Executor};

use crate::given;

on_both_databases!(
    opening_a_store_again_keeps_what_it_holds,
    a_store_answers_a_ping,
    a_closed_store_says_that_it_does_not_answer,
    a_call_that_is_dropped_half_way_leaves_no_half_of_it,
);

async fn opening_a_store_again_keeps_what_it_holds(store: TemporaryStore) {
    let preview = given::requested(&store, &given::some_pull_request(&store).await, 'a').await;
    for _ in 0..3 {
        let again = Store::connect(store.url()).await.unwrap();
        assert_eq!(again.preview(&preview.id).await.unwrap().unwrap(), preview);
        again.close().await;
    }
}

async fn a_store_answers_a_ping(store: TemporaryStore) {
    store.ping().await.unwrap();
}

async fn a_closed_store_says_that_it_does_not_answer(store: TemporaryStore) {
    store.close().await;
    let error = store.ping().await.unwrap_err();
    assert!(error.retry_after().is_some(), "{error:?}");
}

async fn a_call_that_is_dropped_half_way_leaves_no_half_of_it(store: TemporaryStore) {
    let repository = given::project(&store, "acme", "shop", &["acme/shop"]).await;
    for number in 1..=60 {
        let pull_request = given::pull_request(&store, &repository, number).await;
        let wish = given::wish(&pull_request, 'a');
        let patience = Duration::from_micros(100 * number);
        drop(tokio::time::timeout(patience, store.request_preview(&wish)).await);
        // A row without its deployment would be taken for a request that was granted before.
        store.request_preview(&wish).await.unwrap();
        let deployments = store.deployments(&pull_request.id).await.unwrap();
        assert_eq!(deployments.len(), 1);
    }
}

async fn open_at_once(url: String) {
    let opened = (0..8).map(|_| {
        let url = url.clone();
        tokio::spawn(async move { Store::connect(&url).await })
    });
    for store in opened.collect::<Vec<_>>() {
        store.await.unwrap().unwrap().ping().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn several_processes_can_make_the_same_sqlite_file_at_once() {
    let folder = tempfile::tempdir().unwrap();
    open_at_once(format!("sqlite:{}/new.db", folder.path().display())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_processes_can_fill_the_same_postgres_database_at_once() {
    open_at_once(catalyst_testkit::postgres::fresh_database().await).await;
}

#[tokio::test]
async fn another_process_that_writes_makes_the_store_wait_and_not_fail() {
    let store = TemporaryStore::sqlite().await;
    let path = store.url().strip_prefix("sqlite:").unwrap();
    let mut other = sqlx::SqliteConnection::connect(path).await.unwrap();
    other.execute("BEGIN IMMEDIATE").await.unwrap();
    let own = (*store).clone();
    let mut waiting = tokio::spawn(async move { own.local_user("local").await });
    let early = tokio::time::timeout(Duration::from_millis(200), &mut waiting).await;
    assert!(early.is_err(), "{early:?}");
    other.execute("COMMIT").await.unwrap();
    waiting.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_store_recovers_when_postgres_cuts_its_connections() {
    let store = TemporaryStore::postgres().await;
    given::some_pull_request(&store).await;
    let mut admin = sqlx::PgConnection::connect(store.url()).await.unwrap();
    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
               WHERE datname = current_database() AND pid <> pg_backend_pid()";
    admin.execute(cut).await.unwrap();
    given::some_pull_request(&store).await;
}

#[tokio::test]
async fn only_its_owner_can_read_a_sqlite_store() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/catalyst.db", folder.path().display());
    let store = Store::connect(&url).await.unwrap();
    given::some_pull_request(&store).await;
    let files: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert!(files.len() >= 2, "the write-ahead log is there too");
    for file in files {
        let file = file.unwrap();
        let mode = file.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", file.path());
    }
}

#[tokio::test]
async fn a_url_of_another_kind_is_refused_and_no_password_is_shown() {
    for url in [
        "",
        "catalyst.db",
        "mysql://root:hunter2@localhost/catalyst",
        "sqlite::memory:",
        "sqlite:",
        "redis://localhost/?password=hunter2",
    ] {
        let error = Store::connect(url).await.unwrap_err();
        assert!(matches!(error, StoreError::Url { .. }), "{url}: {error:?}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
    let error = Store::connect("postgres://catalyst:hunter2@127.0.0.1:1/catalyst")
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::Open { .. }), "{error:?}");
    assert!(
        !format!("{error:?} {error}").contains("hunter2"),
        "{error:?}"
    );
}

#[tokio::test]
async fn sessions_are_kept_in_sqlite() {
    use tower_sessions_sqlx_store::SqliteStore;
    let store = TemporaryStore::sqlite().await;
    let SessionPool::Sqlite(pool) = store.session_pool() else {
        panic!("{:?}", store.session_pool());
    };
    sessions_are_kept(SqliteStore::new(pool).with_table_name("sessions").unwrap()).await;
}

#[tokio::test]
async fn sessions_are_kept_in_postgres() {
    use tower_sessions_sqlx_store::PostgresStore;
    let store = TemporaryStore::postgres().await;
    let SessionPool::Postgres(pool) = store.session_pool() else {
        panic!("{:?}", store.session_pool());
    };
    let sessions = PostgresStore::new(pool)
        .with_schema_name("public")
        .and_then(|sessions| sessions.with_table_name("sessions"));
    sessions_are_kept(sessions.unwrap()).await;
}

async fn sessions_are_kept(sessions: impl tower_sessions::ExpiredDeletion) {
    use tower_sessions::session::{Id, Record};
    let expiry = |seconds| time::OffsetDateTime::now_utc() + time::Duration::seconds(seconds);
    let record = |seconds| Record {
        id: Id::default(),
        data: [("user".to_owned(), "octocat".into())].into(),
        expiry_date: expiry(seconds),
    };
    let (mut live, mut dead) = (record(60), record(-60));
    sessions.create(&mut live).await.unwrap();
    sessions.create(&mut dead).await.unwrap();
    sessions.delete_expired().await.unwrap();
    let found = sessions.load(&live.id).await.unwrap().unwrap();
    assert_eq!(found.data, live.data);
    assert!(sessions.load(&dead.id).await.unwrap().is_none());
    sessions.delete(&live.id).await.unwrap();
    assert!(sessions.load(&live.id).await.unwrap().is_none());
}
