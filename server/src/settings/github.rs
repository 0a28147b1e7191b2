//! GitHub: who Catalyst is there, and who may sign in.

use clap::Args;
use url::Url;

use super::Secret;

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
