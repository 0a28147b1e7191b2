//! Waiting until something is really gone.

use std::fmt::Debug;
use std::time::Duration;

use kube::runtime::{conditions, wait::await_condition};
use kube::{Api, Resource, ResourceExt};
use serde::de::DeserializeOwned;

use crate::{Cluster, ClusterError, ConnectionError, WatchError};

impl Cluster {
    /// Waits until the object `name` of `api`, which errors call `on`, is gone with its finalizers.
    /// One of the same name that was made anew counts as another one.
    pub(crate) async fn until_gone<K>(
        &self,
        api: Api<K>,
        name: &str,
        on: String,
        patience: Duration,
    ) -> Result<(), ClusterError>
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
    {
        let found = api.get_opt(name).await;
        let Some(found) = found.map_err(|e| self.failed("read", on.clone(), e))? else {
            return Ok(());
        };
        let uid = found.uid().unwrap_or_default();
        let gone = await_condition(api, name, conditions::is_deleted(&uid));
        match tokio::time::timeout(patience, gone).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(e)) => Err(WatchError {
                on,
                cluster: self.name().to_owned(),
                source: Box::new(e),
            }
            .into()),
            Err(_) => {
                let attempt = self.attempt("remove", on);
                Err(ConnectionError::TimedOut { attempt }.into())
            }
        }
    }
}
