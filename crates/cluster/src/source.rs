//! Where a cluster's address and credentials come from.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig, KubeconfigError},
};

use crate::{Attempt, Cluster, ClusterError, ConnectionError};

/// The name of the cluster that this process runs in.
pub const IN_CLUSTER: &str = "in-cluster";
/// The name of the embedded cluster.
pub const LOCAL: &str = "local";

/// Where a cluster's address and credentials come from.
#[derive(Debug, Clone)]
pub enum ClusterSource {
    /// The cluster that this process runs in, as a pod. Its name is [`IN_CLUSTER`].
    InCluster,
    /// A kubeconfig file, with its current context, which is the cluster's name.
    File(PathBuf),
    /// The embedded cluster, by the kubeconfig that it has written. Its name is [`LOCAL`].
    Local(PathBuf),
    /// A context of a kubeconfig, by which name the cluster is known.
    Context(Box<Kubeconfig>, String),
    /// A kubeconfig with its current context, under another name.
    Named(String, Box<Kubeconfig>),
}

impl ClusterSource {
    /// Sets the client up. No request is made yet.
    ///
    /// # Errors
    /// [`ConnectionError`], saying what of the configuration cannot be used.
    pub async fn connect(self) -> Result<Cluster, ClusterError> {
        let (name, config) = self.resolve().await?;
        let client = Client::try_from(config).map_err(|error| {
            let attempt = Attempt {
                verb: "set up",
                on: "a client".into(),
                cluster: name.as_str().into(),
            };
            ClusterError::new(attempt, error)
        })?;
        Ok(Cluster::new(name, client))
    }

    async fn resolve(self) -> Result<(String, Config), ConnectionError> {
        match self {
            Self::InCluster => {
                let config = Config::incluster()
                    .map_err(|e| invalid("what the kubelet gives to this pod", e))?;
                Ok((IN_CLUSTER.to_owned(), config))
            }
            Self::File(path) => {
                let (context, config) = read(&path).await?;
                Ok((context.unwrap_or_else(|| "default".to_owned()), config))
            }
            Self::Local(path) => {
                let (_, config) = read(&path).await?;
                Ok((LOCAL.to_owned(), config))
            }
            Self::Context(file, name) => {
                let options = KubeConfigOptions {
                    context: Some(name.clone()),
                    ..KubeConfigOptions::default()
                };
                let what = format!("context {name:?} of the kubeconfig");
                let config = config(*file, &options, &what).await?;
                Ok((name, config))
            }
            Self::Named(name, file) => {
                let what = format!("KUBECONFIG_{}", variable(&name));
                let config = config(*file, &KubeConfigOptions::default(), &what).await?;
                Ok((name, config))
            }
        }
    }
}

/// A file's current context, and its configuration.
async fn read(path: &Path) -> Result<(Option<String>, Config), ConnectionError> {
    let what = path.display().to_string();
    let file = Kubeconfig::read_from(path).map_err(|e| invalid(&what, e))?;
    let context = file.current_context.clone();
    let config = config(file, &KubeConfigOptions::default(), &what).await?;
    Ok((context, config))
}

async fn config(
    file: Kubeconfig,
    options: &KubeConfigOptions,
    what: &str,
) -> Result<Config, ConnectionError> {
    Config::from_custom_kubeconfig(file, options)
        .await
        .map_err(|e| invalid(what, e))
}

fn invalid(
    what: &str,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> ConnectionError {
    ConnectionError::Invalid {
        what: what.to_owned(),
        source: source.into(),
    }
}

/// What follows `KUBECONFIG_` in the variable of a cluster of this name.
pub(crate) fn variable(name: &str) -> String {
    name.to_ascii_uppercase().replace('-', "_")
}

/// The name of the cluster whose kubeconfig the variable `KUBECONFIG_<suffix>` holds.
pub(crate) fn name(suffix: &str) -> String {
    suffix.to_ascii_lowercase().replace('_', "-")
}

/// Reads what a variable `KUBECONFIG_<NAME>` holds: a kubeconfig in YAML or JSON, in base64.
pub(crate) fn decode(variable: &str, value: &str) -> Result<Kubeconfig, ConnectionError> {
    // Tools break long lines of base64.
    let packed: String = value.split_ascii_whitespace().collect();
    let bytes = BASE64_STANDARD
        .decode(packed)
        .map_err(|e| invalid(variable, e))?;
    let text = String::from_utf8(bytes).map_err(|e| invalid(variable, e))?;
    // JSON is YAML, too. The parser's own words would quote the text, credentials and all.
    let file = Kubeconfig::from_yaml(&text)
        .map_err(|_| invalid(variable, "it is not a kubeconfig in YAML or JSON"))?;
    if file.clusters.is_empty() {
        return Err(invalid(variable, "it names no cluster"));
    }
    Ok(file)
}

/// The kubeconfig that kubectl would use; none where there is none.
pub(crate) fn default_kubeconfig() -> Result<Option<Kubeconfig>, ConnectionError> {
    match Kubeconfig::read() {
        Ok(file) if file.contexts.is_empty() => Ok(None),
        Ok(file) => Ok(Some(file)),
        Err(KubeconfigError::FindPath) => Ok(None),
        Err(KubeconfigError::ReadConfig(e, _)) if e.kind() == std::io::ErrorKind::NotFound => {
            Ok(None)
        }
        Err(e) => Err(invalid("the kubeconfig (KUBECONFIG or ~/.kube/config)", e)),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const YAML: &str = "apiVersion: v1\nkind: Config\ncurrent-context: eu-1\n\
        clusters: [{name: c, cluster: {server: 'http://127.0.0.1:1'}}, {name: d, cluster: {server: 'http://127.0.0.1:2'}}]\n\
        users: [{name: u, user: {token: t}}]\n\
        contexts: [{name: eu-1, context: {cluster: c, user: u}}, {name: eu-2, context: {cluster: d, user: u}}]\n";

    #[tokio::test]
    async fn a_missing_kubeconfig_is_named_in_the_error() {
        let source = ClusterSource::File("/nonexistent/kubeconfig".into());
        let error = source.connect().await.unwrap_err().to_string();
        assert!(error.contains("/nonexistent/kubeconfig"), "{error}");
    }

    #[tokio::test]
    async fn a_cluster_is_called_by_its_context_or_by_its_variable() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("kubeconfig");
        std::fs::write(&path, YAML).unwrap();
        let file = || Box::new(Kubeconfig::from_yaml(YAML).unwrap());
        for (source, name, url) in [
            (
                ClusterSource::File(path.clone()),
                "eu-1",
                "http://127.0.0.1:1/",
            ),
            (ClusterSource::Local(path), "local", "http://127.0.0.1:1/"),
            (
                ClusterSource::Context(file(), "eu-2".into()),
                "eu-2",
                "http://127.0.0.1:2/",
            ),
            (
                ClusterSource::Named("prod".into(), file()),
                "prod",
                "http://127.0.0.1:1/",
            ),
        ] {
            let (told, config) = source.resolve().await.unwrap();
            assert_eq!(
                (told.as_str(), config.cluster_url.to_string().as_str()),
                (name, url)
            );
        }
    }

    #[tokio::test]
    async fn a_context_that_is_not_there_is_named_in_the_error() {
        let file = Box::new(Kubeconfig::from_yaml(YAML).unwrap());
        let source = ClusterSource::Context(file, "us-1".into());
        let error = source.connect().await.unwrap_err();
        assert!(crate::chain(&error).contains("us-1"), "{error}");
        assert!(!error.is_temporary());
    }

    #[test]
    fn a_kubeconfig_in_a_variable_may_be_yaml_or_json_and_broken_into_lines() {
        let json = serde_json::to_string(&Kubeconfig::from_yaml(YAML).unwrap()).unwrap();
        for text in [YAML, &json] {
            let mut packed = BASE64_STANDARD.encode(text);
            packed.insert(76, '\n');
            let file = decode("KUBECONFIG_EU", &packed).unwrap();
            assert_eq!(file.contexts.len(), 2);
        }
    }

    #[test]
    fn what_is_no_kubeconfig_is_told_by_its_variable_and_not_shown() {
        let secret = "token: s3cret";
        for value in [
            secret,
            &BASE64_STANDARD.encode("[s3cret"),
            &BASE64_STANDARD.encode("kind: Config"),
        ] {
            let error = decode("KUBECONFIG_EU", value).unwrap_err();
            let text = crate::chain(&error);
            assert!(text.starts_with("KUBECONFIG_EU "), "{text}");
            assert!(!text.contains("s3cret"), "{text}");
        }
    }

    #[test]
    fn a_variables_name_and_a_clusters_name_are_the_same_but_for_their_letters() {
        assert_eq!(name("EU_WEST_1"), "eu-west-1");
        assert_eq!(variable("eu-west-1"), "EU_WEST_1");
    }
}
