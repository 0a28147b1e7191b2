//! What can be wrong with a setting.

use std::path::PathBuf;

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
