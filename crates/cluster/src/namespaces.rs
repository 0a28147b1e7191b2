//! Namespaces that hold teams' Projects and projects' Environments, made just in time.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, api::ObjectMeta, api::PostParams};

use crate::{Cluster, ClusterError};

impl Cluster {
    /// Makes the namespace if it is not there. One that is there is taken only if it carries
    /// every one of `labels` already, or none of their keys (made by hand for this purpose, and
    /// then left as it is); it is never relabelled.
    ///
    /// # Errors
    /// [`ClusterError::ForeignNamespace`] if it carries one of the keys with another value;
    /// [`ClusterError::Conflict`] while an earlier one of this name is still terminating.
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
            .map_err(|e| ClusterError::new("read", &on, e))?
        {
            return check(&found, name, labels);
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
                    .map_err(|e| ClusterError::new("read", &on, e))?;
                check(&found, name, labels)
            }
            Err(e) => Err(ClusterError::new("create", &on, e)),
        }
    }

    /// A namespace as it is; `None` where there is none.
    ///
    /// # Errors
    /// What the API server answers.
    pub async fn namespace(&self, name: &str) -> Result<Option<Namespace>, ClusterError> {
        let api: Api<Namespace> = Api::all(self.client());
        api.get_opt(name)
            .await
            .map_err(|e| ClusterError::new("read", &format!("Namespace {name}"), e))
    }
}

fn check(found: &Namespace, name: &str, labels: &[(&str, &str)]) -> Result<(), ClusterError> {
    if found.metadata.deletion_timestamp.is_some() {
        return Err(ClusterError::Conflict {
            attempted: "create",
            on: format!("Namespace {name}"),
            message: "an earlier one of this name is still being removed".to_owned(),
        });
    }
    let empty = BTreeMap::new();
    let present = found.metadata.labels.as_ref().unwrap_or(&empty);
    let foreign = labels
        .iter()
        .any(|(k, v)| present.get(*k).is_some_and(|p| p != v));
    if foreign {
        return Err(ClusterError::ForeignNamespace {
            name: name.to_owned(),
        });
    }
    Ok(())
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
        assert!(check(&namespace(&wanted), "acme", &wanted).is_ok());
        assert!(check(&namespace(&[("made-by", "hand")]), "acme", &wanted).is_ok());
        assert!(matches!(
            check(
                &namespace(&[("catalyst.dev/team", "other")]),
                "acme",
                &wanted
            ),
            Err(ClusterError::ForeignNamespace { .. })
        ));
    }
}
