//! The credentials of registries: what a team keeps is copied for each of its previews.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{LocalObjectReference, Secret, ServiceAccount};

use super::Target;

/// The Secret with a registry's credentials, in a team's namespace and in its previews'.
pub const REGISTRY_CREDENTIALS: &str = "registry-credentials";

/// The copy of a team's credentials for a preview.
#[must_use]
pub fn copy(target: &Target, kept: &Secret) -> Secret {
    let data: Option<BTreeMap<String, ByteString>> = kept.data.clone();
    Secret {
        metadata: target.meta(REGISTRY_CREDENTIALS),
        data,
        type_: kept.type_.clone(),
        ..Secret::default()
    }
}

/// The pull secrets that an account should have, others' included; none where it has them already.
#[must_use]
pub fn pull_secrets(account: &ServiceAccount, wanted: bool) -> Option<Vec<LocalObjectReference>> {
    let mut all = account.image_pull_secrets.clone().unwrap_or_default();
    let is_ours = |one: &LocalObjectReference| one.name == REGISTRY_CREDENTIALS;
    if all.iter().any(is_ours) == wanted {
        return None;
    }
    if wanted {
        all.push(LocalObjectReference {
            name: REGISTRY_CREDENTIALS.to_owned(),
        });
    } else {
        all.retain(|one| !is_ours(one));
    }
    Some(all)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_account_gets_the_pull_secret_once_beside_those_of_others() {
        let with = |names: &[&str]| ServiceAccount {
            image_pull_secrets: Some(
                names
                    .iter()
                    .map(|&name| LocalObjectReference {
                        name: name.to_owned(),
                    })
                    .collect(),
            ),
            ..ServiceAccount::default()
        };
        let names = |account: &ServiceAccount, wanted| {
            let all = pull_secrets(account, wanted)?;
            Some(all.into_iter().map(|one| one.name).collect::<Vec<_>>())
        };
        let others = with(&["others"]);
        let both = with(&["others", REGISTRY_CREDENTIALS]);
        assert_eq!(
            names(&others, true).unwrap(),
            ["others", REGISTRY_CREDENTIALS]
        );
        assert_eq!(names(&both, true), None);
        assert_eq!(names(&both, false).unwrap(), ["others"]);
        assert_eq!(names(&ServiceAccount::default(), false), None);
    }
}
