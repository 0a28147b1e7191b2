//! Temporary stores: real ones, each on its own.

use std::ops::Deref;

use catalyst_store::Store;
use tempfile::TempDir;

/// A store that is gone once it is dropped; use it as the [`Store`] that it is.
#[derive(Debug)]
pub struct TemporaryStore {
    store: Store,
    url: String,
    _folder: Option<TempDir>,
}

impl TemporaryStore {
    /// An empty store in a new SQLite file.
    ///
    /// # Panics
    /// Where the temporary folder cannot be written.
    pub async fn sqlite() -> Self {
        let folder = match TempDir::with_prefix("catalyst-store-") {
            Ok(folder) => folder,
            Err(error) => panic!("cannot make a folder for a store: {error}"),
        };
        let url = format!("sqlite:{}", folder.path().join("catalyst.db").display());
        Self::open(url, Some(folder)).await
    }

    /// An empty store in a new PostgreSQL database, on the test binary's own server.
    ///
    /// # Panics
    /// Where PostgreSQL is not installed or does not start; the message says what to do.
    pub async fn postgres() -> Self {
        Self::open(crate::postgres::fresh_database().await, None).await
    }

    async fn open(url: String, folder: Option<TempDir>) -> Self {
        match Store::connect(&url).await {
            Ok(store) => Self {
                store,
                url,
                _folder: folder,
            },
            Err(error) => panic!("cannot open the store: {error:?}"),
        }
    }

    /// What to set `DATABASE_URL` to, to open the same store again.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Deref for TemporaryStore {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}
