//! The identities by which the parts of Catalyst in a cluster know each other: service accounts
//! and the audiences of their tokens. A token for one audience opens no other door, the Kubernetes
//! API's included.

/// The service account of pods that check a private repository out. It has no rights, and its
/// token is mounted by the container that clones, alone.
pub const GIT_ACCOUNT: &str = "catalyst-git-clone";
/// The audience of its tokens: the door that hands out credentials for Git.
pub const GIT_AUDIENCE: &str = "catalyst-git";
/// The audience of the operator's tokens for the web side: the door that hands out previews'
/// secrets.
pub const SECRETS_AUDIENCE: &str = "catalyst-secrets";
/// The label of pods that may reach that door.
pub const GIT_CLIENT: &str = "catalyst.dev/git-client";
