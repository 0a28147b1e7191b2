//! A pod's own identity: tokens of its service account, in projected volumes.
//!
//! As in Kubernetes, a token is for the audience that the pod's spec names, ends with the pod, and
//! is written anew when four fifths of its time have passed.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::pod::Pod;
use super::spec::{list, text};
use crate::api::{Claims, ISSUER};
use crate::objects::resource;

/// The life of a token in seconds where the source names none, and the shortest there is.
const LIFE: i64 = 3600;
const SHORTEST: i64 = 600;

fn life(source: &Value) -> i64 {
    source["expirationSeconds"]
        .as_i64()
        .unwrap_or(LIFE)
        .max(SHORTEST)
}

/// The `serviceAccountToken` sources of a pod's volumes.
fn sources(pod: &Value) -> impl Iterator<Item = &Value> {
    list(&pod["spec"], "volumes")
        .flat_map(|volume| list(&volume["projected"], "sources"))
        .filter_map(|source| source.get("serviceAccountToken"))
}

impl Pod {
    /// A token for this source; none where the service account is not there.
    pub(super) fn token(&self, source: &Value) -> Option<String> {
        let object = self.object();
        let account = match text(&object["spec"], "serviceAccountName") {
            "" => "default",
            name => name,
        };
        let namespace = &self.reference.namespace;
        let accounts = resource::SERVICE_ACCOUNTS;
        let found = self.node.objects.get(accounts, namespace, account).ok()?;
        let audience = match text(source, "audience") {
            "" => ISSUER,
            audience => audience,
        };
        Some(self.node.tokens.issue(&Claims {
            namespace: namespace.clone(),
            account: account.to_owned(),
            uid: text(&found["metadata"], "uid").to_owned(),
            audiences: vec![audience.to_owned()],
            expires: jiff::Timestamp::now().as_second() + life(source),
            bound: Some((
                resource::PODS.to_owned(),
                self.reference.name.clone(),
                self.reference.uid.clone(),
            )),
        }))
    }

    /// Keep its tokens good for as long as it lives.
    pub(super) fn renew_tokens(self: &Arc<Self>) {
        let Some(shortest) = sources(&self.object()).map(life).min() else {
            return;
        };
        let pause = Duration::from_secs(shortest.unsigned_abs()) * 4 / 5;
        let pod = self.clone();
        self.node.tasks.spawn(async move {
            while pod.wait(pause).await {
                if let Err(error) = pod.make_volumes() {
                    tracing::warn!(%error, pod = pod.reference.name, "a pod's tokens were not renewed");
                }
            }
        });
    }
}
