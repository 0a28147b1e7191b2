//! Every setting of Catalyst, in one place: an environment variable and a flag each.
//!
//! `catalyst help serve` prints this page. What is wrong with a setting is said when the program
//! starts, once for each setting, and stops it.

mod error;
mod github;
mod keeping;
mod routing;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use catalyst_cluster::Contexts;
use clap::{Args, ValueEnum};
use secrecy::SecretString;
use url::Url;

pub use error::SettingsError;
pub use github::GitHubSettings;
pub use keeping::{Keeping, SecretSettings, ShellSettings};
pub use routing::PreviewRouting;

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
