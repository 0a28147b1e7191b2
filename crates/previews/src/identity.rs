//! What the parts of Catalyst inside a cluster may ask for, by their service accounts.
//!
//! These doors know no sessions and no people. Whoever knocks shows a token of their service
//! account, made for this one door; the API server says whose it is, and what they get follows
//! from that and from nothing they say themselves.

mod git_token;
mod token;

use catalyst_cluster::{Cluster, ServiceAccountName};
use futures::future::join_all;
use secrecy::SecretString;

use crate::Previews;
use crate::error::Cause;
use crate::places::Place;

/// Why one of these doors stays closed.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// No token, or none that the API server knows for this door.
    #[error("a token of a service account that is meant for this door is needed")]
    Unauthenticated,
    /// The token is good, but not for this.
    #[error("{0}")]
    Forbidden(String),
    /// There is no such thing.
    #[error("{0}")]
    NotFound(String),
    /// What was asked is malformed.
    #[error("{0}")]
    Invalid(String),
    /// Something that Catalyst depends on did not answer as it should, or is not set up.
    #[error("{action}")]
    Unavailable {
        /// What was attempted.
        action: String,
        /// Why it failed.
        #[source]
        source: Cause,
    },
}

impl Refusal {
    pub(crate) fn unavailable(action: impl Into<String>, source: impl Into<Cause>) -> Self {
        Self::Unavailable {
            action: action.into(),
            source: source.into(),
        }
    }
}

impl Previews {
    /// Who holds this token for `audience`, and in which cluster: the one that vouches for it.
    pub(crate) async fn holder(
        &self,
        bearer: Option<&SecretString>,
        audience: &str,
    ) -> Result<(ServiceAccountName, &Cluster), Refusal> {
        let bearer = bearer.ok_or(Refusal::Unauthenticated)?;
        // The API server is not asked about what cannot be good: anyone may knock here.
        if !token::may_be_for(bearer, audience, chrono::Utc::now()) {
            return Err(Refusal::Unauthenticated);
        }
        let places = self.inner.places.iter();
        let answering = places.filter(|place| place.silence().is_none());
        let reviews = join_all(answering.map(|Place { cluster, .. }| async move {
            let reviewed = cluster.review_token(bearer, audience).await;
            reviewed.map(|account| Some((account?, cluster)))
        }));
        let mut failed = None;
        for review in reviews.await {
            match review {
                Ok(Some(holder)) => return Ok(holder),
                Ok(None) => {}
                Err(e) => failed = Some(e),
            }
        }
        Err(match failed {
            Some(e) => Refusal::unavailable("the token could not be reviewed", e),
            None => Refusal::Unauthenticated,
        })
    }
}
