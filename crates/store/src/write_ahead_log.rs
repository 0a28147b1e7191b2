//! Power cuts and SQLite: one sync of the disk for all who wait for one.
//!
//! SQLite's own `synchronous=FULL` syncs within each transaction, while all other writers wait:
//! a disk that takes 5 ms for a sync then takes 200 transactions a second. Here each transaction
//! commits with `synchronous=NORMAL`, which outlives a crash of the process but not of the
//! machine, and then waits, while others write, until the log has been synced after its commit.
//! (SQLite itself syncs the log before it moves any of it into the database:
//! <https://sqlite.org/wal.html>, "Performance Considerations".)

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Mutex;

use crate::database::folder_of;

/// The `-wal` file, which stays the same file while a connection is open.
#[derive(Debug, Clone)]
pub(crate) struct WriteAheadLog(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    file: File,
    /// How many transactions have committed.
    committed: AtomicU64,
    /// How many of them a sync has covered. Changed by whoever syncs.
    synced: Mutex<u64>,
}

impl WriteAheadLog {
    /// The log of the database at `path`, which is open and has been written to.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        let mut log = path.as_os_str().to_owned();
        log.push("-wal");
        let file = File::open(log)?;
        // The file's name outlives a power cut too.
        File::open(folder_of(path))?.sync_all()?;
        Ok(Self(Arc::new(Inner {
            file,
            committed: AtomicU64::new(0),
            synced: Mutex::new(0),
        })))
    }

    /// To be called after a commit; when it returns, the commit outlives a power cut. Says whether
    /// this call did the sync: of those who wait at a time, one does it for all.
    pub(crate) async fn sync(&self) -> io::Result<bool> {
        let own = self.0.committed.fetch_add(1, Ordering::SeqCst) + 1;
        let mut synced = self.0.synced.lock().await;
        if *synced >= own {
            return Ok(false);
        }
        let covered = self.0.committed.load(Ordering::SeqCst);
        let inner = Arc::clone(&self.0);
        tokio::task::spawn_blocking(move || inner.file.sync_data())
            .await
            .map_err(io::Error::other)??;
        *synced = covered;
        Ok(true)
    }
}

#[cfg(test)]
#[allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test fails by failing"
)]
mod tests {
    use super::*;

    fn log() -> (WriteAheadLog, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("catalyst.db");
        std::fs::write(folder.path().join("catalyst.db-wal"), "frames").unwrap();
        (WriteAheadLog::of(&database).unwrap(), folder)
    }

    #[tokio::test]
    async fn every_commit_is_followed_by_a_sync() {
        let (log, _folder) = log();
        for _ in 0..3 {
            assert!(log.sync().await.unwrap());
        }
    }

    #[tokio::test]
    async fn those_who_commit_during_a_sync_share_the_next_one() {
        let (log, _folder) = log();
        let waiting = (0..100).map(|_| log.sync());
        let waited = futures::future::join_all(waiting).await;
        let syncs = waited.into_iter().filter(|did| *did.as_ref().unwrap());
        assert_eq!(syncs.count(), 2);
    }
}
