//! The rows of the built-in kinds other than pods, under the headings of the parent module.

use serde_json::Value;

use crate::api::scale::selector_text;
use crate::api::table::{age, duration};

pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

pub(super) fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or_default()
}

pub(super) fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

pub(super) fn or_none(text: &str) -> Value {
    if text.is_empty() {
        "<none>".into()
    } else {
        text.into()
    }
}

pub(super) fn name(object: &Value) -> Value {
    object["metadata"]["name"].clone()
}

fn joined<T: AsRef<str>>(texts: impl Iterator<Item = T>) -> String {
    texts
        .map(|text| text.as_ref().to_owned())
        .collect::<Vec<_>>()
        .join(",")
}

fn created(object: &Value, now: jiff::Timestamp) -> Value {
    age(&object["metadata"]["creationTimestamp"], now).into()
}

fn map_text(map: &Value) -> Value {
    let pairs = map.as_object().into_iter().flatten();
    or_none(&joined(
        pairs.map(|(key, value)| format!("{key}={}", text(value))),
    ))
}

fn selector(selector: &Value) -> Value {
    or_none(&selector_text(selector).unwrap_or_default())
}

fn size(map: &Value) -> usize {
    map.as_object().map_or(0, serde_json::Map::len)
}

/// Names and images of a pod template's containers.
fn containers(object: &Value) -> [Value; 2] {
    ["name", "image"].map(|field| {
        joined(list(&object["spec"]["template"]["spec"]["containers"]).map(|c| text(&c[field])))
            .into()
    })
}

pub(super) fn deployment(object: &Value, now: jiff::Timestamp) -> Vec<Value> {
    let (spec, status) = (&object["spec"], &object["status"]);
    let [names, images] = containers(object);
    vec![
        name(object),
        format!(
            "{}/{}",
            number(&status["readyReplicas"]),
            number(&spec["replicas"])
        )
        .into(),
        number(&status["updatedReplicas"]).into(),
        number(&status["availableReplicas"]).into(),
        created(object, now),
        names,
        images,
        selector(&spec["selector"]),
    ]
}

pub(super) fn replica_set(object: &Value, now: jiff::Timestamp) -> Vec<Value> {
    let (spec, status) = (&object["spec"], &object["status"]);
    let [names, images] = containers(object);
    vec![
        name(object),
        number(&spec["replicas"]).into(),
        number(&status["replicas"]).into(),
        number(&status["readyReplicas"]).into(),
        created(object, now),
        names,
        images,
        selector(&spec["selector"]),
    ]
}

pub(super) fn stateful_set(object: &Value, now: jiff::Timestamp) -> Vec<Value> {
    let [names, images] = containers(object);
    let ready = number(&object["status"]["readyReplicas"]);
    let ready = format!("{ready}/{}", number(&object["spec"]["replicas"]));
    vec![
        name(object),
        ready.into(),
        created(object, now),
        names,
        images,
    ]
}

pub(super) fn job(object: &Value, now: jiff::Timestamp) -> Vec<Value> {
    let (spec, status) = (&object["spec"], &object["status"]);
    let is = |type_: &str| {
        list(&status["conditions"]).any(|c| c["type"] == type_ && c["status"] == "True")
    };
    let state = if is("Complete") {
        "Complete"
    } else if is("Failed") {
        "Failed"
    } else if object["metadata"]["deletionTimestamp"].is_string() {
        "Terminating"
    } else if is("Suspended") {
        "Suspended"
    } else if is("FailureTarget") {
        "FailureTarget"
    } else if is("SuccessCriteriaMet") {
        "SuccessCriteriaMet"
    } else {
        "Running"
    };
    let succeeded = number(&status["succeeded"]);
    let completions = match (spec["completions"].as_i64(), number(&spec["parallelism"])) {
        (Some(completions), _) => format!("{succeeded}/{completions}"),
        (None, parallelism) if parallelism > 1 => format!("{succeeded}/1 of {parallelism}"),
        (None, _) => format!("{succeeded}/1"),
    };
    let time = |field: &str| text(&status[field]).parse::<jiff::Timestamp>().ok();
    let took = time("startTime").map(|start| {
        duration(
            time("completionTime")
                .unwrap_or(now)
                .duration_since(start)
                .as_secs(),
        )
    });
    let [names, images] = containers(object);
    vec![
        name(object),
        state.into(),
        completions.into(),
        took.unwrap_or_default().into(),
        created(object, now),
        names,
        images,
        selector(&spec["selector"]),
    ]
}

pub(super) fn service(object: &Value, now: jiff::Timestamp) -> Vec<Value> {
    let spec = &object["spec"];
    let ingress = list(&object["status"]["loadBalancer"]["ingress"])
        .map(|ingress| text(ingress.get("ip").unwrap_or(&ingress["hostname"])));
    let external = match text(&spec["type"]) {
        "ExternalName" => text(&spec["externalName"]).to_owned(),
        "LoadBalancer" => match joined(ingress) {
            none if none.is_empty() => "<pending>".to_owned(),
            addresses => addresses,
        },
        _ => joined(list(&spec["externalIPs"]).map(text)),
    };
    let ports = list(&spec["ports"]).map(|port| match number(&port["nodePort"]) {
        0 => format!("{}/{}", port["port"], text(&port["protocol"])),
        node_port => format!("{}:{node_port}/{}", port["port"], text(&port["protocol"])),
    });
    vec![
        name(object),
        text(&spec["type"]).into(),
        or_none(text(&spec["clusterIP"])),
        or_none(&external),
        or_none(&joined(ports)),
        created(object, now),
        map_text(&spec["selector"]),
    ]
}

/// At most three of many, as kubectl shows them.
fn shortened(all: Vec<String>) -> Value {
    if all.is_empty() {
        return "<none>".into();
    }
    let more = all.len().saturating_sub(3);
    let shown = all[..all.len().min(3)].join(",");
    if more > 0 {
        format!("{shown} + {more} more...").into()
    } else {
        shown.into()
    }
}

pub(super) fn endpoints(object: &Value, now: jiff::Timestamp) -> Vec<Value> {
    let all = list(&object["subsets"])
        .flat_map(|subset| {
            list(&subset["addresses"]).flat_map(move |address| {
                list(&subset["ports"])
                    .map(move |port| format!("{}:{}", text(&address["ip"]), port["port"]))
            })
        })
        .collect();
    vec![name(object), shortened(all), created(object, now)]
}

pub(super) fn endpoint_slice(object: &Value, now: jiff::Timestamp) -> Vec<Value> {
    let ports = list(&object["ports"])
        .map(|port| port["port"].to_string())
        .collect();
    let addresses = list(&object["endpoints"])
        .flat_map(|endpoint| list(&endpoint["addresses"]))
        .map(|address| text(address).to_owned())
        .collect();
    let type_ = text(&object["addressType"]).into();
    vec![
        name(object),
        type_,
        shortened(ports),
        shortened(addresses),
        created(object, now),
    ]
}

pub(super) fn ingress(object: &Value, now: jiff::Timestamp) -> Vec<Value> {
    let spec = &object["spec"];
    let hosts: Vec<String> = list(&spec["rules"])
        .map(|rule| text(&rule["host"]).to_owned())
        .filter(|host| !host.is_empty())
        .collect();
    let hosts = if hosts.is_empty() {
        "*".into()
    } else {
        shortened(hosts)
    };
    let addresses = list(&object["status"]["loadBalancer"]["ingress"])
        .map(|ingress| text(ingress.get("ip").unwrap_or(&ingress["hostname"])));
    let ports = if list(&spec["tls"]).next().is_some() {
        "80, 443"
    } else {
        "80"
    };
    vec![
        name(object),
        or_none(text(&spec["ingressClassName"])),
        hosts,
        joined(addresses).into(),
        ports.into(),
        created(object, now),
    ]
}

pub(super) fn ingress_class(object: &Value, now: jiff::Timestamp) -> Vec<Value> {
    let parameters = &object["spec"]["parameters"];
    let parameters = match text(&parameters["name"]) {
        "" => String::new(),
        name => format!("{}/{name}", text(&parameters["kind"])),
    };
    vec![
        name(object),
        text(&object["spec"]["controller"]).into(),
        or_none(&parameters),
        created(object, now),
    ]
}

pub(super) fn network_policy(object: &Value, now: jiff::Timestamp) -> Vec<Value> {
    vec![
        name(object),
        selector(&object["spec"]["podSelector"]),
        created(object, now),
    ]
}

pub(super) fn namespace(object: &Value, now: jiff::Timestamp) -> Vec<Value> {
    vec![
        name(object),
        text(&object["status"]["phase"]).into(),
        created(object, now),
    ]
}

pub(super) fn node(object: &Value, now: jiff::Timestamp) -> Vec<Value> {
    let status = &object["status"];
    let ready = list(&status["conditions"]).find(|condition| condition["type"] == "Ready");
    let mut state = match ready.map(|condition| text(&condition["status"])) {
        Some("True") => "Ready".to_owned(),
        Some(_) => "NotReady".to_owned(),
        None => "Unknown".to_owned(),
    };
    if object["spec"]["unschedulable"] == true {
        state.push_str(",SchedulingDisabled");
    }
    let roles = object["metadata"]["labels"]
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(label, _)| label.strip_prefix("node-role.kubernetes.io/"));
    let address = |type_: &str| {
        let address = list(&status["addresses"]).find(|address| address["type"] == type_);
        or_none(address.map_or("", |address| text(&address["address"])))
    };
    let info = |field: &str| -> Value {
        match text(&status["nodeInfo"][field]) {
            "" => "<unknown>".into(),
            known => known.into(),
        }
    };
    vec![
        name(object),
        state.into(),
        or_none(&joined(roles)),
        created(object, now),
        text(&status["nodeInfo"]["kubeletVersion"]).into(),
        address("InternalIP"),
        address("ExternalIP"),
        info("osImage"),
        info("kernelVersion"),
        info("containerRuntimeVersion"),
    ]
}

/// Core/v1 events and their view in events.k8s.io alike.
pub(super) fn event(object: &Value, now: jiff::Timestamp) -> Vec<Value> {
    let either =
        |core: &str, new: &str| object.get(core).or(object.get(new)).unwrap_or(&Value::Null);
    let about = either("involvedObject", "regarding");
    let source = either("source", "deprecatedSource");
    let first = either("firstTimestamp", "deprecatedFirstTimestamp");
    let last = either("lastTimestamp", "deprecatedLastTimestamp");
    let since = |time: &Value| match (time.as_str(), object["eventTime"].as_str()) {
        (Some(_), _) => age(time, now),
        (None, Some(_)) => age(&object["eventTime"], now),
        (None, None) => "<unknown>".to_owned(),
    };
    let component = match text(&source["component"]) {
        "" => text(either("reportingComponent", "reportingController")),
        component => component,
    };
    let source = joined(
        [component, text(&source["host"])]
            .into_iter()
            .filter(|text| !text.is_empty()),
    );
    let count = number(either("count", "deprecatedCount")).max(1);
    vec![
        since(last).into(),
        text(&object["type"]).into(),
        text(&object["reason"]).into(),
        format!(
            "{}/{}",
            text(&about["kind"]).to_lowercase(),
            text(&about["name"])
        )
        .into(),
        text(&about["fieldPath"]).into(),
        source.into(),
        text(either("message", "note")).trim().into(),
        since(first).into(),
        count.to_string().into(),
        name(object),
    ]
}

pub(super) fn config_map(object: &Value, now: jiff::Timestamp) -> Vec<Value> {
    let entries = size(&object["data"]) + size(&object["binaryData"]);
    vec![name(object), entries.into(), created(object, now)]
}

pub(super) fn secret(object: &Value, now: jiff::Timestamp) -> Vec<Value> {
    let type_ = text(&object["type"]).into();
    vec![
        name(object),
        type_,
        size(&object["data"]).into(),
        created(object, now),
    ]
}

pub(super) fn service_account(object: &Value, now: jiff::Timestamp) -> Vec<Value> {
    vec![
        name(object),
        list(&object["secrets"]).count().into(),
        created(object, now),
    ]
}

fn access_modes(modes: &Value) -> Value {
    let short = |mode: &Value| match text(mode) {
        "ReadWriteOnce" => "RWO",
        "ReadOnlyMany" => "ROX",
        "ReadWriteMany" => "RWX",
        "ReadWriteOncePod" => "RWOP",
        _ => "",
    };
    joined(list(modes).map(short)).into()
}

pub(super) fn claim(object: &Value, now: jiff::Timestamp) -> Vec<Value> {
    let (spec, status) = (&object["spec"], &object["status"]);
    let phase = match object["metadata"]["deletionTimestamp"].is_string() {
        true => "Terminating",
        false => text(&status["phase"]),
    };
    let class = match text(&spec["volumeAttributesClassName"]) {
        "" => "<unset>",
        class => class,
    };
    vec![
        name(object),
        phase.into(),
        text(&spec["volumeName"]).into(),
        text(&status["capacity"]["storage"]).into(),
        access_modes(&status["accessModes"]),
        text(&spec["storageClassName"]).into(),
        class.into(),
        created(object, now),
        text(&spec["volumeMode"]).into(),
    ]
}

pub(super) fn volume(object: &Value, now: jiff::Timestamp) -> Vec<Value> {
    let (spec, status) = (&object["spec"], &object["status"]);
    let claim = &spec["claimRef"];
    let claim = match text(&claim["name"]) {
        "" => String::new(),
        name => format!("{}/{name}", text(&claim["namespace"])),
    };
    vec![
        name(object),
        text(&spec["capacity"]["storage"]).into(),
        access_modes(&spec["accessModes"]),
        text(&spec["persistentVolumeReclaimPolicy"]).into(),
        text(&status["phase"]).into(),
        claim.into(),
        text(&spec["storageClassName"]).into(),
        text(&status["reason"]).into(),
        created(object, now),
        text(&spec["volumeMode"]).into(),
    ]
}

pub(super) fn storage_class(object: &Value, now: jiff::Timestamp) -> Vec<Value> {
    let default =
        object["metadata"]["annotations"]["storageclass.kubernetes.io/is-default-class"] == "true";
    let shown = format!(
        "{}{}",
        text(&object["metadata"]["name"]),
        if default { " (default)" } else { "" }
    );
    vec![
        shown.into(),
        text(&object["provisioner"]).into(),
        text(&object["reclaimPolicy"]).into(),
        text(&object["volumeBindingMode"]).into(),
        (object["allowVolumeExpansion"] == true).into(),
        created(object, now),
    ]
}

pub(super) fn quota(object: &Value, now: jiff::Timestamp) -> Vec<Value> {
    let (hard, used) = (&object["spec"]["hard"], &object["status"]["used"]);
    let of = |limits: bool| {
        let wanted = hard
            .as_object()
            .into_iter()
            .flatten()
            .filter(move |(name, _)| name.starts_with("limits.") == limits);
        let texts = wanted.map(|(name, value)| {
            format!(
                "{name}: {}/{}",
                text(&used[name]),
                value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned)
            )
        });
        texts.collect::<Vec<_>>().join(", ")
    };
    vec![
        name(object),
        of(false).into(),
        of(true).into(),
        created(object, now),
    ]
}

pub(super) fn lease(object: &Value, now: jiff::Timestamp) -> Vec<Value> {
    vec![
        name(object),
        text(&object["spec"]["holderIdentity"]).into(),
        created(object, now),
    ]
}

pub(super) fn disruption_budget(object: &Value, now: jiff::Timestamp) -> Vec<Value> {
    let spec = |field: &str| match &object["spec"][field] {
        Value::Null => "N/A".into(),
        Value::String(text) => text.clone(),
        value => value.to_string(),
    };
    vec![
        name(object),
        spec("minAvailable").into(),
        spec("maxUnavailable").into(),
        number(&object["status"]["disruptionsAllowed"]).into(),
        created(object, now),
    ]
}

pub(super) fn created_at(object: &Value, _now: jiff::Timestamp) -> Vec<Value> {
    vec![
        name(object),
        text(&object["metadata"]["creationTimestamp"]).into(),
    ]
}

pub(super) fn binding(object: &Value, now: jiff::Timestamp) -> Vec<Value> {
    let role = &object["roleRef"];
    let role = format!("{}/{}", text(&role["kind"]), text(&role["name"]));
    vec![name(object), role.into(), created(object, now)]
}
