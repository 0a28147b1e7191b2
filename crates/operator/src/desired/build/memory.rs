//! The images that a project's previews had built lately, kept where they outlive the previews: one
//! that is closed and reopened, or removed and made again, has its image at once.
//!
//! Of a registry's tags none is believed, as whoever pushes may move them: what is remembered is the
//! digest that the operator was told by its own Job. Nor is an image lent to a preview of another
//! name, which may have been built with other secrets.

use std::collections::BTreeMap;

use catalyst_crd::labels;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Value, json};

use super::Order;
use crate::desired::Target;

/// The ConfigMap in the project's namespace.
pub const IMAGES: &str = "catalyst-images";
/// Images that are remembered for one project.
const REMEMBERED: usize = 100;

/// The image of this very build, by its digest.
#[must_use]
pub fn recalled(memory: &ConfigMap, order: &Order) -> Option<String> {
    let (_, image) = memory.data.as_ref()?.get(&order.key())?.split_once(' ')?;
    // The key is short; two orders that share it would still differ in what they are called.
    is_pinned(image, order).then(|| image.to_owned())
}

/// What is to be changed (a merge patch) so that an image is remembered; none where it has no digest.
/// The oldest make room.
#[must_use]
pub fn remembering(
    memory: Option<&ConfigMap>,
    target: &Target,
    order: &Order,
    image: &str,
    now: Timestamp,
) -> Option<Value> {
    if !is_pinned(image, order) {
        return None;
    }
    let none = BTreeMap::new();
    let known = memory.and_then(|memory| memory.data.as_ref());
    let mut others: Vec<_> = known
        .unwrap_or(&none)
        .iter()
        .filter(|(key, _)| **key != order.key())
        .collect();
    // Each begins with its time, all of the same length.
    others.sort_by(|(_, a), (_, b)| b.cmp(a));
    let mut data: BTreeMap<&str, Value> = others
        .iter()
        .skip(REMEMBERED - 1)
        .map(|(key, _)| (key.as_str(), Value::Null))
        .collect();
    let key = order.key();
    data.insert(&key, json!(format!("{} {image}", now.as_second())));
    Some(patch(target, json!(data)))
}

/// What is to be changed so that a build's image is forgotten.
#[must_use]
pub fn forgetting(target: &Target, order: &Order) -> Value {
    patch(target, json!({ order.key(): null }))
}

/// The memory before anything is remembered.
#[must_use]
pub fn empty(target: &Target) -> ConfigMap {
    let own = [labels::TEAM, labels::PROJECT, labels::MANAGED_BY];
    let mut all = target.labels();
    all.retain(|key, _| own.contains(&key.as_str()));
    ConfigMap {
        metadata: ObjectMeta {
            name: Some(IMAGES.to_owned()),
            namespace: Some(target.home.clone()),
            labels: Some(all),
            ..ObjectMeta::default()
        },
        ..ConfigMap::default()
    }
}

fn patch(target: &Target, data: Value) -> Value {
    let mut patch = json!(empty(target));
    patch["data"] = data;
    patch
}

fn is_pinned(image: &str, order: &Order) -> bool {
    image
        .strip_prefix(order.image.as_str())
        .is_some_and(|rest| rest.starts_with("@sha256:"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::desired::build::tests::order;
    use crate::desired::tests::target;

    const DIGEST: &str = "@sha256:0123";

    /// The memory as the API server has it after a merge patch.
    fn after(memory: Option<&ConfigMap>, patch: Value) -> ConfigMap {
        let mut memory = memory.cloned().unwrap_or_else(|| empty(&target()));
        let data = memory.data.get_or_insert_default();
        for (key, value) in patch["data"].as_object().unwrap() {
            match value.as_str() {
                Some(text) => drop(data.insert(key.clone(), text.to_owned())),
                None => drop(data.remove(key)),
            }
        }
        memory
    }

    fn remember(memory: Option<&ConfigMap>, order: &Order, second: i64) -> ConfigMap {
        let image = format!("{}{DIGEST}", order.image);
        let now = Timestamp::from_second(second).unwrap();
        after(
            memory,
            remembering(memory, &target(), order, &image, now).unwrap(),
        )
    }

    #[test]
    fn an_image_is_recalled_for_the_same_build_of_a_preview_of_the_same_name_alone() {
        let this = order(|_| {});
        let memory = remember(None, &this, 1_700_000_000);
        assert_eq!(memory.metadata.namespace, Some(target().home));
        let image = format!("{}{DIGEST}", this.image);
        assert_eq!(recalled(&memory, &this), Some(image));
        for other in [
            order(|order| order.image = order.image.replace("preview-42", "preview-43")),
            order(|order| order.dockerfile.push('\n')),
            order(|order| order.args.clear()),
        ] {
            assert_eq!(recalled(&memory, &other), None);
        }
        let gone = after(Some(&memory), forgetting(&target(), &this));
        assert_eq!(recalled(&gone, &this), None);
    }

    #[test]
    fn neither_a_tag_nor_an_image_of_another_name_is_remembered_or_recalled() {
        let this = order(|_| {});
        for image in [this.image.clone(), format!("other{DIGEST}")] {
            let now = Timestamp::from_second(1_700_000_000).unwrap();
            assert_eq!(remembering(None, &target(), &this, &image, now), None);
            let mut memory = empty(&target());
            memory.data = Some([(this.key(), format!("1700000000 {image}"))].into());
            assert_eq!(recalled(&memory, &this), None, "{image}");
        }
    }

    #[test]
    fn the_oldest_images_make_room() {
        let of = |number: usize| order(|order| order.context = number.to_string());
        let mut memory = None;
        for number in 0..REMEMBERED + 5 {
            let second = 1_700_000_000 + i64::try_from(number).unwrap();
            memory = Some(remember(memory.as_ref(), &of(number), second));
        }
        let memory = memory.unwrap();
        assert_eq!(memory.data.as_ref().unwrap().len(), REMEMBERED);
        assert_eq!(recalled(&memory, &of(4)), None);
        assert!(recalled(&memory, &of(5)).is_some());
    }
}
