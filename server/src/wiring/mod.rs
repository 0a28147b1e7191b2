//! Turning settings into the parts that the commands put together.

mod clusters;
mod github;
mod operator;
mod previews;
mod secrets;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use catalyst_store::{SessionPool, Store};
use tokio_util::sync::CancellationToken;
use tower_sessions_sqlx_store::{PostgresStore, SqliteStore};

use crate::http::session::Sessions;
use crate::settings::{Common, SettingsError};
use secrets::named;

pub use clusters::{clusters, default_cluster, embedded_cluster, explain_start, write_kubeconfig};
pub use github::{github, sign_in};
pub use operator::{election, operator_settings, run_elected};
pub use previews::{notices, preview_settings, previews_beside_server, previews_of_running_server};
pub use secrets::{
    keyring, local_webhook_secret, open_credentials, operator_account, own_account, webhook_secrets,
};

/// How long running work may take to come to its end when we are asked to stop.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// The data folder, made if it is not there, closed to other users.
pub fn data_folder(common: &Common) -> anyhow::Result<PathBuf> {
    let data = common.data_dir()?;
    let made = fs::create_dir_all(&data)
        .and_then(|()| fs::set_permissions(&data, fs::Permissions::from_mode(0o700)));
    made.map_err(|source| SettingsError::Data {
        path: data.clone(),
        source,
    })?;
    Ok(data)
}

/// Opens the database, bringing its schema up to date.
pub async fn open_store(common: &Common) -> anyhow::Result<Store> {
    data_folder(common)?;
    Ok(Store::connect(&common.database()?).await?)
}

/// The sessions, in the store's own database.
pub fn sessions(store: &Store) -> anyhow::Result<Sessions> {
    Ok(match store.session_pool() {
        SessionPool::Sqlite(pool) => {
            Sessions::Sqlite(named(SqliteStore::new(pool).with_table_name("sessions"))?)
        }
        SessionPool::Postgres(pool) => Sessions::Postgres(named(
            PostgresStore::new(pool)
                .with_schema_name("public")
                .and_then(|store| store.with_table_name("sessions")),
        )?),
    })
}

/// A link that signs the local operator in, once, within the hour.
pub async fn sign_in_link(store: &Store, common: &Common) -> anyhow::Result<String> {
    let user = store.local_user(catalyst_previews::LOCAL_LOGIN).await?;
    let token = store
        .issue_sign_in_token(user.id, Duration::from_secs(3600))
        .await?;
    Ok(format!("{}/sign-in?token={token}", common.public_url()))
}

/// Cancels on SIGINT and SIGTERM; a second signal ends the process at once.
pub fn stop_on_signals(token: CancellationToken) {
    use tokio::signal::unix::{SignalKind, signal};
    tokio::spawn(async move {
        let (Ok(mut interrupt), Ok(mut terminate)) = (
            signal(SignalKind::interrupt()),
            signal(SignalKind::terminate()),
        ) else {
            tracing::error!("signals cannot be listened to; stop the process by force");
            return;
        };
        for times in 0.. {
            tokio::select! { _ = interrupt.recv() => {} _ = terminate.recv() => {} }
            if times > 0 {
                std::process::exit(130);
            }
            tracing::info!("stopping; once more stops at once");
            token.cancel();
        }
    });
}
