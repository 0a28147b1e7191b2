//! Who holds a token, in the API server's word.

use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec};
use kube::Api;
use kube::api::PostParams;
use secrecy::{ExposeSecret, SecretString};

use crate::{Cluster, ClusterError};

/// A service account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceAccountName {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl ServiceAccountName {
    /// Reads `system:serviceaccount:NAMESPACE:NAME`.
    #[must_use]
    pub fn from_user(user: &str) -> Option<Self> {
        let (namespace, name) = user
            .strip_prefix("system:serviceaccount:")?
            .split_once(':')?;
        let plain = |part: &str| !part.is_empty() && !part.contains([':', '/']);
        (plain(namespace) && plain(name)).then(|| Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        })
    }
}

impl Cluster {
    /// The service account that holds a token for `audience`: `None` where the API server does not
    /// know the token, where it is for another audience, or where it is no service account's.
    ///
    /// # Errors
    /// What the API server answers instead of a review.
    pub async fn review_token(
        &self,
        token: &SecretString,
        audience: &str,
    ) -> Result<Option<ServiceAccountName>, ClusterError> {
        let api: Api<TokenReview> = Api::all(self.client());
        let review = TokenReview {
            spec: TokenReviewSpec {
                token: Some(token.expose_secret().to_owned()),
                audiences: Some(vec![audience.to_owned()]),
            },
            ..TokenReview::default()
        };
        let review = api
            .create(&PostParams::default(), &review)
            .await
            .map_err(|e| self.failed("review", "a token", e))?;
        Ok(holder(&review, audience))
    }
}

/// Whom a review vouches for.
fn holder(review: &TokenReview, audience: &str) -> Option<ServiceAccountName> {
    let status = review.status.as_ref()?;
    // An API server that does not know audiences leaves them out, and vouches for none.
    let meant = status.audiences.iter().flatten().any(|it| it == audience);
    if status.authenticated != Some(true) || !meant {
        return None;
    }
    ServiceAccountName::from_user(status.user.as_ref()?.username.as_deref()?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use k8s_openapi::api::authentication::v1::{TokenReviewStatus, UserInfo};

    use super::*;

    fn reviewed(authenticated: bool, audiences: &[&str], user: &str) -> Option<String> {
        let review = TokenReview {
            status: Some(TokenReviewStatus {
                authenticated: Some(authenticated),
                audiences: Some(audiences.iter().map(|it| (*it).to_owned()).collect()),
                user: Some(UserInfo {
                    username: Some(user.to_owned()),
                    ..UserInfo::default()
                }),
                error: None,
            }),
            ..TokenReview::default()
        };
        holder(&review, "git").map(|it| format!("{}/{}", it.namespace, it.name))
    }

    #[test]
    fn only_a_service_account_with_a_token_for_this_audience_is_vouched_for() {
        let user = "system:serviceaccount:acme-shop-preview-1:clone";
        let known = Some("acme-shop-preview-1/clone".to_owned());
        assert_eq!(reviewed(true, &["git"], user), known);
        assert_eq!(reviewed(false, &["git"], user), None);
        assert_eq!(
            reviewed(true, &["https://kubernetes.default.svc"], user),
            None
        );
        assert_eq!(reviewed(true, &[], user), None);
        for user in [
            "admin",
            "system:serviceaccount:a",
            "system:serviceaccount::b",
            "system:serviceaccount:a:b:c",
        ] {
            assert_eq!(reviewed(true, &["git"], user), None, "{user}");
        }
    }
}
