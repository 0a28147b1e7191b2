//! How a statement reaches whichever database it is.
//!
//! The macros repeat their body once a database, so that each statement is written once and
//! checked by the compiler against both.

use std::time::Duration;

use crate::error::Trouble;

/// How long a whole method may take before the database counts as not answering.
const LIMIT: Duration = Duration::from_secs(30);

/// Ends what the database does not answer.
pub(crate) async fn bounded<T>(
    work: impl Future<Output = Result<T, Trouble>>,
) -> Result<T, Trouble> {
    tokio::time::timeout(LIMIT, work)
        .await
        .unwrap_or(Err(Trouble::Silent))
}

/// `read!(store, "find", object, |db| query…await)`: one statement on a connection for reading.
macro_rules! read {
    ($store:expr, $action:literal, $object:expr, |$db:ident| $statement:expr) => {{
        let attempt = $crate::error::Attempt::new($action, $object);
        $crate::statement::bounded(async {
            match &$store.database {
                $crate::database::Database::Sqlite { readers: $db, .. } => $statement,
                $crate::database::Database::Postgres($db) => $statement,
            }
            .map_err($crate::error::Trouble::from)
        })
        .await
        .map_err(|trouble| attempt.stopped_by(trouble))
    }};
}

/// `transaction!(store, "approve", object, |tx| { …; Ok(value) })`: statements in one transaction, which
/// is committed where the block is `Ok` and undone otherwise. `tx` is a connection: pass `&mut *tx`.
macro_rules! transaction {
    ($store:expr, $action:literal, $object:expr, |$tx:ident| $block:block) => {{
        let attempt = $crate::error::Attempt::new($action, $object);
        $crate::statement::bounded(async {
            match &$store.database {
                $crate::database::Database::Sqlite { writer, log, .. } => {
                    let mut $tx = writer.begin_with("BEGIN IMMEDIATE").await?;
                    let outcome: Result<_, $crate::error::Trouble> = async { $block }.await;
                    let value = outcome?;
                    $tx.commit().await?;
                    log.sync().await.map_err(sqlx::Error::Io)?;
                    Ok(value)
                }
                $crate::database::Database::Postgres(pool) => {
                    let mut $tx = pool.begin().await?;
                    let outcome: Result<_, $crate::error::Trouble> = async { $block }.await;
                    let value = outcome?;
                    $tx.commit().await?;
                    Ok(value)
                }
            }
        })
        .await
        .map_err(|trouble| attempt.stopped_by(trouble))
    }};
}
