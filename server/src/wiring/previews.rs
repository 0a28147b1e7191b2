//! The use cases of previews, in the server and beside it.

use anyhow::Context;
use catalyst_cluster::Cluster;
use catalyst_previews::{PreviewSettings, Previews, Redactor};
use k8s_openapi::api::core::v1::Node;
use kube::Api;
use kube::api::ListParams;
use url::Url;

use super::clusters::clusters;
use super::open_store;
use crate::settings::{Common, GitHubSettings, SecretSettings};

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

/// The name under which pods of the embedded cluster find the listener for credentials, as they
/// would in a Kubernetes that Catalyst is installed in.
pub(super) const LOCAL_WEB: &str = "catalyst-web.catalyst-system.svc";

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
