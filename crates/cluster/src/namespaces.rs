//! Namespaces: those that hold teams' Projects and projects' Environments are made just in time.

use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api,
    api::{DeleteParams, ListParams, ObjectMeta, PostParams},
};

use crate::{Cluster, ClusterError, KubernetesError};

impl Cluster {
    /// The namespace of this name; none where there is none.
    ///
    /// # Errors
    /// What the API server answers, other than 404.
    pub async fn namespace(&self, name: &str) -> Result<Option<Namespace>, ClusterError> {
        let api: Api<Namespace> = Api::all(self.client());
        let found = api.get_opt(name).await;
        found.map_err(|e| self.failed("read", format!("Namespace {name}"), e))
    }

    /// The namespaces that this label selector picks, by name; all of them for an empty one.
    ///
    /// # Errors
    /// What the API server answers.
    pub async fn namespaces(&self, selector: &str) -> Result<Vec<Namespace>, ClusterError> {
        let api: Api<Namespace> = Api::all(self.client());
        let params = ListParams::default().labels(selector);
        let on = format!("namespaces that are {selector:?}");
        let list = api.list(&params).await;
        let list = list.map_err(|e| self.failed("list", on, e))?;
        Ok(list.items)
    }

    /// Begins to remove a namespace with all that is in it; one that is not there counts as
    /// removed.
    ///
    /// # Errors
    /// What the API server answers, other than 404.
    pub async fn delete_namespace(&self, name: &str) -> Result<(), ClusterError> {
        let api: Api<Namespace> = Api::all(self.client());
        match api.delete(name, &DeleteParams::foreground()).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            Err(e) => Err(self.failed("delete", format!("Namespace {name}"), e)),
        }
    }

    /// Waits until a namespace is really gone; one of the same name that was made anew counts as
    /// another one.
    ///
    /// # Errors
    /// [`ConnectionError::TimedOut`] after `patience`; [`held_up_by`] then says what keeps it.
    pub async fn until_namespace_is_gone(
        &self,
        name: &str,
        patience: Duration,
    ) -> Result<(), ClusterError> {
        let api: Api<Namespace> = Api::all(self.client());
        self.until_gone(api, name, format!("Namespace {name}"), patience)
            .await
    }

    /// Makes the namespace if it is not there. One that is there is taken only if it carries
    /// every one of `labels` already, or none of their keys (made by hand for this purpose, and
    /// then left as it is); it is never relabelled.
    ///
    /// # Errors
    /// [`ClusterError::ForeignNamespace`] if it carries one of the keys with another value;
    /// a conflict ([`ClusterError::is_conflict`]) while an earlier one of this name is still terminating.
    pub async fn ensure_namespace(
        &self,
        name: &str,
        labels: &[(&str, &str)],
    ) -> Result<(), ClusterError> {
        let api: Api<Namespace> = Api::all(self.client());
        let on = format!("Namespace {name}");
        if let Some(found) = api
            .get_opt(name)
            .await
            .map_err(|e| self.failed("read", on.clone(), e))?
        {
            return self.check(&found, name, labels);
        }
        let namespace = Namespace {
            metadata: ObjectMeta {
                name: Some(name.to_owned()),
                labels: Some(
                    labels
                        .iter()
                        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                        .collect(),
                ),
                ..ObjectMeta::default()
            },
            ..Namespace::default()
        };
        match api.create(&PostParams::default(), &namespace).await {
            Ok(_) => Ok(()),
            // Somebody was faster: then what they made is judged.
            Err(kube::Error::Api(status)) if status.code == 409 => {
                let found = api
                    .get(name)
                    .await
                    .map_err(|e| self.failed("read", on.clone(), e))?;
                self.check(&found, name, labels)
            }
            Err(e) => Err(self.failed("create", on, e)),
        }
    }
}

impl Cluster {
    fn check(
        &self,
        found: &Namespace,
        name: &str,
        labels: &[(&str, &str)],
    ) -> Result<(), ClusterError> {
        if found.metadata.deletion_timestamp.is_some() {
            return Err(KubernetesError {
                attempt: self.attempt("create", format!("Namespace {name}")),
                code: 409,
                reason: "AlreadyExists".to_owned(),
                message: "an earlier one of this name is still being removed".to_owned(),
                details: None,
            }
            .into());
        }
        if is_foreign(found, labels) {
            return Err(ClusterError::ForeignNamespace {
                name: name.to_owned(),
                cluster: self.name().to_owned(),
            });
        }
        Ok(())
    }
}

/// What holds up the removal of a namespace, in Kubernetes' words, as far as it says.
#[must_use]
pub fn held_up_by(namespace: &Namespace) -> Vec<String> {
    let conditions = namespace.status.iter().flat_map(|it| &it.conditions);
    let holding = conditions.flatten().filter(|it| it.status == "True");
    holding.filter_map(|it| it.message.clone()).collect()
}

/// Whether it carries one of the keys with another value.
fn is_foreign(found: &Namespace, labels: &[(&str, &str)]) -> bool {
    let present = found.metadata.labels.as_ref();
    labels.iter().any(|(key, value)| {
        present
            .and_then(|it| it.get(*key))
            .is_some_and(|it| it != value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn namespace(labels: &[(&str, &str)]) -> Namespace {
        Namespace {
            metadata: ObjectMeta {
                labels: Some(
                    labels
                        .iter()
                        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                        .collect(),
                ),
                ..ObjectMeta::default()
            },
            ..Namespace::default()
        }
    }

    #[test]
    fn a_namespace_with_another_teams_label_is_foreign() {
        let wanted = [
            ("catalyst.dev/team", "acme"),
            ("catalyst.dev/namespace-type", "team"),
        ];
        assert!(!is_foreign(&namespace(&wanted), &wanted));
        assert!(!is_foreign(&namespace(&[("made-by", "hand")]), &wanted));
        assert!(!is_foreign(&Namespace::default(), &wanted));
        let others = namespace(&[("catalyst.dev/team", "other")]);
        assert!(is_foreign(&others, &wanted));
    }
}
