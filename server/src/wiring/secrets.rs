//! Secrets of Catalyst's own, and those who may ask for the previews'.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use catalyst_cluster::Cluster;
use catalyst_crd::identity::SECRETS_AUDIENCE;
use catalyst_crd::labels::WEB_MANAGER;
use catalyst_github::webhook::{WebhookSecret, WebhookSecrets};
use catalyst_localkube::{HostService, LocalKubeConfig};
use catalyst_operator::{CredentialsDoor, OperatorSettings, TokenSource};
use catalyst_previews::{Keyring, ServiceAccountName};
use futures::future::BoxFuture;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::Api;
use kube::api::{ObjectMeta, PostParams};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::operator::SYSTEM;
use super::previews::LOCAL_WEB;
use crate::settings::{GitHubSettings, PreviewRouting, Secret, SecretSettings, SettingsError};

/// Shorter webhook secrets can be guessed.
const SHORTEST_SECRET: usize = 16;

pub(super) fn named<T>(store: Result<T, String>) -> anyhow::Result<T> {
    store.map_err(anyhow::Error::msg)
}

/// The secrets that webhooks may be signed with. In `local` mode one is made up where none is
/// set, and kept in that folder.
pub fn webhook_secrets(
    settings: &GitHubSettings,
    local: Option<&Path>,
) -> anyhow::Result<WebhookSecrets> {
    let current = match (&settings.github_webhook_secret, local) {
        (Some(secret), _) => checked("GITHUB_WEBHOOK_SECRET", secret)?,
        (None, Some(data)) => WebhookSecret::new(local_webhook_secret(data)?)?,
        (None, None) => return Err(SettingsError::NoWebhookSecret.into()),
    };
    let previous = settings
        .github_webhook_secret_previous
        .as_ref()
        .map(|secret| checked("GITHUB_WEBHOOK_SECRET_PREVIOUS", secret))
        .transpose()?;
    Ok(WebhookSecrets::new(current, previous))
}

pub(super) fn checked(name: &'static str, secret: &Secret) -> anyhow::Result<WebhookSecret> {
    if secret.0.expose_secret().trim().len() < SHORTEST_SECRET {
        return Err(SettingsError::WeakSecret { name }.into());
    }
    Ok(WebhookSecret::new(secret.0.clone())?)
}

/// What previews' secrets are encrypted with. In `local` mode a key is made up where none is set,
/// and kept in that folder.
pub fn keyring(settings: &SecretSettings, local: Option<&Path>) -> anyhow::Result<Option<Keyring>> {
    let set = settings.token_encryption_key.as_ref();
    let current = match (set, local) {
        (Some(key), _) => key.0.clone(),
        (None, Some(data)) => local_secret(data, "encryption-key")?,
        (None, None) => return Ok(None),
    };
    let refused = |name| move |why| SettingsError::Key { name, why };
    Keyring::new(&current, None).map_err(refused("TOKEN_ENCRYPTION_KEY"))?;
    let previous = settings.token_encryption_key_previous.as_ref();
    let previous = previous.map(|key| &key.0);
    let keyring = Keyring::new(&current, previous);
    Ok(Some(
        keyring.map_err(refused("TOKEN_ENCRYPTION_KEY_PREVIOUS"))?,
    ))
}

/// The operator's service account.
pub fn operator_account(settings: &SecretSettings, routing: &PreviewRouting) -> ServiceAccountName {
    ServiceAccountName {
        namespace: routing.own_namespace().unwrap_or(SYSTEM).to_owned(),
        name: settings.operator_account.clone(),
    }
}

/// Tokens as the operator asks for them.
fn tokens<F>(make: impl Fn() -> F + Send + Sync + 'static) -> TokenSource
where
    F: Future<Output = anyhow::Result<String>> + Send + 'static,
{
    type Boxed = Box<dyn std::error::Error + Send + Sync>;
    Arc::new(move || {
        let made = make();
        Box::pin(async move { made.await.map_err(Boxed::from) })
            as BoxFuture<'static, Result<String, Boxed>>
    })
}

/// Tokens of the operator's from a file that the kubelet keeps fresh.
pub fn token_file(path: PathBuf) -> TokenSource {
    tokens(move || {
        let path = path.clone();
        async move {
            let read = tokio::fs::read_to_string(&path).await;
            let read = read.with_context(|| {
                format!(
                    "cannot read {} (CATALYST_OPERATOR_TOKEN_FILE)",
                    path.display()
                )
            });
            Ok(read?.trim().to_owned())
        }
    })
}

/// The operator's own account in a cluster where no chart has made it, and tokens of it.
pub async fn own_account(
    cluster: &Cluster,
    account: &ServiceAccountName,
) -> anyhow::Result<TokenSource> {
    cluster.ensure_namespace(&account.namespace, &[]).await?;
    let api: Api<ServiceAccount> = Api::namespaced(cluster.client(), &account.namespace);
    let wanted = ServiceAccount {
        metadata: ObjectMeta {
            name: Some(account.name.clone()),
            namespace: Some(account.namespace.clone()),
            ..ObjectMeta::default()
        },
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    };
    cluster.apply(&api, WEB_MANAGER, &wanted).await?;
    let name = account.name.clone();
    Ok(tokens(move || {
        let (api, name) = (api.clone(), name.clone());
        async move {
            let request = TokenRequest {
                spec: TokenRequestSpec {
                    audiences: vec![SECRETS_AUDIENCE.to_owned()],
                    expiration_seconds: Some(600),
                    bound_object_ref: None,
                },
                ..TokenRequest::default()
            };
            let parameters = PostParams::default();
            let made = api.create_token_request(&name, &parameters, &request);
            let made = made
                .await
                .context("the operator's account gives no token")?;
            Ok(made.status.map(|status| status.token).unwrap_or_default())
        }
    }))
}

/// The secret that webhooks are signed with in local mode.
pub fn local_webhook_secret(data: &Path) -> anyhow::Result<SecretString> {
    local_secret(data, "webhook-secret")
}

/// A secret of local mode: 32 random bytes, made once.
fn local_secret(data: &Path, name: &str) -> anyhow::Result<SecretString> {
    let path = data.join(name);
    match fs::read_to_string(&path) {
        Ok(secret) if secret.trim().len() >= SHORTEST_SECRET => Ok(secret.trim().into()),
        Ok(_) => anyhow::bail!(
            "{} is damaged: delete it, and a new one is made",
            path.display()
        ),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let secret = random_hex();
            write_private(&path, &secret)?;
            Ok(secret.into())
        }
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// 32 random bytes in hexadecimal.
pub fn random_hex() -> String {
    let bytes: [u8; 32] = rand::random();
    hex::encode(bytes)
}

/// Writes a file that other users cannot read, all of it or nothing.
pub fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    let partial = path.with_extension("partial");
    let write = || -> std::io::Result<()> {
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&partial)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&partial, path)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// Opens a listener of this machine to pods of the embedded cluster that may reach the web side's
/// credentials, and tells the operator of it.
pub fn open_credentials(
    listener: std::net::SocketAddr,
    cluster: &mut LocalKubeConfig,
    operator: &mut OperatorSettings,
) -> anyhow::Result<()> {
    let url: Url = format!("http://{LOCAL_WEB}:{}", listener.port()).parse()?;
    let door = CredentialsDoor::at(&url);
    cluster.host_services.push(HostService {
        names: vec![LOCAL_WEB.to_owned(), format!("{LOCAL_WEB}.cluster.local")],
        namespace: SYSTEM.to_owned(),
        labels: CredentialsDoor::pods(),
        listener,
    });
    operator.credentials.get_or_insert(door);
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_webhook_secret_that_can_be_guessed_stops_the_start() {
        let error =
            checked("GITHUB_WEBHOOK_SECRET", &Secret::from("hunter2".to_owned())).unwrap_err();
        assert!(
            error.to_string().contains("GITHUB_WEBHOOK_SECRET"),
            "{error}"
        );
        assert!(
            !error.to_string().contains("hunter2"),
            "the secret itself is not shown"
        );
    }

    #[test]
    fn the_secret_of_local_mode_is_made_once_and_closed_to_others() {
        let folder = tempfile::tempdir().unwrap();
        let first = local_webhook_secret(folder.path()).unwrap();
        let second = local_webhook_secret(folder.path()).unwrap();
        assert_eq!(first.expose_secret(), second.expose_secret());
        let mode = fs::metadata(folder.path().join("webhook-secret"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
