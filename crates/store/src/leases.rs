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

    /// Ends every lease and every claim on deliveries and on work, each of which counts as a try:
    /// for a process that starts and knows that no other works with this store. What a process was
    /// at when it was killed is so taken up at once.
    ///
    /// # Errors
    /// As every method: see [`StoreError`].
    pub async fn end_all_claims(&self) -> Result<(), StoreError> {
        transaction!(self, "end the claims of", "earlier processes", |tx| {
            sqlx::query("DELETE FROM leases").execute(&mut *tx).await?;
            for claims in [
                "UPDATE deliveries SET locked_until = $1 WHERE locked_until > $1",
                "UPDATE previews SET work_locked_until = $1 WHERE work_locked_until > $1",
            ] {
                sqlx::query(claims).bind(now()).execute(&mut *tx).await?;
            }
            Ok(())
        })
    }
}
