//! The two databases, and the one way in which statements reach them.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use sqlx::Connection;
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

use crate::error::StoreError;
use crate::write_ahead_log::WriteAheadLog;

static SQLITE_SCHEMA: Migrator = sqlx::migrate!("../../migrations/sqlite");
static POSTGRES_SCHEMA: Migrator = sqlx::migrate!("../../migrations/postgres");

/// How long a statement may wait for a connection or for another writer.
const PATIENCE: Duration = Duration::from_secs(10);
const READERS: u32 = 4;
const POSTGRES_CONNECTIONS: u32 = 16;

/// What people asked for, and its history. Cheap to clone; clones share their connections.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) database: Database,
}

#[derive(Debug, Clone)]
pub(crate) enum Database {
    /// One connection writes, so that writers queue here, in order, and SQLite never has to
    /// refuse one; the others read, and with a write-ahead log never wait for it.
    Sqlite {
        writer: SqlitePool,
        readers: SqlitePool,
        log: WriteAheadLog,
    },
    Postgres(PgPool),
}

/// The connections for tower-sessions' own store, whose table is `sessions` (on PostgreSQL in the
/// schema `public`). The table exists: its `migrate` need not be called.
#[derive(Debug, Clone)]
pub enum SessionPool {
    /// For `SqliteStore`.
    Sqlite(SqlitePool),
    /// For `PostgresStore`.
    Postgres(PgPool),
}

impl Store {
    /// Opens the database at `url` and brings it to the present schema.
    ///
    /// `sqlite:<path>` (the file is made where it is missing, readable by its owner alone; its
    /// folder must exist) or `postgres://user:password@host:port/database`. Safe to call from
    /// several processes at once.
    ///
    /// # Errors
    /// [`StoreError::Url`] for a URL of another kind; [`StoreError::Open`] where the database
    /// cannot be reached, or was written by a newer Catalyst.
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        let refused = |reason: &str| StoreError::Url {
            url: without_password(url),
            reason: reason.to_owned(),
        };
        let database = match url.split_once(':') {
            Some(("sqlite", _)) => {
                let path = sqlite_path(url)
                    .ok_or_else(|| refused("expected sqlite:PATH, the path of a file"))?;
                open_sqlite(&path).await
            }
            Some(("postgres" | "postgresql", _)) => open_postgres(url).await,
            _ => {
                return Err(refused(
                    "expected sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE",
                ));
            }
        };
        database
            .map(|database| Self { database })
            .map_err(|source| StoreError::Open {
                url: without_password(url),
                source,
            })
    }

    /// Answers when the database answers: for the readiness probe.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] where it does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        read!(self, "reach", "the database", |db| {
            sqlx::query_scalar::<_, i32>("SELECT 1").fetch_one(db).await
        })
        .map(drop)
    }

    /// The connections that browser sessions are kept with.
    #[must_use]
    pub fn session_pool(&self) -> SessionPool {
        match &self.database {
            Database::Sqlite { writer, .. } => SessionPool::Sqlite(writer.clone()),
            Database::Postgres(pool) => SessionPool::Postgres(pool.clone()),
        }
    }

    /// Closes every connection once what is under way is done; on SQLite this also folds the
    /// write-ahead log back into the file.
    pub async fn close(&self) {
        match &self.database {
            Database::Sqlite {
                writer, readers, ..
            } => {
                readers.close().await;
                writer.close().await;
            }
            Database::Postgres(pool) => pool.close().await,
        }
    }
}

impl Database {
    /// What makes a `SELECT` within an `UPDATE` pass over rows that another worker is just taking.
    /// SQLite needs no such words: it has one writer at a time.
    pub(crate) const fn skip_locked(&self, alias: &'static str) -> SkipLocked {
        match self {
            Self::Sqlite { .. } => SkipLocked(None),
            Self::Postgres(_) => SkipLocked(Some(alias)),
        }
    }
}

/// See [`Database::skip_locked`].
pub(crate) struct SkipLocked(Option<&'static str>);

impl std::fmt::Display for SkipLocked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(alias) => write!(f, "FOR UPDATE OF {alias} SKIP LOCKED"),
            None => Ok(()),
        }
    }
}

type OpenError = Box<dyn std::error::Error + Send + Sync>;

async fn open_sqlite(path: &Path) -> Result<Database, OpenError> {
    // One at a time: where several connections turn a new file to write-ahead logging at once,
    // SQLite refuses all but one of them at once, whatever their patience.
    let _alone = lock(folder_of(path)).await?;
    create_private_file(path)?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .foreign_keys(true)
        .journal_mode(SqliteJournalMode::Wal)
        // The rest of what a power cut asks for does `WriteAheadLog`.
        .synchronous(SqliteSynchronous::Normal)
        .busy_timeout(PATIENCE);
    // Connections stay: with the last one SQLite would remove the log that `WriteAheadLog` holds.
    let pool = SqlitePoolOptions::new()
        .acquire_timeout(PATIENCE)
        .idle_timeout(None)
        .max_lifetime(None);
    let writer = pool
        .clone()
        .max_connections(1)
        // A call that is dropped just as its transaction begins leaves it open (sqlx 0.8), as does a
        // full disk. Such a connection is closed, which undoes the transaction, and made anew.
        .before_acquire(|connection, _| {
            Box::pin(async move { Ok(!connection.is_in_transaction()) })
        })
        .connect_with(options.clone())
        .await?;
    // One transaction around all migrations: a second process waits, then finds them done.
    let mut tx = writer.begin_with("BEGIN IMMEDIATE").await?;
    // `run` is the same, but the compiler cannot see that its future is `Send` (rust-lang/rust#96865).
    SQLITE_SCHEMA.run_direct(&mut *tx).await?;
    tx.commit().await?;
    let readers = pool
        .max_connections(READERS)
        .connect_with(options.pragma("query_only", "ON"))
        .await?;
    Ok(Database::Sqlite {
        writer,
        readers,
        log: WriteAheadLog::of(path)?,
    })
}

async fn open_postgres(url: &str) -> Result<Database, OpenError> {
    let pool = PgPoolOptions::new()
        .max_connections(POSTGRES_CONNECTIONS)
        .acquire_timeout(PATIENCE)
        .connect_with(PgConnectOptions::from_str(url)?.application_name("catalyst"))
        .await?;
    POSTGRES_SCHEMA.run(&pool).await?;
    Ok(Database::Postgres(pool))
}

/// Waits until no other process holds this folder's lock; it ends with the file.
async fn lock(folder: &Path) -> std::io::Result<File> {
    let folder = File::open(folder)?;
    tokio::task::spawn_blocking(move || folder.lock().map(|()| folder))
        .await
        .map_err(std::io::Error::other)?
}

/// SQLite gives its `-wal` and `-shm` files the permissions of the database itself. A file that
/// exists is not opened: closing it would end the locks of this process's other connections
/// (<https://sqlite.org/howtocorrupt.html>, "POSIX advisory locks").
fn create_private_file(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
    let made = File::options()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(path);
    match made {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
        }
        made => made.map(drop),
    }
}

/// The folder that `path` lies in: the present one for a bare name.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

fn sqlite_path(url: &str) -> Option<PathBuf> {
    let path = url.strip_prefix("sqlite:")?;
    let path = path.strip_prefix("//").unwrap_or(path);
    let path = path.split('?').next()?;
    let is_a_file = !path.is_empty() && !path.contains(":memory:");
    is_a_file.then(|| PathBuf::from(path))
}

fn without_password(url: &str) -> String {
    let shown = url.split('?').next().unwrap_or_default();
    match (shown.split_once("://"), shown.rfind('@')) {
        (Some((scheme, _)), Some(at)) => format!("{scheme}://…{}", &shown[at..]),
        _ => shown.to_owned(),
    }
}
