//! The clusters that previews may live in, by name.

use std::collections::BTreeMap;
use std::sync::Arc;

use kube::config::Kubeconfig;

use crate::source::{decode, default_kubeconfig, name};
use crate::{Cluster, ClusterError, ClusterSource, ConnectionError};

/// Of several clusters with a variable each, the default is the first of these, or the first by
/// name.
const PREFERRED: [&str; 4] = ["production", "prod", "primary", "main"];

/// Which contexts of the default kubeconfig are taken besides the current one.
///
/// Taking one means that Catalyst follows the Projects there, and removes the Environments that
/// its database knows nothing of: nothing to do to a cluster that merely happens to be in the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Contexts {
    /// No other.
    #[default]
    Current,
    /// These.
    Named(Vec<String>),
    /// Every one.
    All,
}

/// The clusters that previews may live in. Never empty; cheap to clone.
#[derive(Debug, Clone)]
pub struct Clusters {
    default: String,
    all: Arc<BTreeMap<String, Cluster>>,
}

impl From<Cluster> for Clusters {
    fn from(cluster: Cluster) -> Self {
        Self {
            default: cluster.name().to_owned(),
            all: Arc::new(BTreeMap::from([(cluster.name().to_owned(), cluster)])),
        }
    }
}

impl Clusters {
    /// The clusters that this process's environment names:
    ///
    /// - the cluster that the process runs in, as a pod: `in-cluster`;
    /// - each whose kubeconfig (YAML or JSON, in base64) a variable `KUBECONFIG_<NAME>` holds, by
    ///   that name in lower case with hyphens: `KUBECONFIG_EU_WEST` is `eu-west`;
    /// - where there is neither: the current context of the default kubeconfig (`KUBECONFIG`, or
    ///   `~/.kube/config`), and the `contexts` of it, by their names.
    ///
    /// The default is `in-cluster`; else `production`, `prod`, `primary` or `main`; else the current
    /// context, or the first by name. No request is made yet.
    ///
    /// # Errors
    /// [`ConnectionError::NotConfigured`] where there is none, [`ConnectionError::Invalid`] for a
    /// configuration that cannot be used.
    pub async fn from_environment(contexts: &Contexts) -> Result<Self, ClusterError> {
        let variables = std::env::vars_os()
            .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)));
        let found = find(variables, default_kubeconfig, contexts)?;
        let none = || {
            ConnectionError::NotConfigured {
            detail: "this is no pod, there is no KUBECONFIG_<NAME>, and no kubeconfig with a current context"
                .to_owned(),
            source: None,
        }
        };
        let mut sources = found.into_iter();
        let default = sources.next().ok_or_else(none)?;
        let mut clusters = Self::from(default.connect().await?);
        for source in sources {
            clusters = clusters.with(source.connect().await?);
        }
        Ok(clusters)
    }

    /// The clusters whose kubeconfigs the variables `KUBECONFIG_<NAME>` of this process hold,
    /// besides `default`: for the embedded cluster, which no variable names.
    ///
    /// # Errors
    /// [`ConnectionError::Invalid`] for one that cannot be used.
    pub async fn with_variables(default: Cluster) -> Result<Self, ClusterError> {
        let variables = std::env::vars_os()
            .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)));
        let mut clusters = Self::from(default);
        for (name, file) in named(variables)? {
            let source = ClusterSource::Named(name, Box::new(file));
            clusters = clusters.with(source.connect().await?);
        }
        Ok(clusters)
    }

    /// Another one besides; one that is there under its name already is replaced.
    #[must_use]
    pub fn with(mut self, cluster: Cluster) -> Self {
        Arc::make_mut(&mut self.all).insert(cluster.name().to_owned(), cluster);
        self
    }

    /// The cluster of what names none.
    #[must_use]
    #[allow(clippy::expect_used, reason = "the invariant of this type")]
    pub fn default_cluster(&self) -> &Cluster {
        self.all
            .get(&self.default)
            .expect("the default is one of them")
    }

    /// The cluster of this name, in any spelling that the name of its variable has; the default one
    /// for none.
    ///
    /// # Errors
    /// [`ConnectionError::Unknown`], naming those that there are.
    pub fn get(&self, wanted: Option<&str>) -> Result<&Cluster, ClusterError> {
        let Some(wanted) = wanted else {
            return Ok(self.default_cluster());
        };
        let found = self.all.get(wanted).or_else(|| self.all.get(&name(wanted)));
        found.ok_or_else(|| {
            ConnectionError::Unknown {
                name: wanted.to_owned(),
                known: self.names().collect::<Vec<_>>().join(", "),
            }
            .into()
        })
    }

    /// Their names, in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.all.keys().map(String::as_str)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Cluster> {
        self.all.values()
    }
}

/// What the variables name, the default one first.
fn find(
    variables: impl Iterator<Item = (String, String)>,
    default_kubeconfig: impl FnOnce() -> Result<Option<Kubeconfig>, ConnectionError>,
    contexts: &Contexts,
) -> Result<Vec<ClusterSource>, ConnectionError> {
    let variables: Vec<_> = variables.filter(|(_, value)| !value.is_empty()).collect();
    let in_cluster = variables
        .iter()
        .any(|(key, _)| key == "KUBERNETES_SERVICE_HOST");
    let mut found = Vec::new();
    if in_cluster {
        found.push(ClusterSource::InCluster);
    }
    let mut named = named(variables.into_iter())?;
    named.sort_by_key(|(name, _)| {
        let preferred = PREFERRED.iter().position(|it| it == name);
        (preferred.unwrap_or(PREFERRED.len()), name.clone())
    });
    let named = named.into_iter();
    found.extend(named.map(|(name, file)| ClusterSource::Named(name, Box::new(file))));
    if found.is_empty()
        && let Some(file) = default_kubeconfig()?
    {
        found.extend(contexts_of(&file, contexts));
    }
    Ok(found)
}

/// The variables' kubeconfigs, by the clusters' names.
fn named(
    variables: impl Iterator<Item = (String, String)>,
) -> Result<Vec<(String, Kubeconfig)>, ConnectionError> {
    let mut named = Vec::new();
    for (key, value) in variables {
        let suffix = key.strip_prefix("KUBECONFIG_").filter(|it| !it.is_empty());
        if let Some(suffix) = suffix.filter(|_| !value.is_empty()) {
            named.push((name(suffix), decode(&key, &value)?));
        }
    }
    Ok(named)
}

/// The current context, then those asked for, each once.
fn contexts_of(file: &Kubeconfig, contexts: &Contexts) -> Vec<ClusterSource> {
    let current = file.current_context.clone().filter(|it| !it.is_empty());
    let others: Vec<String> = match contexts {
        Contexts::Current => Vec::new(),
        Contexts::Named(names) => names.clone(),
        Contexts::All => file.contexts.iter().map(|it| it.name.clone()).collect(),
    };
    let mut names: Vec<String> = Vec::new();
    for name in current.into_iter().chain(others) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let source = |name| ClusterSource::Context(Box::new(file.clone()), name);
    names.into_iter().map(source).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use base64::Engine;
    use base64::prelude::BASE64_STANDARD;

    const YAML: &str = "current-context: dev\n\
        clusters: [{name: c, cluster: {server: 'http://127.0.0.1:1'}}]\n\
        users: [{name: u, user: {token: t}}]\n\
        contexts: [{name: zoo, context: {cluster: c, user: u}}, {name: dev, context: {cluster: c, user: u}}]\n";

    fn told(
        variables: &[&str],
        file: Option<&str>,
        contexts: &Contexts,
    ) -> Result<Vec<String>, ConnectionError> {
        let value = BASE64_STANDARD.encode(YAML);
        let variables = variables.iter().map(|it| ((*it).to_owned(), value.clone()));
        let file = || Ok(file.map(|text| Kubeconfig::from_yaml(text).unwrap()));
        let found = find(variables, file, contexts)?;
        let name = |it| match it {
            ClusterSource::InCluster => "in-cluster".to_owned(),
            ClusterSource::Named(name, _) => name,
            ClusterSource::Context(_, name) => format!("context {name}"),
            ClusterSource::File(_) | ClusterSource::Local(_) => {
                unreachable!("no file is looked for")
            }
        };
        Ok(found.into_iter().map(name).collect())
    }

    #[test]
    fn the_default_is_the_pods_own_cluster_then_the_preferred_names_then_the_first() {
        let current = Contexts::Current;
        let cases: [(&[&str], &[&str]); 5] = [
            (
                &["KUBECONFIG_EU_WEST", "KUBERNETES_SERVICE_HOST"],
                &["in-cluster", "eu-west"],
            ),
            (
                &[
                    "KUBECONFIG_A",
                    "KUBECONFIG_MAIN",
                    "KUBECONFIG_PROD",
                    "KUBECONFIG_PRODUCTION",
                    "KUBECONFIG_PRIMARY",
                ],
                &["production", "prod", "primary", "main", "a"],
            ),
            (&["KUBECONFIG_Z", "KUBECONFIG_B"], &["b", "z"]),
            // The plain variable is a path, and belongs to the default kubeconfig.
            (&["KUBECONFIG", "KUBECONFIG_"], &["context dev"]),
            (&["HOME"], &["context dev"]),
        ];
        for (variables, wanted) in cases {
            assert_eq!(told(variables, Some(YAML), &current).unwrap(), wanted);
        }
    }

    #[test]
    fn other_contexts_are_taken_only_when_they_are_asked_for() {
        let none: [&str; 0] = [];
        assert_eq!(told(&[], None, &Contexts::All).unwrap(), none);
        let all = told(&[], Some(YAML), &Contexts::All).unwrap();
        assert_eq!(all, ["context dev", "context zoo"]);
        let named = Contexts::Named(vec!["zoo".into(), "dev".into(), "zoo".into()]);
        assert_eq!(
            told(&[], Some(YAML), &named).unwrap(),
            ["context dev", "context zoo"]
        );
        // What a variable names leaves the file out.
        assert_eq!(
            told(&["KUBECONFIG_B"], Some(YAML), &Contexts::All).unwrap(),
            ["b"]
        );
    }

    #[test]
    fn an_unusable_variable_is_an_error_and_an_empty_one_is_none() {
        let pairs = |value: &str| vec![("KUBECONFIG_EU".to_owned(), value.to_owned())].into_iter();
        let file = || Ok(None);
        let error = find(pairs("?"), file, &Contexts::Current).unwrap_err();
        assert!(error.to_string().starts_with("KUBECONFIG_EU "), "{error}");
        assert!(
            find(pairs(""), file, &Contexts::Current)
                .unwrap()
                .is_empty()
        );
    }

    #[tokio::test]
    async fn a_cluster_is_found_by_its_name_in_either_spelling() {
        let file = || Box::new(Kubeconfig::from_yaml(YAML).unwrap());
        let connect = |name: &str| ClusterSource::Named(name.to_owned(), file()).connect();
        let clusters = Clusters::from(connect("primary").await.unwrap());
        let clusters = clusters.with(connect("eu-west").await.unwrap());
        assert_eq!(clusters.get(None).unwrap().name(), "primary");
        assert_eq!(clusters.get(Some("EU_WEST")).unwrap().name(), "eu-west");
        assert_eq!(clusters.get(Some("eu-west")).unwrap().name(), "eu-west");
        assert_eq!(clusters.names().collect::<Vec<_>>(), ["eu-west", "primary"]);
        assert_eq!(clusters.iter().count(), 2);
        let error = clusters.get(Some("us")).unwrap_err().to_string();
        assert!(
            error.contains("eu-west, primary") && error.contains("KUBECONFIG_US"),
            "{error}"
        );
    }
}
