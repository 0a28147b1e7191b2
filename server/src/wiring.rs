//! Turning settings into the parts that the commands put together.

use std::{
    fs,
    io::Write,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use catalyst_cluster::{Cluster, ClusterSource, Clusters, Contexts, lease::Election};
use catalyst_crd::{identity::SECRETS_AUDIENCE, labels::WEB_MANAGER};
use catalyst_github::{
    Credentials, GitHub, Settings as GitHubClientSettings,
    credentials::InvalidCredentials,
    sign_in::{self, SignIn},
    webhook::{WebhookSecret, WebhookSecrets},
};
use catalyst_localkube::{HostService, LocalKubeConfig, StartError};
use catalyst_operator::{
    BuildSettings, CredentialsDoor, Daemon, EgressRule, Engine, Identity, OperatorSettings,
    TokenSource, WebSide, network::NetworkProbe,
};
use catalyst_previews::{Keyring, PreviewSettings, Previews, Redactor, ServiceAccountName};
use catalyst_store::{SessionPool, Store};
use futures::future::BoxFuture;
use k8s_openapi::api::{
    authentication::v1::{TokenRequest, TokenRequestSpec},
    core::v1::{Node, ServiceAccount},
};
use kube::{
    Api,
    api::{ListParams, ObjectMeta, PostParams},
};
use secrecy::{ExposeSecret, SecretString};
use tokio_util::sync::CancellationToken;
use tower_sessions_sqlx_store::{PostgresStore, SqliteStore};
use url::Url;

use crate::{
    http::{CALLBACK_PATH, session::Sessions},
    settings::{
        BuildEngine, Common, GitHubSettings, PreviewRouting, Secret, SecretSettings, SettingsError,
    },
};

/// How long running work may take to come to its end when we are asked to stop.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Shorter webhook secrets can be guessed.
const SHORTEST_SECRET: usize = 16;

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

fn named<T>(store: Result<T, String>) -> anyhow::Result<T> {
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

fn checked(name: &'static str, secret: &Secret) -> anyhow::Result<WebhookSecret> {
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

/// Keeps the embedded cluster's kubeconfig where kubectl and the other commands find it.
pub fn write_kubeconfig(data: &Path, kubeconfig: &serde_json::Value) -> anyhow::Result<PathBuf> {
    let path = data.join("kubeconfig");
    write_private(&path, &serde_yaml::to_string(kubeconfig)?)?;
    Ok(path)
}

/// Who we are to GitHub; none where nothing is set, and then nothing is written there.
pub fn github(common: &Common, settings: &GitHubSettings) -> anyhow::Result<Option<GitHub>> {
    let token = settings.github_pat.clone().or_else(|| {
        std::env::var("GITHUB_TOKEN")
            .ok()
            .filter(|token| !token.is_empty())
            .map(Secret::from)
    });
    let unusable = |error: InvalidCredentials| SettingsError::Credentials(Box::new(error));
    let app = settings
        .github_app_id
        .zip(settings.github_app_private_key.as_ref());
    let credentials = match (app, token) {
        (Some(_), Some(_)) if settings.github_pat.is_some() => {
            return Err(SettingsError::TwoIdentities.into());
        }
        (Some((id, key)), _) => Credentials::app(id, &key_text(key)?).map_err(unusable)?,
        (None, Some(token)) => Credentials::token(&token.0).map_err(unusable)?,
        (None, None) => return Ok(None),
    };
    Ok(Some(GitHub::new(
        credentials,
        GitHubClientSettings::new(common.github_api_url.clone()),
    )?))
}

/// GitHub as the one who tells who visitors are; none where nothing is set.
pub fn sign_in(common: &Common, settings: &GitHubSettings) -> anyhow::Result<Option<SignIn>> {
    let client = settings
        .github_app_client_id
        .as_ref()
        .zip(settings.github_app_client_secret.as_ref());
    let Some((id, secret)) = client.filter(|(id, _)| !id.is_empty()) else {
        return Ok(None);
    };
    let web_url = match &settings.github_url {
        Some(url) => url.clone(),
        None => sign_in::web_url(&common.github_api_url),
    };
    let callback = format!("{}{CALLBACK_PATH}", common.public_url())
        .parse()
        .context("CATALYST_WEB_URL")?;
    let sign_in = SignIn::new(&web_url, &common.github_api_url, id, &secret.0, callback)?;
    Ok(Some(sign_in))
}

/// The App's key, which may be given as the path of a file.
fn key_text(key: &Secret) -> anyhow::Result<SecretString> {
    let text = key.0.expose_secret().trim();
    if text.starts_with("-----BEGIN") {
        return Ok(text.into());
    }
    let read = fs::read_to_string(text).with_context(
        || "GITHUB_APP_PRIVATE_KEY is neither a PEM key nor a file that can be read",
    )?;
    Ok(read.into())
}

/// The settings of the use cases.
pub fn preview_settings(
    common: &Common,
    github: &GitHubSettings,
    secrets: &SecretSettings,
    notices: Vec<String>,
) -> PreviewSettings {
    let keys = [
        &secrets.token_encryption_key,
        &secrets.token_encryption_key_previous,
    ];
    let known = [
        &github.github_webhook_secret,
        &github.github_webhook_secret_previous,
        &github.github_app_private_key,
        &github.github_app_client_secret,
        &github.github_pat,
    ];
    let known = known
        .into_iter()
        .chain(keys)
        .flatten()
        .map(|secret| secret.0.clone());
    PreviewSettings {
        dashboard_url: common.public_url().parse().ok(),
        allow_local_repositories: common.allow_local_repositories,
        git_hosts: git_hosts(&common.github_api_url),
        git_token_pat_mode: github.enable_git_token_pat_mode,
        operators: common.operators.clone(),
        redactor: Redactor::new(known),
        notices,
        ..PreviewSettings::default()
    }
}

/// Where repositories may be cloned from. GitHub Enterprise Server serves its API and its
/// repositories from one host.
fn git_hosts(api: &Url) -> Vec<String> {
    let own = api.host_str().filter(|host| *host != "api.github.com");
    ["github.com"]
        .into_iter()
        .chain(own)
        .map(str::to_owned)
        .collect()
}

/// What does not work as it should here, in sentences for the operators' page.
pub async fn notices(cluster: &Cluster) -> anyhow::Result<Vec<String>> {
    let mut notices = Vec::new();
    let nodes: Api<Node> = Api::all(cluster.client());
    for node in nodes
        .list(&ListParams::default())
        .await
        .context("cannot list the nodes")?
    {
        let conditions = node
            .status
            .and_then(|status| status.conditions)
            .unwrap_or_default();
        let limited = conditions
            .into_iter()
            .filter(|condition| condition.type_ == "PodsIsolated" && condition.status != "True");
        notices.extend(limited.filter_map(|condition| condition.message));
    }
    Ok(notices)
}

/// The operator's settings; `local` means that it works on the embedded cluster.
pub fn operator_settings(
    common: &Common,
    routing: &PreviewRouting,
    local: bool,
) -> Result<OperatorSettings, SettingsError> {
    if common.allow_local_repositories && !local {
        return Err(SettingsError::LocalRepositories);
    }
    let mut egress = EgressRule::public_https();
    for rule in routing
        .preview_egress
        .iter()
        .filter(|rule| !rule.is_empty())
    {
        egress.push(egress_rule(rule).ok_or_else(|| SettingsError::Egress(rule.clone()))?);
    }
    let own = routing.own_namespace().map(ToOwned::to_owned);
    let ingress = routing
        .ingress_namespace
        .clone()
        .filter(|name| !name.is_empty());
    let certificates = routing.git_certificates.as_ref().map(|path| {
        fs::read_to_string(path).map_err(|source| SettingsError::GitCertificates {
            path: path.clone(),
            source,
        })
    });
    let web = match routing.internal_url.as_ref().filter(|_| !local) {
        Some(url) => {
            let token = token_file(routing.operator_token_file.clone());
            Some(WebSide::new(url, token).map_err(|e| SettingsError::Client(Box::new(e)))?)
        }
        None => None,
    };
    Ok(OperatorSettings {
        web,
        credentials: routing.credentials_url.as_ref().map(CredentialsDoor::at),
        git_certificates: certificates.transpose()?,
        preview_domain: routing.preview_domain.clone(),
        local_preview_routing: local || routing.local_preview_routing,
        ingress_port: routing.ingress_port,
        ingress_class: routing.ingress_class.clone(),
        ingress_namespace: ingress
            .or(own)
            .unwrap_or_else(|| "ingress-nginx".to_owned()),
        git_image: routing.git_clone_image.clone(),
        helm_image: routing.helm_image.clone(),
        images: routing.images.clone(),
        // The embedded cluster runs no images.
        builds: if local {
            None
        } else {
            build_settings(routing)?
        },
        allow_local_repositories: common.allow_local_repositories,
        egress,
        deadline: Duration::from_secs(60 * u64::from(routing.deploy_deadline_minutes)),
        network_probe: network_probe(common, routing).filter(|_| !local),
        ..OperatorSettings::default()
    })
}

/// How images are built, where that is set up.
fn build_settings(routing: &PreviewRouting) -> Result<Option<BuildSettings>, SettingsError> {
    let given = |value: &Option<String>| value.clone().filter(|text| !text.trim().is_empty());
    let Some(registry) = given(&routing.build_registry) else {
        return Ok(None);
    };
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "./:_-".contains(c);
    if !registry.chars().all(is_plain) || registry.contains("//") || registry.starts_with('/') {
        return Err(SettingsError::BuildRegistry(registry));
    }
    let engine = match (routing.build_engine, &routing.buildkit_address) {
        (BuildEngine::Kaniko, _) => Engine::Kaniko,
        (BuildEngine::Buildkit, Some(address)) => Engine::BuildKit(Daemon {
            address: address.clone(),
            identity: buildkit_identity(routing)?,
        }),
        (BuildEngine::Buildkit, None) => return Err(SettingsError::NoBuildkit),
    };
    Ok(Some(BuildSettings {
        image: given(&routing.build_image).unwrap_or_else(|| engine.usual_image().to_owned()),
        engine,
        registry,
        insecure: routing.build_registry_insecure,
    }))
}

/// By what a BuildKit daemon knows its clients.
fn buildkit_identity(routing: &PreviewRouting) -> Result<Option<Identity>, SettingsError> {
    let folder = routing.buildkit_certificates.as_ref();
    let Some(folder) = folder.filter(|folder| !folder.as_os_str().is_empty()) else {
        return Ok(None);
    };
    let read = |name: &str| {
        let path = folder.join(name);
        fs::read_to_string(&path)
            .map_err(|source| SettingsError::BuildkitCertificates { path, source })
    };
    Ok(Some(Identity {
        authority: read("ca.pem")?,
        certificate: read("cert.pem")?,
        key: read("key.pem")?,
    }))
}

/// Where the operator tries out whether policies are enforced: from a pod with a port of its own.
fn network_probe(common: &Common, routing: &PreviewRouting) -> Option<NetworkProbe> {
    Some(NetworkProbe {
        namespace: routing.own_namespace()?.to_owned(),
        pod: routing.pod_name.clone().filter(|name| !name.is_empty())?,
        port: common.metrics_listen?.port(),
    })
}

/// Catalyst's own namespace, where nothing says otherwise.
const SYSTEM: &str = "catalyst-system";

/// The Lease that operators elect their leader by, in Catalyst's own namespace.
const LEADER_LEASE: &str = "catalyst-operator";

/// This process as a candidate for leading the operators of a cluster.
pub fn election(cluster: &Cluster, routing: &PreviewRouting) -> Election {
    let namespace = routing.own_namespace().unwrap_or(SYSTEM);
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    // The same pod is another candidate after each restart.
    let identity = format!("{}-{:08x}", host.trim(), rand::random::<u32>());
    Election::new(cluster, namespace, LEADER_LEASE, identity)
}

/// Runs the controllers whenever `election` is won, until `shutdown`.
pub async fn run_elected(
    election: Election,
    settings: OperatorSettings,
    shutdown: CancellationToken,
) {
    let work = |client, stop| catalyst_operator::run(client, settings.clone(), stop);
    election.run(&shutdown, PATIENCE, work).await;
}

/// Reads `CIDR:PORT[,PORT…]`. IPv6 addresses hold colons too; the last one separates the ports.
fn egress_rule(text: &str) -> Option<EgressRule> {
    let (cidr, ports) = text.rsplit_once(':')?;
    let (address, prefix) = cidr.split_once('/')?;
    let address: std::net::IpAddr = address.parse().ok()?;
    let prefix: u8 = prefix.parse().ok()?;
    if prefix > if address.is_ipv4() { 32 } else { 128 } {
        return None;
    }
    let ports: Option<Vec<u16>> = ports
        .split(',')
        .map(|port| port.parse().ok().filter(|port| *port != 0))
        .collect();
    Some(EgressRule {
        cidr: cidr.to_owned(),
        except: Vec::new(),
        ports: ports?,
    })
}

/// The embedded cluster's settings.
pub fn embedded_cluster(common: &Common, routing: &PreviewRouting, data: &Path) -> LocalKubeConfig {
    let mut config = LocalKubeConfig::new(data.join("cluster"));
    config.ingress_listen = ([127, 0, 0, 1], routing.ingress_port).into();
    config.allow_weak_isolation = common.allow_weak_isolation;
    if common.allow_local_repositories {
        config.host_path_roots.push("/".into());
    }
    config
}

/// The name under which pods of the embedded cluster find the listener for credentials, as they
/// would in a Kubernetes that Catalyst is installed in.
const LOCAL_WEB: &str = "catalyst-web.catalyst-system.svc";

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

/// The clusters that previews may live in: the embedded one, whose kubeconfig this is, or those that
/// the environment names.
pub async fn clusters(common: &Common, embedded: Option<PathBuf>) -> anyhow::Result<Clusters> {
    let Some(kubeconfig) = embedded else {
        return Ok(Clusters::from_environment(&common.contexts()).await?);
    };
    let embedded = ClusterSource::Local(kubeconfig).connect().await?;
    Ok(Clusters::with_variables(embedded).await?)
}

/// The one cluster of a command that knows one only: the default one.
pub async fn default_cluster() -> anyhow::Result<Cluster> {
    let clusters = Clusters::from_environment(&Contexts::Current).await?;
    Ok(clusters.default_cluster().clone())
}

/// Names the setting where one would let the embedded cluster start.
pub fn explain_start(error: StartError) -> anyhow::Error {
    let weak = matches!(error, StartError::NotIsolated(_));
    let error = anyhow::Error::new(error);
    if weak {
        error.context(
            "the code of pull requests cannot be kept apart on this machine: mend what is named below, \
             or set CATALYST_ALLOW_WEAK_ISOLATION=true where all of that code is trusted",
        )
    } else {
        error
    }
}

/// The use cases for a command that runs beside a server: its database, and its cluster.
pub async fn previews_of_running_server(common: &Common) -> anyhow::Result<Previews> {
    previews_beside_server(common, |settings| settings).await
}

/// The same, with further settings.
pub async fn previews_beside_server(
    common: &Common,
    further: impl FnOnce(PreviewSettings) -> PreviewSettings,
) -> anyhow::Result<Previews> {
    let clusters = if common.local() {
        let path = common.data_dir()?.join("kubeconfig");
        anyhow::ensure!(
            path.is_file(),
            "no embedded cluster has run with this data folder ({}): start `catalyst serve` first",
            common.data_dir()?.display()
        );
        clusters(common, Some(path)).await?
    } else {
        clusters(common, None).await?
    };
    if common.local() {
        let embedded = clusters.default_cluster().ping().await;
        embedded.context("is `catalyst serve` running?")?;
    }
    let settings = PreviewSettings {
        allow_local_repositories: common.allow_local_repositories,
        git_hosts: git_hosts(&common.github_api_url),
        operators: common.operators.clone(),
        ..PreviewSettings::default()
    };
    Ok(Previews::new(
        open_store(common).await?,
        clusters,
        None,
        further(settings),
    ))
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_egress_rule_is_a_range_and_its_ports() {
        let rule = egress_rule("10.1.2.0/24:5432,6379").unwrap();
        assert_eq!(
            (rule.cidr.as_str(), rule.ports),
            ("10.1.2.0/24", vec![5432, 6379])
        );
        assert_eq!(egress_rule("fd00::/8:443").unwrap().cidr, "fd00::/8");
        for bad in [
            "",
            "10.0.0.0/8",
            "10.0.0.0:443",
            "10.0.0.0/33:443",
            "x/8:1",
            "10.0.0.0/8:0",
        ] {
            assert!(egress_rule(bad).is_none(), "{bad}");
        }
    }

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
