//! What decides whether an object may be created: its namespace, limit ranges and quotas.

use std::collections::{BTreeMap, HashSet};

use serde_json::{Value, json};

use super::defaults::{containers, free_cluster_ip, limits_as_requests};
use super::error::{ApiError, Cause};
use super::kinds::{Kind, resource};
use super::metadata::{is_terminating, items_mut};
use super::quantity::Quantity;
use super::store::State;
use super::validate::items;

/// Refuse what has no namespace to live in.
pub(crate) fn namespace_is_open(
    state: &State,
    kind: &Kind,
    namespace: &str,
    name: &str,
) -> Result<(), ApiError> {
    if !kind.namespaced {
        return Ok(());
    }
    match state.get(resource::NAMESPACES, &(String::new(), namespace.to_owned())) {
        None => Err(ApiError::not_found(resource::NAMESPACES, namespace)),
        Some(object) if is_terminating(object) => Err(ApiError::NamespaceTerminating {
            resource: kind.resource(),
            name: name.to_owned(),
            namespace: namespace.to_owned(),
        }),
        Some(_) => Ok(()),
    }
}

/// Refuse objects of a kind that is coming to its end.
pub(crate) fn kind_is_open(state: &State, kind: &Kind, name: &str) -> Result<(), ApiError> {
    let definition = (String::new(), kind.resource());
    match state.get(resource::CUSTOM_RESOURCE_DEFINITIONS, &definition) {
        Some(definition) if kind.custom && is_terminating(definition) => Err(ApiError::forbidden(
            kind.resource(),
            name,
            "create not allowed while custom resource definition is terminating",
        )),
        _ => Ok(()),
    }
}

/// Give a Service an address of its own. It is a placeholder: nothing listens on it.
pub(crate) fn allocate_cluster_ip(state: &State, service: &mut Value) -> Result<(), ApiError> {
    let spec = &service["spec"];
    let wants =
        spec["type"] != "ExternalName" && spec["clusterIP"].as_str().unwrap_or_default().is_empty();
    if !wants {
        return Ok(());
    }
    let taken: HashSet<String> = state
        .list(resource::SERVICES, None)
        .filter_map(|service| service["spec"]["clusterIP"].as_str().map(str::to_owned))
        .collect();
    let address = free_cluster_ip(&taken)
        .ok_or_else(|| ApiError::Internal("no service addresses are left".to_owned()))?;
    service["spec"]["clusterIPs"] = json!([address]);
    service["spec"]["clusterIP"] = address.into();
    Ok(())
}

/// Complete a LimitRange: a maximum is the default limit, a default limit the default request.
pub(crate) fn default_limit_range(object: &mut Value) {
    for limit in items_mut(&mut object["spec"], "limits") {
        if limit["type"] != "Container" {
            continue;
        }
        for (from, to) in [
            ("max", "default"),
            ("default", "defaultRequest"),
            ("min", "defaultRequest"),
        ] {
            for (name, value) in limit[from].as_object().cloned().into_iter().flatten() {
                if limit[to].is_null() {
                    limit[to] = json!({});
                }
                if limit[to][&name].is_null() {
                    limit[to][name] = value;
                }
            }
        }
    }
}

/// Give the containers of a new pod the namespace's default requests and limits, and note which.
pub(crate) fn apply_limit_ranges<'a>(ranges: impl Iterator<Item = &'a Value>, pod: &mut Value) {
    let mut noted = Vec::new();
    for range in ranges {
        for limit in items(&range["spec"]["limits"]).filter(|limit| limit["type"] == "Container") {
            for (list, called) in [
                ("initContainers", "init container"),
                ("containers", "container"),
            ] {
                for container in items_mut(&mut pod["spec"], list) {
                    let name = container["name"].as_str().unwrap_or_default().to_owned();
                    for (from, to, what) in [
                        ("defaultRequest", "requests", "request"),
                        ("default", "limits", "limit"),
                    ] {
                        let mut set = Vec::new();
                        for (name, value) in limit[from].as_object().into_iter().flatten() {
                            if container["resources"][to][name].is_null() {
                                container["resources"][to][name] = value.clone();
                                set.push(name.clone());
                            }
                        }
                        if !set.is_empty() {
                            set.sort();
                            noted.push(format!("{} {what} for {called} {name}", set.join(", ")));
                        }
                    }
                    limits_as_requests(container);
                }
            }
        }
    }
    if !noted.is_empty() {
        pod["metadata"]["annotations"]["kubernetes.io/limit-ranger"] =
            format!("LimitRanger plugin set: {}", noted.join("; ")).into();
    }
}

/// Refuse what lies outside the namespace's limit ranges.
pub(crate) fn check_limit_ranges<'a>(
    ranges: impl Iterator<Item = &'a Value>,
    kind: &Kind,
    object: &Value,
) -> Result<(), ApiError> {
    let mut refused = Vec::new();
    let mut check = |limit: &Value, what: &str, requests: &Value, limits: &Value| {
        for (name, bound) in limit["maxLimitRequestRatio"]
            .as_object()
            .into_iter()
            .flatten()
        {
            if let (Some(bound), Some(high), Some(low)) = (
                Quantity::from_json(bound),
                Quantity::from_json(&limits[name]),
                Quantity::from_json(&requests[name]),
            ) {
                let ratio = high.millis() as f64 / low.millis().max(1) as f64;
                if ratio > bound.millis() as f64 / 1000.0 {
                    refused.push(format!(
                        "{name} max limit to request ratio per {what} is {bound}, but provided ratio is {ratio:.6}"
                    ));
                }
            }
        }
        let stated = if what == "PersistentVolumeClaim" {
            "request"
        } else {
            "limit"
        };
        for (name, bound) in limit["max"].as_object().into_iter().flatten() {
            let used = Quantity::from_json(&limits[name]).or(Quantity::from_json(&requests[name]));
            if let (Some(bound), Some(used)) = (Quantity::from_json(bound), used)
                && used > bound
            {
                refused.push(format!(
                    "maximum {name} usage per {what} is {bound}, but {stated} is {used}"
                ));
            }
        }
        for (name, bound) in limit["min"].as_object().into_iter().flatten() {
            if let (Some(bound), Some(used)) = (
                Quantity::from_json(bound),
                Quantity::from_json(&requests[name]),
            ) && used < bound
            {
                refused.push(format!(
                    "minimum {name} usage per {what} is {bound}, but request is {used}"
                ));
            }
        }
    };
    for range in ranges {
        for limit in items(&range["spec"]["limits"]) {
            match limit["type"].as_str() {
                Some("Container") if kind.kind == "Pod" => {
                    for container in containers(&object["spec"]) {
                        let resources = &container["resources"];
                        check(
                            limit,
                            "Container",
                            &resources["requests"],
                            &resources["limits"],
                        );
                    }
                }
                Some("Pod") if kind.kind == "Pod" => {
                    let total = |part| sum_of_containers(&object["spec"], part);
                    check(limit, "Pod", &total("requests"), &total("limits"));
                }
                Some("PersistentVolumeClaim") if kind.kind == "PersistentVolumeClaim" => {
                    let requests = &object["spec"]["resources"]["requests"];
                    check(limit, "PersistentVolumeClaim", requests, requests);
                }
                _ => {}
            }
        }
    }
    if refused.is_empty() {
        return Ok(());
    }
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    Err(ApiError::forbidden(
        kind.resource(),
        name,
        refused.join(", "),
    ))
}

/// What the containers of a pod need together: the sum of those that run at once, or one init
/// container where that needs more.
fn sum_of_containers(spec: &Value, part: &str) -> Value {
    let mut total: BTreeMap<String, Quantity> = BTreeMap::new();
    let amounts = |container: &Value| -> Vec<(String, Quantity)> {
        container["resources"][part]
            .as_object()
            .into_iter()
            .flatten()
            .filter_map(|(name, value)| Some((name.clone(), Quantity::from_json(value)?)))
            .collect()
    };
    for (name, amount) in items(&spec["containers"]).flat_map(amounts) {
        let entry = total.entry(name).or_default();
        *entry = *entry + amount;
    }
    for (name, amount) in items(&spec["initContainers"]).flat_map(amounts) {
        let entry = total.entry(name).or_default();
        *entry = (*entry).max(amount);
    }
    total
        .into_iter()
        .map(|(name, amount)| (name, Value::from(amount.to_string())))
        .collect()
}

/// What one object counts against a quota.
pub(crate) fn usage(kind: &Kind, object: &Value) -> BTreeMap<String, Quantity> {
    let one = Quantity::whole(1);
    let resource = kind.resource();
    let mut usage = BTreeMap::from([(format!("count/{resource}"), one)]);
    match resource.as_str() {
        resource::PODS => {
            if matches!(
                object["status"]["phase"].as_str(),
                Some("Succeeded" | "Failed")
            ) {
                return usage;
            }
            usage.insert("pods".to_owned(), one);
            for (part, plain) in [("requests", true), ("limits", false)] {
                let total = sum_of_containers(&object["spec"], part);
                for (name, amount) in total.as_object().into_iter().flatten() {
                    let Some(amount) = Quantity::from_json(amount) else {
                        continue;
                    };
                    usage.insert(format!("{part}.{name}"), amount);
                    if plain {
                        usage.insert(name.clone(), amount);
                    }
                }
            }
        }
        resource::PERSISTENT_VOLUME_CLAIMS => {
            usage.insert(resource, one);
            let storage = &object["spec"]["resources"]["requests"]["storage"];
            if let Some(storage) = Quantity::from_json(storage) {
                usage.insert("requests.storage".to_owned(), storage);
            }
        }
        resource::SERVICES => {
            usage.insert(resource, one);
            match object["spec"]["type"].as_str() {
                Some("LoadBalancer") => usage.insert("services.loadbalancers".to_owned(), one),
                Some("NodePort") => usage.insert("services.nodeports".to_owned(), one),
                _ => None,
            };
        }
        resource::CONFIG_MAPS | resource::SECRETS | resource::RESOURCE_QUOTAS => {
            usage.insert(resource, one);
        }
        _ => {}
    }
    usage
}

/// What a namespace uses of each resource that a quota names.
pub(crate) fn used(
    state: &State,
    kinds: &[std::sync::Arc<Kind>],
    namespace: &str,
    hard: &Value,
) -> BTreeMap<String, Quantity> {
    let mut used: BTreeMap<String, Quantity> = hard
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, _)| (name.clone(), Quantity::default()))
        .collect();
    for kind in kinds
        .iter()
        .filter(|kind| kind.namespaced && kind.stored_as.is_none())
    {
        for object in state.list(&kind.resource(), Some(namespace)) {
            for (name, amount) in usage(kind, object) {
                if let Some(total) = used.get_mut(&name) {
                    *total = *total + amount;
                }
            }
        }
    }
    used
}

/// Refuse what a quota of the namespace has no room for.
pub(crate) fn check_quota(
    state: &State,
    kinds: &[std::sync::Arc<Kind>],
    kind: &Kind,
    namespace: &str,
    object: &Value,
) -> Result<(), ApiError> {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let wanted = usage(kind, object);
    for quota in state.list(resource::RESOURCE_QUOTAS, Some(namespace)) {
        let quota_name = quota["metadata"]["name"].as_str().unwrap_or_default();
        let hard = &quota["spec"]["hard"];
        if kind.kind == "Pod" && kind.group.is_empty() {
            let missing = unspecified(hard, &object["spec"]);
            if !missing.is_empty() {
                let message = format!(
                    "failed quota: {quota_name}: must specify {}",
                    missing.join("; ")
                );
                return Err(ApiError::forbidden(kind.resource(), name, message));
            }
        }
        let concerned = hard
            .as_object()
            .is_some_and(|hard| wanted.keys().any(|name| hard.contains_key(name)));
        if !concerned {
            continue;
        }
        let used = used(state, kinds, namespace, hard);
        let mut over = [Vec::new(), Vec::new(), Vec::new()];
        for (resource, &amount) in &wanted {
            let (Some(limit), Some(&present)) =
                (Quantity::from_json(&hard[resource]), used.get(resource))
            else {
                continue;
            };
            if present + amount > limit {
                for (list, value) in over.iter_mut().zip([amount, present, limit]) {
                    list.push(format!("{resource}={value}"));
                }
            }
        }
        let [requested, present, limited] = over.map(|list| list.join(","));
        if !requested.is_empty() {
            return Err(ApiError::forbidden(
                kind.resource(),
                name,
                format!(
                    "exceeded quota: {quota_name}, requested: {requested}, used: {present}, \
                     limited: {limited}"
                ),
            ));
        }
    }
    Ok(())
}

/// Requests and limits that a quota counts and a container does not state.
fn unspecified(hard: &Value, spec: &Value) -> Vec<String> {
    let mut missing = Vec::new();
    for (resource, pointer) in [
        ("cpu", "/requests/cpu"),
        ("memory", "/requests/memory"),
        ("requests.cpu", "/requests/cpu"),
        ("requests.memory", "/requests/memory"),
        ("limits.cpu", "/limits/cpu"),
        ("limits.memory", "/limits/memory"),
    ] {
        if hard[resource].is_null() {
            continue;
        }
        let without: Vec<&str> = containers(spec)
            .filter(|container| container["resources"].pointer(pointer).is_none())
            .filter_map(|container| container["name"].as_str())
            .collect();
        if !without.is_empty() {
            missing.push(format!("{resource} for: {}", without.join(",")));
        }
    }
    missing.sort();
    missing
}

/// A refusal of several fields as one error.
pub(crate) fn invalid(kind: &Kind, object: &Value, causes: Vec<Cause>) -> Result<(), ApiError> {
    if causes.is_empty() {
        return Ok(());
    }
    Err(ApiError::Invalid {
        kind: kind.qualified(),
        name: object["metadata"]["name"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
        causes,
    })
}
