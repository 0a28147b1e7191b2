//! What became of builds: read, kept and forgotten.

use std::sync::Arc;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use kube::runtime::reflector::ObjectRef;
use serde_json::Value;

use super::image::Workshop;
use super::pods;
use crate::desired::build::{IMAGES, Order, Outcome, built_record, memory};
use crate::error::Error;

impl Workshop<'_> {
    /// What became of this build, by the record beside it.
    pub(super) async fn known(&self, order: &Order) -> Result<Option<Outcome>, Error> {
        let place =
            ObjectRef::<ConfigMap>::new(&built_record(&order.name)).within(&self.target.namespace);
        let record = self.context.cluster.caches.config_maps.get(&place);
        let known = record.and_then(|record| Outcome::of(&record, order, self.retry));
        if known.as_ref().is_some_and(|known| self.is_lost(known)) {
            return self.forget(order).await.map(|()| None);
        }
        Ok(known)
    }

    /// The image that a preview of this name, which was there before, had built of the same.
    pub(super) async fn recalled(&self, order: &Order) -> Result<Option<Outcome>, Error> {
        let memory = self.memory();
        let image = memory.and_then(|memory| memory::recalled(&memory, order));
        match image {
            Some(image) => self.record(order, Some(image), None).await.map(Some),
            None => Ok(None),
        }
    }

    /// Keeps an image that was built, beside the build and in the project.
    pub(super) async fn built(&self, order: &Order, image: String) -> Result<Outcome, Error> {
        let memory = self.memory();
        let addition = memory::remembering(memory.as_deref(), self.target, order, &image, self.now);
        if let Some(addition) = addition {
            self.change_memory(&addition).await?;
        }
        self.record(order, Some(image), None).await
    }

    /// Keeps why an image could not be built.
    pub(super) async fn failed(&self, order: &Order, why: String) -> Result<Outcome, Error> {
        self.record(order, None, Some(why)).await
    }

    fn memory(&self) -> Option<Arc<ConfigMap>> {
        let place = ObjectRef::new(IMAGES).within(&self.target.home);
        self.context.cluster.caches.config_maps.get(&place)
    }

    /// Whether a retry finds that no node gets the image any more: registries remove old ones.
    fn is_lost(&self, known: &Outcome) -> bool {
        let Some(image) = known.image.as_deref() else {
            return false;
        };
        known.retry.as_deref() != self.retry
            && self
                .context
                .cluster
                .caches
                .pods_in(&self.target.namespace)
                .iter()
                .any(|pod| pods::lacks_image(pod, image))
    }

    async fn forget(&self, order: &Order) -> Result<(), Error> {
        tracing::warn!(
            environment = self.target.owner(),
            image = order.image,
            "image_lost"
        );
        self.change_memory(&memory::forgetting(self.target, order))
            .await?;
        let cluster = &self.context.cluster;
        cluster
            .delete::<ConfigMap>(&self.target.namespace, &built_record(&order.name))
            .await
    }

    async fn record(
        &self,
        order: &Order,
        image: Option<String>,
        failure: Option<String>,
    ) -> Result<Outcome, Error> {
        let outcome = Outcome {
            key: order.key(),
            retry: self.retry.map(ToOwned::to_owned),
            image,
            failure,
        };
        let record = outcome.record(self.target, order);
        self.context.cluster.ensure(&record).await?;
        Ok(outcome)
    }

    /// Several previews write into the memory, each its own keys.
    async fn change_memory(&self, patch: &Value) -> Result<(), Error> {
        let home = &self.target.home;
        let api: Api<ConfigMap> = Api::namespaced(self.context.cluster.client.clone(), home);
        let parameters = PatchParams::default();
        let change = async || api.patch(IMAGES, &parameters, &Patch::Merge(patch)).await;
        let is = |error: &kube::Error, code| matches!(error, kube::Error::Api(status) if status.code == code);
        let mut changed = change().await;
        if changed.as_ref().is_err_and(|error| is(error, 404)) {
            let empty = memory::empty(self.target);
            match api.create(&PostParams::default(), &empty).await {
                // Another preview was first.
                Err(error) if !is(&error, 409) => changed = Err(error),
                Ok(_) | Err(_) => changed = change().await,
            }
        }
        changed
            .map(drop)
            .map_err(Error::api("change", format!("ConfigMap {home}/{IMAGES}")))
    }
}
