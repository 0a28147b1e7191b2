//! Services: which pods answer for them, and where.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::object::{
    controller_reference, find, ignore_absent, is_terminating, items, itself, key, name, namespace,
    text, uid,
};
use super::pods;
use super::queue::Key;
use super::runner::{Controller, Outcome, Source};
use crate::node_api::PodRef;
use crate::objects::{ApiError, Objects, Selector, resource};

/// A pod that answers for a port of a Service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub pod: PodRef,
    /// The port on which it listens.
    pub port: u16,
    /// Whether new connections should go to it.
    pub ready: bool,
}

/// The pods that answer for an entry of a Service's `spec.ports`, as they are at this moment.
/// A Service without a selector has none.
pub(crate) fn of_port(objects: &Objects, service: &Value, port: &Value) -> Vec<Endpoint> {
    let selected = selected(objects, service).unwrap_or_default();
    let endpoint = |pod: &Arc<Value>| {
        let metadata = &pod["metadata"];
        Some(Endpoint {
            pod: PodRef {
                namespace: text(metadata, "namespace").to_owned(),
                name: text(metadata, "name").to_owned(),
                uid: text(metadata, "uid").to_owned(),
            },
            port: target_port(pod, port)?,
            ready: takes_new(service, pod),
        })
    };
    selected.iter().filter_map(endpoint).collect()
}

pub(super) fn controller() -> Controller {
    Controller {
        name: "endpoint-controller",
        sources: vec![
            Source {
                resource: resource::SERVICES,
                keys: itself,
            },
            // A change of labels takes a pod out of one Service and into another: all look.
            Source {
                resource: resource::PODS,
                keys: services_of_namespace,
            },
            Source {
                resource: resource::ENDPOINTS,
                keys: itself,
            },
            Source {
                resource: resource::ENDPOINT_SLICES,
                keys: of_slice,
            },
        ],
        reconcile: Box::new(reconcile),
    }
}

fn services_of_namespace(objects: &Objects, pod: &Value) -> Vec<Key> {
    let all = objects.list(
        resource::SERVICES,
        Some(namespace(pod)),
        &Selector::everything(),
    );
    all.map(|list| list.items)
        .unwrap_or_default()
        .iter()
        .map(|service| key(service))
        .collect()
}

fn of_slice(_: &Objects, slice: &Value) -> Vec<Key> {
    super::object::owner_key(slice, "Service")
        .into_iter()
        .collect()
}

/// The pods that a Service selects and that have an address.
fn selected(objects: &Objects, service: &Value) -> Result<Vec<Arc<Value>>, ApiError> {
    let selector = Selector::from_map(&service["spec"]["selector"]);
    if selector.is_everything() {
        return Ok(Vec::new());
    }
    let mut pods = objects
        .list(resource::PODS, Some(namespace(service)), &selector)?
        .items;
    pods.retain(|pod| !pods::is_finished(pod) && !text(&pod["status"], "podIP").is_empty());
    Ok(pods)
}

fn takes_new(service: &Value, pod: &Value) -> bool {
    service["spec"]["publishNotReadyAddresses"] == true
        || (pods::is_ready(pod) && !is_terminating(pod))
}

/// The number of a Service port's target in a pod: a number, or the name of a container's port.
fn target_port(pod: &Value, port: &Value) -> Option<u16> {
    let target = port.get("targetPort").unwrap_or(&port["port"]);
    crate::node::port(pod, target)
}

fn reconcile(objects: &Objects, key: &Key) -> Outcome {
    let (namespace, name) = key;
    let service =
        find(objects, resource::SERVICES, key)?.filter(|service| !is_terminating(service));
    let Some(service) = service else {
        // Slices go with their owner; Endpoints know it by name alone.
        let present = find(objects, resource::ENDPOINTS, key)?;
        if present.is_some_and(|present| is_ours(&present)) {
            let options = crate::objects::DeleteOptions::default();
            ignore_absent(objects.delete(resource::ENDPOINTS, namespace, name, &options))?;
        }
        return Ok(None);
    };
    if Selector::from_map(&service["spec"]["selector"]).is_everything() {
        return Ok(None);
    }
    // Pods that give the ports the same numbers stand together.
    let mut groups: BTreeMap<String, (Value, Vec<Arc<Value>>)> = BTreeMap::new();
    for pod in selected(objects, &service)? {
        let ports: Vec<Value> = items(&service["spec"]["ports"])
            .filter_map(|port| {
                let mut entry = json!({
                    "port": target_port(&pod, port)?,
                    "protocol": port["protocol"].as_str().unwrap_or("TCP"),
                });
                if let Some(name) = port.get("name") {
                    entry["name"] = name.clone();
                }
                Some(entry)
            })
            .collect();
        let ports = Value::from(ports);
        groups
            .entry(ports.to_string())
            .or_insert_with(|| (ports, Vec::new()))
            .1
            .push(pod);
    }
    let groups: Vec<(Value, Vec<Arc<Value>>)> = groups.into_values().collect();
    write_endpoints(objects, &service, &groups)?;
    write_slices(objects, &service, &groups)?;
    Ok(None)
}

/// Marks what this controller made.
const MANAGED_BY: &str = "endpoints.kubernetes.io/managed-by";
const SLICE_MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
const SERVICE_NAME: &str = "kubernetes.io/service-name";

fn is_ours(endpoints: &Value) -> bool {
    endpoints["metadata"]["labels"][MANAGED_BY] == "endpoint-controller"
}

fn target(pod: &Value) -> Value {
    json!({
        "kind": "Pod", "namespace": namespace(pod), "name": name(pod), "uid": uid(pod),
    })
}

fn write_endpoints(
    objects: &Objects,
    service: &Value,
    groups: &[(Value, Vec<Arc<Value>>)],
) -> Result<(), ApiError> {
    let subsets: Vec<Value> = groups
        .iter()
        .map(|(ports, pods)| {
            let addresses = |ready: bool| -> Vec<Value> {
                pods.iter()
                    .filter(|pod| takes_new(service, pod) == ready && !is_terminating(pod))
                    .map(|pod| {
                        json!({
                            "ip": pod["status"]["podIP"], "nodeName": pod["spec"]["nodeName"],
                            "targetRef": target(pod),
                        })
                    })
                    .collect()
            };
            let mut subset = json!({ "ports": ports });
            for (field, ready) in [("addresses", true), ("notReadyAddresses", false)] {
                let addresses = addresses(ready);
                if !addresses.is_empty() {
                    subset[field] = addresses.into();
                }
            }
            subset
        })
        .filter(|subset| {
            subset
                .get("addresses")
                .or(subset.get("notReadyAddresses"))
                .is_some()
        })
        .collect();
    let mut labels = service["metadata"]["labels"].clone();
    labels[MANAGED_BY] = "endpoint-controller".into();
    let (namespace, name) = key(service);
    let endpoints = json!({
        "metadata": { "name": name, "labels": labels }, "subsets": subsets,
    });
    put(
        objects,
        resource::ENDPOINTS,
        &namespace,
        &name,
        endpoints,
        &["subsets"],
    )
}

fn write_slices(
    objects: &Objects,
    service: &Value,
    groups: &[(Value, Vec<Arc<Value>>)],
) -> Result<(), ApiError> {
    let own = Selector::from_map(&json!({ SERVICE_NAME: name(service) }));
    let present = objects.list(resource::ENDPOINT_SLICES, Some(namespace(service)), &own)?;
    let mut wanted = Vec::new();
    for (index, (ports, pods)) in groups.iter().enumerate() {
        let endpoints: Vec<Value> = pods
            .iter()
            .map(|pod| {
                let serving = pods::is_ready(pod);
                json!({
                    "addresses": [pod["status"]["podIP"]],
                    "conditions": {
                        "ready": takes_new(service, pod), "serving": serving,
                        "terminating": is_terminating(pod),
                    },
                    "nodeName": pod["spec"]["nodeName"], "targetRef": target(pod),
                })
            })
            .collect();
        let slice_name = format!("{}-{index}", name(service));
        let slice = json!({
            "metadata": {
                "name": slice_name,
                "labels": {
                    SERVICE_NAME: name(service),
                    SLICE_MANAGED_BY: "endpointslice-controller.k8s.io",
                },
                "ownerReferences": [controller_reference(service)],
            },
            "addressType": "IPv4", "endpoints": endpoints, "ports": ports,
        });
        let namespace = namespace(service);
        let fields = ["ports", "endpoints"];
        put(
            objects,
            resource::ENDPOINT_SLICES,
            namespace,
            &slice_name,
            slice,
            &fields,
        )?;
        wanted.push(slice_name);
    }
    for slice in present.items {
        let ours =
            slice["metadata"]["labels"][SLICE_MANAGED_BY] == "endpointslice-controller.k8s.io";
        if ours && !wanted.iter().any(|wanted| wanted == name(&slice)) {
            let options = crate::objects::DeleteOptions::default();
            let (namespace, name) = key(&slice);
            ignore_absent(objects.delete(resource::ENDPOINT_SLICES, &namespace, &name, &options))?;
        }
    }
    Ok(())
}

/// Create an object, or bring some fields and the labels of the present one up to date.
fn put(
    objects: &Objects,
    resource: &str,
    namespace: &str,
    name: &str,
    object: Value,
    fields: &[&str],
) -> Result<(), ApiError> {
    let written = objects.modify(resource, namespace, name, |present| {
        for field in fields {
            present[field] = object[field].clone();
        }
        if let Some(owners) = object["metadata"].get("ownerReferences") {
            present["metadata"]["ownerReferences"] = owners.clone();
        }
        present["metadata"]["labels"] = object["metadata"]["labels"].clone();
    });
    match written {
        Err(error) if error.is_not_found() => objects.create(resource, namespace, object).map(drop),
        written => written.map(drop),
    }
}
