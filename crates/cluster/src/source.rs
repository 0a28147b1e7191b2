//! Where a cluster's address and credentials come from.

use std::path::PathBuf;

use kube::{
    Config,
    config::{KubeConfigOptions, Kubeconfig},
};

use crate::ClusterError;

/// Where a cluster's address and credentials come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClusterSource {
    /// This pod's own cluster, else `KUBECONFIG` or `~/.kube/config` with its current context.
    Inferred,
    /// This kubeconfig file, with its current context.
    Kubeconfig(PathBuf),
}

impl ClusterSource {
    /// Reads the configuration; returns the cluster's name with it.
    pub(crate) async fn resolve(&self) -> Result<(String, Config), ClusterError> {
        match self {
            Self::Inferred => {
                let config = Config::infer()
                    .await
                    .map_err(|e| ClusterError::NotConfigured {
                        detail: "neither inside a cluster nor in a kubeconfig".to_owned(),
                        source: Some(Box::new(e)),
                    })?;
                let name = Kubeconfig::read()
                    .ok()
                    .and_then(|file| file.current_context)
                    .unwrap_or_else(|| "in-cluster".to_owned());
                Ok((name, config))
            }
            Self::Kubeconfig(path) => {
                let refused = |e: kube::config::KubeconfigError| ClusterError::NotConfigured {
                    detail: format!("in {}", path.display()),
                    source: Some(Box::new(e)),
                };
                let file = Kubeconfig::read_from(path).map_err(refused)?;
                let name = file
                    .current_context
                    .clone()
                    .unwrap_or_else(|| "default".to_owned());
                let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default())
                    .await
                    .map_err(refused)?;
                Ok((name, config))
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_missing_kubeconfig_is_named_in_the_error() {
        let source = ClusterSource::Kubeconfig("/nonexistent/kubeconfig".into());
        let error = source.resolve().await.unwrap_err();
        assert!(
            error.to_string().contains("/nonexistent/kubeconfig"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a_cluster_is_called_by_its_context() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("kubeconfig");
        std::fs::write(
            &path,
            "apiVersion: v1\nkind: Config\ncurrent-context: eu-1\n\
             clusters: [{name: c, cluster: {server: 'http://127.0.0.1:1'}}]\n\
             users: [{name: u, user: {token: t}}]\n\
             contexts: [{name: eu-1, context: {cluster: c, user: u}}]\n",
        )
        .unwrap();
        let (name, config) = ClusterSource::Kubeconfig(path).resolve().await.unwrap();
        assert_eq!(name, "eu-1");
        assert_eq!(config.cluster_url.to_string(), "http://127.0.0.1:1/");
    }
}
