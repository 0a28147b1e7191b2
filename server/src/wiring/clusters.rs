//! The clusters, the embedded one among them.

use std::path::{Path, PathBuf};

use catalyst_cluster::{Cluster, ClusterSource, Clusters, Contexts};
use catalyst_localkube::{LocalKubeConfig, StartError};

use super::secrets::write_private;
use crate::settings::{Common, PreviewRouting};

/// Keeps the embedded cluster's kubeconfig where kubectl and the other commands find it.
pub fn write_kubeconfig(data: &Path, kubeconfig: &serde_json::Value) -> anyhow::Result<PathBuf> {
    let path = data.join("kubeconfig");
    write_private(&path, &serde_yaml::to_string(kubeconfig)?)?;
    Ok(path)
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
