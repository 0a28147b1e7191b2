//! Named volumes as claims.

use serde_json::{Map, json};

use crate::compose::Context;
use crate::compose::load::scalar;
use crate::compose::units::{bytes, quantity};
use crate::rendered::dns_name;

/// What a claim asks for, where nothing is said.
const SIZE: &str = "1Gi";

/// The claims of all services.
pub(in crate::compose) fn claims(context: &mut Context) {
    for (claim, count) in std::mem::take(&mut context.claims) {
        let top = context
            .project
            .volumes
            .iter()
            .find(|(name, _)| dns_name(name, 63) == claim)
            .map(|(name, top)| (name.clone(), top.clone()));
        let mut size = SIZE.to_owned();
        if let Some((name, top)) = top {
            if top["external"] == true || top["external"].is_object() {
                context.warn(
                    format!("volume {name}"),
                    "is external; a preview gets a new, empty one",
                );
            }
            for key in top.as_object().into_iter().flat_map(Map::keys) {
                match key.as_str() {
                    "external" | "name" | "labels" => {}
                    "driver" if top["driver"] == "local" => {}
                    "driver_opts" if top["driver_opts"].get("size").is_some() => {
                        if let Some(wanted) =
                            bytes(&top["driver_opts"]["size"]).filter(|bytes| *bytes > 0)
                        {
                            size = quantity(wanted);
                        }
                    }
                    "x-size" | "x-catalyst-size" => size = scalar(&top[key.as_str()]),
                    key if key.starts_with("x-") => {}
                    key => context.warn(
                        format!("volume {name}: {key}"),
                        "has no effect: the cluster's default storage is used",
                    ),
                }
            }
        }
        if count > 1 {
            context.warn(format!("volume {claim}"), format!("is mounted by {count} services, which only works where the cluster runs them on one node or has shared storage"));
        }
        context.objects.insert(0, json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": { "name": claim },
            "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": size } } }
        }));
    }
    let used: Vec<String> = context
        .objects
        .iter()
        .filter(|object| object["kind"] == "PersistentVolumeClaim")
        .map(|object| scalar(&object["metadata"]["name"]))
        .collect();
    let unused: Vec<String> = context
        .project
        .volumes
        .iter()
        .filter(|(name, top)| {
            !used.contains(&dns_name(name, 63)) && top["driver_opts"]["type"] != "tmpfs"
        })
        .map(|(name, _)| name.clone())
        .collect();
    for name in unused {
        context.warn(
            format!("volume {name}"),
            "is mounted by no service; it is not made",
        );
    }
}
