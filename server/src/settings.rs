//! Every setting of Catalyst, in one place: an environment variable and a flag each.
//!
//! `catalyst help serve` prints this page. What is wrong with a setting is said when the program
//! starts, once for each setting, and stops it.

use std::{fmt, net::SocketAddr, path::PathBuf, time::Duration};

use catalyst_cluster::Contexts;
use catalyst_model::{quantity, usage::Resources};
use catalyst_operator::Images;
use catalyst_previews::{PreviewSettings, ShellLimits};
use clap::{Args, ValueEnum};
use secrecy::SecretString;
use url::Url;

/// What builds images of repositories.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BuildEngine {
    /// In the build's own pod.
    Kaniko,
    /// A daemon.
    Buildkit,
}

/// Which cluster the previews run in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ClusterMode {
    /// Kubernetes inside a cluster or with KUBECONFIG set; the embedded cluster otherwise.
    Auto,
    /// The embedded cluster, in this process.
    Local,
    /// A Kubernetes: this pod's own, or KUBECONFIG's current context.
    Kubernetes,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line, for log collectors.
    Json,
}

/// A secret setting, which nothing prints.
#[derive(Clone)]
pub struct Secret(pub SecretString);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(SecretString::from(text))
    }
}

/// Where things are kept and how the program speaks: common to all commands.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// Folder for the database, the embedded cluster and the kubeconfig
    /// [default: $XDG_DATA_HOME/catalyst or ~/.local/share/catalyst].
    #[arg(long, env = "CATALYST_DATA", global = true)]
    pub data: Option<PathBuf>,

    /// Address of the dashboard and the webhook.
    #[arg(
        long,
        env = "CATALYST_LISTEN",
        global = true,
        default_value = "127.0.0.1:3000"
    )]
    pub listen: SocketAddr,

    /// Address of /metrics and of the probes, without any sign-in: for the cluster's inside alone
    /// [default: none].
    #[arg(long, env = "CATALYST_METRICS_LISTEN", global = true)]
    pub metrics_listen: Option<SocketAddr>,

    /// The dashboard's address as people and pods reach it
    /// [default: http:// and the address of --listen].
    #[arg(long, env = "CATALYST_WEB_URL", global = true)]
    pub web_url: Option<Url>,

    /// Where what people asked for is kept: `sqlite:PATH` or `postgres://…`
    /// [default: catalyst.db in the data folder].
    #[arg(long, env = "DATABASE_URL", global = true, hide_env_values = true)]
    pub database_url: Option<String>,

    /// GitHub's REST API; https://HOST/api/v3 for GitHub Enterprise Server.
    #[arg(
        long,
        env = "GITHUB_API_URL",
        global = true,
        default_value = "https://api.github.com"
    )]
    pub github_api_url: Url,

    /// The logins on GitHub of those who run this Catalyst, as in `octocat,hubot`: they see all teams.
    #[arg(
        long,
        env = "CATALYST_OPERATORS",
        global = true,
        value_delimiter = ',',
        hide_default_value = true
    )]
    pub operators: Vec<String>,

    /// Which cluster the previews run in.
    #[arg(
        long = "cluster-mode",
        env = "CATALYST_CLUSTER",
        global = true,
        value_enum,
        default_value = "auto"
    )]
    pub cluster: ClusterMode,

    /// Contexts of the kubeconfig that previews may live in besides the current one, separated by
    /// commas, or `*` for all. Catalyst removes what its database does not know from a cluster
    /// named here. Further clusters come from KUBECONFIG_NAME, a kubeconfig in base64 each.
    #[arg(
        long,
        env = "CATALYST_CONTEXTS",
        global = true,
        value_delimiter = ',',
        hide_default_value = true
    )]
    pub contexts: Vec<String>,

    /// Allow file:// clone URLs. For trying things out on one's own machine: whoever can make a
    /// Project can then read any Git repository of this machine's that Catalyst can read. Works
    /// with the embedded cluster only.
    #[arg(
        long,
        env = "CATALYST_ALLOW_LOCAL_REPOSITORIES",
        global = true,
        default_value_t = false,
        action = clap::ArgAction::Set,
        num_args = 0..=1,
        default_missing_value = "true"
    )]
    pub allow_local_repositories: bool,

    /// Start the embedded cluster even where this machine does not let it keep pods apart. The code
    /// of pull requests can then reach this machine's network, files or processes; the log and the
    /// dashboard say which. For trying things out with code that one trusts.
    #[arg(
        long,
        env = "CATALYST_ALLOW_WEAK_ISOLATION",
        global = true,
        default_value_t = false,
        action = clap::ArgAction::Set,
        num_args = 0..=1,
        default_missing_value = "true"
    )]
    pub allow_weak_isolation: bool,

    /// How log lines are written. What is written is chosen by RUST_LOG, as for any Rust program.
    #[arg(
        long,
        env = "CATALYST_LOG_FORMAT",
        global = true,
        value_enum,
        default_value = "text"
    )]
    pub log_format: LogFormat,
}

/// What the web side needs to speak with GitHub.
#[derive(Debug, Clone, Args)]
pub struct GitHubSettings {
    /// The secret that GitHub signs webhooks with. Required with Kubernetes; with the embedded
    /// cluster one is made up and kept in the data folder.
    #[arg(long, env = "GITHUB_WEBHOOK_SECRET", hide_env_values = true)]
    pub github_webhook_secret: Option<Secret>,

    /// The secret from before, accepted too while GitHub is being switched to a new one.
    #[arg(long, env = "GITHUB_WEBHOOK_SECRET_PREVIOUS", hide_env_values = true)]
    pub github_webhook_secret_previous: Option<Secret>,

    /// The id of the GitHub App that Catalyst acts as.
    #[arg(long, env = "GITHUB_APP_ID", requires = "github_app_private_key")]
    pub github_app_id: Option<u64>,

    /// The App's private key (PEM), or the path of a file that holds it.
    #[arg(
        long,
        env = "GITHUB_APP_PRIVATE_KEY",
        hide_env_values = true,
        requires = "github_app_id"
    )]
    pub github_app_private_key: Option<Secret>,

    /// Hand GITHUB_PAT to the clones of Projects whose githubInstallationId is `pat`, so that their
    /// repositories may be private. It is good for all that its owner may do: whoever can make a
    /// Project can have it used. An App needs no such trust.
    #[arg(long, env = "ENABLE_GIT_TOKEN_PAT_MODE", default_value_t = false, action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true")]
    pub enable_git_token_pat_mode: bool,
    /// The client id of the GitHub App, or of an OAuth App: people then sign in with GitHub. Its
    /// callback URL is CATALYST_WEB_URL with /api/github/callback.
    #[arg(
        long,
        env = "GITHUB_APP_CLIENT_ID",
        requires = "github_app_client_secret"
    )]
    pub github_app_client_id: Option<String>,

    /// The client secret that belongs to it.
    #[arg(
        long,
        env = "GITHUB_APP_CLIENT_SECRET",
        hide_env_values = true,
        requires = "github_app_client_id"
    )]
    pub github_app_client_secret: Option<Secret>,

    /// Where GitHub's pages are that people sign in on [default: the host of GITHUB_API_URL].
    #[arg(long, env = "GITHUB_URL")]
    pub github_url: Option<Url>,

    /// A personal access token, instead of an App. GITHUB_TOKEN is read too.
    #[arg(long, env = "GITHUB_PAT", hide_env_values = true)]
    pub github_pat: Option<Secret>,
}

/// Shells in previews.
#[derive(Debug, Clone, Args)]
pub struct ShellSettings {
    /// Minutes without a keystroke or output after which a shell is closed.
    #[arg(long, env = "CATALYST_SHELL_IDLE_MINUTES", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=1440))]
    pub shell_idle_minutes: u16,

    /// Minutes that a shell may stay open in all.
    #[arg(long, env = "CATALYST_SHELL_TOTAL_MINUTES", default_value_t = 480, value_parser = clap::value_parser!(u16).range(1..=10_080))]
    pub shell_total_minutes: u16,
}

impl ShellSettings {
    /// The limits that the use cases keep.
    #[must_use]
    pub fn limits(&self) -> ShellLimits {
        let minutes = |count: u16| Duration::from_secs(60 * u64::from(count));
        ShellLimits {
            idle: minutes(self.shell_idle_minutes),
            total: minutes(self.shell_total_minutes),
            ..ShellLimits::default()
        }
    }
}

/// For how long previews are kept, and when they are marked.
#[derive(Debug, Clone, Args)]
pub struct Keeping {
    /// For how long a preview that was made by hand is kept, as in 24h, 90m or 2d.
    #[arg(long, env = "CATALYST_MANUAL_TTL", default_value = "24h", value_parser = duration)]
    pub manual_ttl: Duration,

    /// How many previews that were made by hand a team may have at a time.
    #[arg(long, env = "CATALYST_MANUAL_PER_TEAM", default_value_t = 20)]
    pub manual_per_team: u32,

    /// Days without a push or a deployment after which a pull request's preview is removed; the
    /// next push brings it back. 0: never.
    #[arg(long, env = "CATALYST_IDLE_TTL_DAYS", default_value_t = 14)]
    pub idle_ttl_days: u16,

    /// Days without a push after which a preview counts as stale, and people are told.
    #[arg(long, env = "CATALYST_STALE_DAYS", default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..))]
    pub stale_days: u16,

    /// The CPU that a preview may use before it is marked, where its Project sets no quota.
    #[arg(long, env = "CATALYST_WARN_CPU", default_value = "500m", value_parser = cpu)]
    pub warn_cpu: u64,

    /// The memory that a preview may use before it is marked, where its Project sets no quota.
    #[arg(long, env = "CATALYST_WARN_MEMORY", default_value = "512Mi", value_parser = memory)]
    pub warn_memory: u64,

    /// Seconds between two questions to a cluster about what previews use.
    #[arg(long, env = "CATALYST_USAGE_SECONDS", default_value_t = 15, value_parser = clap::value_parser!(u16).range(1..=3600))]
    pub usage_seconds: u16,
}

impl Keeping {
    /// The use cases' settings with these.
    #[must_use]
    pub fn apply(&self, settings: PreviewSettings) -> PreviewSettings {
        let days = |days: u16| Duration::from_secs(u64::from(days) * 86_400);
        PreviewSettings {
            manual_ttl: self.manual_ttl,
            // Nobody is told from the very beginning.
            manual_warning: settings.manual_warning.min(self.manual_ttl / 4),
            manual_per_team: self.manual_per_team,
            idle_ttl: Some(days(self.idle_ttl_days)).filter(|ttl| !ttl.is_zero()),
            stale_after: days(self.stale_days),
            usage_warning: Resources {
                cpu_millicores: self.warn_cpu,
                memory_mib: self.warn_memory,
            },
            usage_every: Duration::from_secs(self.usage_seconds.into()),
            ..settings
        }
    }
}

/// What previews' secrets are kept with, and who is handed them.
#[derive(Debug, Clone, Args)]
pub struct SecretSettings {
    /// What previews' secrets are encrypted with: 64 hexadecimal digits, as `openssl rand -hex 32`
    /// prints them. With the embedded cluster one is made up and kept in the data folder
    /// [default: none, and no secrets can be kept].
    #[arg(long, env = "TOKEN_ENCRYPTION_KEY", hide_env_values = true)]
    pub token_encryption_key: Option<Secret>,

    /// The key from before: what is encrypted with it is encrypted anew at the start.
    #[arg(
        long,
        env = "TOKEN_ENCRYPTION_KEY_PREVIOUS",
        hide_env_values = true,
        requires = "token_encryption_key"
    )]
    pub token_encryption_key_previous: Option<Secret>,

    /// The service account of the operator, in Catalyst's own namespace: it alone is handed
    /// previews' secrets.
    #[arg(
        long,
        env = "CATALYST_OPERATOR_ACCOUNT",
        default_value = "catalyst-operator"
    )]
    pub operator_account: String,
}

/// Reads a time such as `24h`: a whole number of seconds, minutes, hours or days.
fn duration(text: &str) -> Result<Duration, String> {
    let unit = match text.chars().next_back() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3600,
        Some('d') => 86_400,
        _ => 0,
    };
    let number = text.get(..text.len().saturating_sub(1));
    let number = number.and_then(|number| number.parse::<u32>().ok());
    match number.map(|number| u64::from(number) * unit) {
        Some(seconds) if (1..=366 * 86_400).contains(&seconds) => Ok(Duration::from_secs(seconds)),
        _ => Err("expected a time of at most a year, such as 24h, 90m or 2d".to_owned()),
    }
}

fn cpu(text: &str) -> Result<u64, String> {
    quantity::millicores(text)
        .filter(|amount| *amount > 0)
        .ok_or_else(|| "expected CPU as Kubernetes writes it, such as 500m or 2".to_owned())
}

fn memory(text: &str) -> Result<u64, String> {
    quantity::mebibytes(text)
        .filter(|amount| *amount > 0)
        .ok_or_else(|| "expected memory as Kubernetes writes it, such as 512Mi or 1Gi".to_owned())
}

/// Where previews answer, and what they may reach.
#[derive(Debug, Clone, Args)]
pub struct PreviewRouting {
    /// The port that the embedded cluster serves previews on, and that local URLs name.
    #[arg(long, env = "INGRESS_PORT", default_value_t = 8080)]
    pub ingress_port: u16,

    /// The domain below which each preview gets a host name.
    #[arg(long, env = "PREVIEW_DOMAIN", default_value = "preview.catalyst.dev")]
    pub preview_domain: String,

    /// Give previews URLs of the form http://NAMESPACE.localhost:PORT/. Always so with the
    /// embedded cluster.
    #[arg(long, env = "LOCAL_PREVIEW_ROUTING", default_value_t = false, action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true")]
    pub local_preview_routing: bool,

    /// The namespace of the ingress controller, which alone may reach previews from outside
    /// [default: POD_NAMESPACE, then ingress-nginx].
    #[arg(long, env = "INGRESS_NAMESPACE")]
    pub ingress_namespace: Option<String>,

    /// The namespace that Catalyst itself runs in, where operators elect their leader; set by the
    /// chart [default: catalyst-system].
    #[arg(long, env = "POD_NAMESPACE")]
    pub pod_namespace: Option<String>,

    /// The pod that this runs in; set by the chart. The operator tries out from there whether the
    /// cluster enforces NetworkPolicy.
    #[arg(long, env = "POD_NAME")]
    pub pod_name: Option<String>,

    /// The class of the Ingresses that are made.
    #[arg(long, env = "CATALYST_INGRESS_CLASS", default_value = "nginx")]
    pub ingress_class: String,

    /// Where the container that clones a private repository gets credentials, as pods reach it: the
    /// listener of CATALYST_CREDENTIALS_LISTEN. Set by the chart, and by itself with the embedded
    /// cluster [default: none, and only public repositories can be cloned].
    #[arg(long, env = "CATALYST_CREDENTIALS_URL")]
    pub credentials_url: Option<Url>,

    /// Where the operator reaches the web side, which hands it previews' secrets; set by the chart,
    /// and by itself with the embedded cluster [default: none, and previews get no secrets].
    #[arg(long, env = "CATALYST_INTERNAL_URL")]
    pub internal_url: Option<http::Uri>,

    /// The file with the operator's own token for that.
    #[arg(
        long,
        env = "CATALYST_OPERATOR_TOKEN_FILE",
        default_value = "/var/run/secrets/catalyst.dev/web/token"
    )]
    pub operator_token_file: PathBuf,

    /// A file of certificates (PEM) that clones trust instead of those of their image, for a GitHub
    /// Enterprise Server with one of its own.
    #[arg(long, env = "CATALYST_GIT_CERTIFICATES")]
    pub git_certificates: Option<PathBuf>,

    /// The image that fetches the source and reports what it holds; it needs git, and sh, awk, find,
    /// sort, gzip and base64, and for private repositories curl or wget.
    #[arg(long, env = "GIT_CLONE_IMAGE", default_value = "alpine/git:2.45.2")]
    pub git_clone_image: String,

    /// The image in which charts are rendered; it needs helm 3, and sh, awk, find, gzip, base64, cmp
    /// and timeout.
    #[arg(
        long,
        env = "CATALYST_HELM_IMAGE",
        default_value = "alpine/helm:3.17.3"
    )]
    pub helm_image: String,

    /// Images that stand in for those that detection and repositories name, as in
    /// `node=registry.example.com/node python=registry.example.com/tools:3 *=mirror.example.com/library/`:
    /// with the detected tag where they have none, below what ends with a slash.
    #[arg(
        long,
        env = "CATALYST_IMAGES",
        default_value = "",
        hide_default_value = true
    )]
    pub images: Images,

    /// Where images of repositories are pushed to and pulled from: a host and port, and perhaps a
    /// path, as in `ghcr.io/acme`. Without it no images are built.
    #[arg(long, env = "CATALYST_BUILD_REGISTRY")]
    pub build_registry: Option<String>,

    /// The registry speaks plain HTTP.
    #[arg(long, env = "CATALYST_BUILD_REGISTRY_INSECURE")]
    pub build_registry_insecure: bool,

    /// What builds images: `kaniko`, in the build's own pod, or `buildkit`, a daemon.
    #[arg(long, env = "CATALYST_BUILD_ENGINE", default_value = "kaniko")]
    pub build_engine: BuildEngine,

    /// Where BuildKit's daemon answers, as in `tcp://buildkitd.builds.svc:1234`.
    #[arg(long, env = "CATALYST_BUILDKIT_ADDRESS")]
    pub buildkit_address: Option<Url>,

    /// A folder with `ca.pem`, and `cert.pem` and `key.pem`, by which BuildKit's daemon and its clients
    /// know each other.
    #[arg(long, env = "CATALYST_BUILDKIT_CERTIFICATES")]
    pub buildkit_certificates: Option<PathBuf>,

    /// The image of the container that builds, or that talks to what builds. The engine's own
    /// where none is named.
    #[arg(long, env = "CATALYST_BUILD_IMAGE")]
    pub build_image: Option<String>,

    /// Minutes after which a deployment that is not ready is given up, its build included.
    #[arg(long, env = "CATALYST_DEPLOY_DEADLINE_MINUTES", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=240))]
    pub deploy_deadline_minutes: u16,

    /// What previews may reach besides HTTPS on the public internet, as in
    /// `10.1.2.0/24:5432,6379 192.0.2.7/32:80`. Private, link-local and metadata addresses stay
    /// closed unless they are named here.
    #[arg(long, env = "CATALYST_PREVIEW_EGRESS", value_delimiter = ' ')]
    pub preview_egress: Vec<String>,
}

impl PreviewRouting {
    /// The namespace that Catalyst itself runs in, where that is said.
    #[must_use]
    pub fn own_namespace(&self) -> Option<&str> {
        self.pod_namespace
            .as_deref()
            .filter(|name| !name.is_empty())
    }
}

impl Common {
    /// The data folder.
    ///
    /// # Errors
    /// When there is neither the setting nor a home folder to put it in.
    pub fn data_dir(&self) -> Result<PathBuf, SettingsError> {
        if let Some(data) = &self.data {
            return std::path::absolute(data).map_err(|source| SettingsError::Data {
                path: data.clone(),
                source,
            });
        }
        let base = std::env::var_os("XDG_DATA_HOME")
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
            .or_else(|| std::env::home_dir().map(|home| home.join(".local/share")))
            .ok_or(SettingsError::NoHome)?;
        Ok(base.join("catalyst"))
    }

    /// The database's URL.
    ///
    /// # Errors
    /// Those of [`Common::data_dir`].
    pub fn database(&self) -> Result<String, SettingsError> {
        match &self.database_url {
            Some(url) if !url.is_empty() => Ok(url.clone()),
            _ => Ok(format!(
                "sqlite:{}",
                self.data_dir()?.join("catalyst.db").display()
            )),
        }
    }

    /// Whether the database is the one in the data folder, which one process at a time uses.
    #[must_use]
    pub fn has_own_database(&self) -> bool {
        self.database_url.as_deref().is_none_or(str::is_empty)
    }

    /// The contexts of the kubeconfig that are taken besides the current one.
    #[must_use]
    pub fn contexts(&self) -> Contexts {
        let names: Vec<String> = self
            .contexts
            .iter()
            .map(|name| name.trim().to_owned())
            .filter(|name| !name.is_empty())
            .collect();
        match names.as_slice() {
            [] => Contexts::Current,
            [all] if all == "*" => Contexts::All,
            _ => Contexts::Named(names),
        }
    }

    /// The dashboard's address as people reach it, without a trailing slash.
    #[must_use]
    pub fn public_url(&self) -> String {
        match &self.web_url {
            Some(url) => url.as_str().trim_end_matches('/').to_owned(),
            None if self.listen.ip().is_unspecified() => {
                format!("http://127.0.0.1:{}", self.listen.port())
            }
            None => format!("http://{}", self.listen),
        }
    }

    /// Whether the embedded cluster is to be used.
    #[must_use]
    pub fn local(&self) -> bool {
        match self.cluster {
            ClusterMode::Local => true,
            ClusterMode::Kubernetes => false,
            ClusterMode::Auto => {
                let set = |name: &str| std::env::var_os(name).is_some_and(|v| !v.is_empty());
                let configured = set("KUBERNETES_SERVICE_HOST")
                    || set("KUBECONFIG")
                    || std::env::vars_os()
                        .any(|(k, _)| k.to_str().is_some_and(|k| k.starts_with("KUBECONFIG_")));
                !configured
            }
        }
    }
}

/// A setting that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// No place for the data.
    #[error("there is no home folder to keep data in: set CATALYST_DATA")]
    NoHome,
    /// The data folder is not usable.
    #[error("CATALYST_DATA: {} cannot be used", path.display())]
    Data {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// No secret to verify webhooks with.
    #[error(
        "GITHUB_WEBHOOK_SECRET is not set: choose a long random text, and give the same to GitHub's webhook"
    )]
    NoWebhookSecret,
    /// A secret that guards nothing.
    #[error("{name} is empty or shorter than 16 characters: choose a long random text")]
    WeakSecret {
        /// The variable.
        name: &'static str,
    },
    /// file:// where it cannot work.
    #[error(
        "CATALYST_ALLOW_LOCAL_REPOSITORIES works with the embedded cluster only: set CATALYST_CLUSTER=local, or leave it off"
    )]
    LocalRepositories,
    /// Two identities.
    #[error(
        "GITHUB_APP_ID and GITHUB_PAT are both set: Catalyst acts as one of them; unset the other"
    )]
    TwoIdentities,
    /// No HTTP client.
    #[error("the HTTP client for the web side does not work")]
    Client(#[source] Box<kube::Error>),
    /// A key that is none.
    #[error("{name} cannot be used: {why}")]
    Key {
        /// The variable.
        name: &'static str,
        /// What is wrong, without the key.
        why: catalyst_previews::InvalidKey,
    },
    /// The App's key or the token is none.
    #[error("the GitHub credentials cannot be used")]
    Credentials(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The certificates cannot be read.
    #[error("CATALYST_GIT_CERTIFICATES: {} cannot be read", path.display())]
    GitCertificates {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A registry that is none.
    #[error(
        "CATALYST_BUILD_REGISTRY: {0:?} is not a registry's host and port with perhaps a path, as in registry.example.com:5000 or ghcr.io/acme"
    )]
    BuildRegistry(String),
    /// BuildKit without an address.
    #[error(
        "CATALYST_BUILD_ENGINE is buildkit, and CATALYST_BUILDKIT_ADDRESS does not say where it answers: set it, as in tcp://buildkitd.builds.svc:1234"
    )]
    NoBuildkit,
    /// Certificates for BuildKit that cannot be read.
    #[error("CATALYST_BUILDKIT_CERTIFICATES: {path} cannot be read")]
    BuildkitCertificates {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// What previews may reach is malformed.
    #[error("CATALYST_PREVIEW_EGRESS: {0:?} is not CIDR:PORT[,PORT…], as in 10.1.2.0/24:5432")]
    Egress(String),
}

#[cfg(test)]
mod keeping_tests {
    use super::*;

    #[test]
    fn times_have_a_unit_and_an_end() {
        for (text, seconds) in [("90s", 90), ("90m", 5400), ("24h", 86_400), ("2d", 172_800)] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in [
            "",
            "h",
            "24",
            "0h",
            "-1h",
            "1.5h",
            "24 h",
            "400d",
            "9999999999h",
            "2w",
            "é",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn amounts_are_kubernetes_own() {
        assert_eq!(cpu("0.5"), Ok(500));
        assert_eq!(memory("1Gi"), Ok(1024));
        assert!(cpu("0").is_err() && cpu("lots").is_err() && memory("").is_err());
    }
}
