//! What only one process may do at a time.

use std::time::Duration;

use crate::Store;
use crate::error::StoreError;
use crate::values::now;

impl Store {
    /// Takes or renews the lease `name` for `holder`; `false` where another holds it. It ends by
    /// itself after `ttl`, so that a crash blocks nobody for longer.
    ///
    /// # Errors
    /// As every method: see [`StoreError`].
    pub async fn try_lease(
        &self,
        name: &str,
        holder: &str,
        ttl: Duration,
    ) -> Result<bool, StoreError> {
        let now = now();
        transaction!(self, "take the lease", name, |tx| {
            let taken = sqlx::query(
                "INSERT INTO leases (name, holder, expires_at) VALUES ($1, $2, $3)
                 ON CONFLICT (name) DO UPDATE
                 SET holder = excluded.holder, expires_at = excluded.expires_at
                 WHERE leases.holder = excluded.holder OR leases.expires_at <= $4",
            )
            .bind(name)
            .bind(holder)
            .bind(now + ttl)
            .bind(now)
            .execute(&mut *tx)
            .await?;
            Ok(taken.rows_affected() == 1)
        })
    }

    /// Gives the lease back, where `holder` still has it.
    ///
    /// # Errors
    /// As every method: see [`StoreError`].
    pub async fn release_lease(&self, name: &str, holder: &str) -> Result<(), StoreError> {
        transaction!(self, "give back the lease", name, |tx| {
            sqlx::query("DELETE FROM leases WHERE name = $1 AND holder = $2")
                .bind(name)
                .bind(holder)
                .execute(&mut *tx)
                .await?;
            Ok(())
        })
    }
}
