//! What is set for the whole pod of a service, and around its container's life.

use std::collections::BTreeMap;

use crate::compose::load::scalar;
use crate::compose::units::seconds;

use serde_json::{Map, Value, json};

use super::{GRACE, escape, is_true, words};
use crate::compose::{Context, URL_LABEL};
use crate::rendered::{RenderError, dns_name};

pub(super) fn lifecycle(
    context: &mut Context,
    name: &str,
    service: &Map<String, Value>,
    container: &mut Map<String, Value>,
) -> Result<(), RenderError> {
    let mut all = Map::new();
    for (key, into) in [("post_start", "postStart"), ("pre_stop", "preStop")] {
        let Some(hooks) = service.get(key).and_then(Value::as_array) else {
            continue;
        };
        let mut commands = Vec::new();
        for hook in hooks {
            if let Some(words) = words(hook.get("command"))
                .map_err(|message| RenderError::new(format!("service {name}: {key}"), message))?
            {
                commands.push(words);
            }
            if hook.get("user").is_some() || hook.get("privileged").is_some() {
                context.warn(
                    format!("service {name}: {key}"),
                    "is run as the container's own user",
                );
            }
        }
        if let Some(first) = commands.first() {
            if commands.len() > 1 {
                context.warn(
                    format!("service {name}: {key}"),
                    "only the first command is kept: Kubernetes has one hook a container",
                );
            }
            let words: Vec<_> = first.iter().map(|word| escape(word)).collect();
            all.insert(into.to_owned(), json!({ "exec": { "command": words } }));
        }
    }
    if !all.is_empty() {
        container.insert("lifecycle".to_owned(), Value::Object(all));
    }
    Ok(())
}

/// What is set for the whole pod.
pub(super) fn pod(
    context: &mut Context,
    name: &str,
    service: &Map<String, Value>,
) -> Result<Map<String, Value>, RenderError> {
    let mut all = Map::new();
    let text = |key: &str| service.get(key).map(scalar).filter(|text| !text.is_empty());
    match text("network_mode").as_deref() {
        Some("host") => drop(all.insert("hostNetwork".to_owned(), json!(true))),
        None | Some("bridge" | "default") => {}
        Some(other) => context.warn(
            format!("service {name}: network_mode"),
            format!("{other:?} has no counterpart; the pod is in the preview's network"),
        ),
    }
    match text("pid").as_deref() {
        Some("host") => drop(all.insert("hostPID".to_owned(), json!(true))),
        None => {}
        Some(other) => context.warn(
            format!("service {name}: pid"),
            format!("{other:?} has no counterpart"),
        ),
    }
    match text("ipc").as_deref() {
        Some("host") => drop(all.insert("hostIPC".to_owned(), json!(true))),
        None | Some("shareable" | "private" | "none") => {}
        Some(other) => context.warn(
            format!("service {name}: ipc"),
            format!("{other:?} has no counterpart"),
        ),
    }
    if text("userns_mode").is_some() {
        context.warn(
            format!("service {name}: userns_mode"),
            "has no effect: the cluster decides about user namespaces",
        );
    }
    if is_true(service.get("init")) {
        // The pause container then is process 1 and takes care of orphans, as Docker's init does.
        all.insert("shareProcessNamespace".to_owned(), json!(true));
    }
    let grace = match service
        .get("stop_grace_period")
        .filter(|value| !value.is_null())
    {
        None => GRACE,
        Some(value) => seconds(value)
            .ok_or_else(|| {
                RenderError::new(
                    format!("service {name}: stop_grace_period"),
                    format!("{} is no duration", scalar(value)),
                )
            })?
            .min(300),
    };
    all.insert("terminationGracePeriodSeconds".to_owned(), json!(grace));
    if let Some(hostname) = text("hostname") {
        let plain = dns_name(&hostname, 63);
        if plain != hostname {
            context.warn(
                format!("service {name}: hostname"),
                format!("{hostname:?} is written {plain:?} in Kubernetes"),
            );
        }
        if !plain.is_empty() {
            all.insert("hostname".to_owned(), json!(plain));
        }
    }
    let mut aliases: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let hosts: Vec<(String, String)> = match service.get("extra_hosts") {
        Some(Value::Array(list)) => list
            .iter()
            .map(scalar)
            .filter_map(|text| {
                text.split_once(['=', ':'])
                    .map(|(host, ip)| (host.to_owned(), ip.to_owned()))
            })
            .collect(),
        Some(Value::Object(map)) => map
            .iter()
            .map(|(host, ip)| (host.clone(), scalar(ip)))
            .collect(),
        _ => Vec::new(),
    };
    for (host, ip) in hosts {
        let ip = ip.trim().trim_matches(['[', ']']).to_owned();
        if ip.parse::<std::net::IpAddr>().is_ok() {
            aliases.entry(ip).or_default().push(host.trim().to_owned());
        } else {
            context.warn(format!("service {name}: extra_hosts"), format!("{host} stands for {ip}, which is no address; a preview does not reach the machine that it runs on"));
        }
    }
    if !aliases.is_empty() {
        all.insert(
            "hostAliases".to_owned(),
            aliases
                .into_iter()
                .map(|(ip, hosts)| json!({ "ip": ip, "hostnames": hosts }))
                .collect(),
        );
    }
    let mut security = Map::new();
    let groups: Vec<Result<i64, String>> = service
        .get("group_add")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .map(|group| scalar(group).parse().map_err(|_| scalar(group)))
        .collect();
    let mut numbers = Vec::new();
    for group in groups {
        match group {
            Ok(number) => numbers.push(number),
            Err(group) => context.warn(
                format!("service {name}: group_add"),
                format!("{group:?} is a name; Kubernetes knows numbers only"),
            ),
        }
    }
    if !numbers.is_empty() {
        security.insert("supplementalGroups".to_owned(), json!(numbers));
    }
    let sysctls: Vec<Value> = service
        .get("sysctls")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(name, value)| json!({ "name": name, "value": scalar(value) }))
        .collect();
    if !sysctls.is_empty() {
        security.insert("sysctls".to_owned(), Value::Array(sysctls));
    }
    if !security.is_empty() {
        all.insert("securityContext".to_owned(), Value::Object(security));
    }
    for key in ["dns", "dns_search", "dns_opt"] {
        if service.contains_key(key) {
            context.warn(
                format!("service {name}: {key}"),
                "has no effect: names are resolved by the cluster, which knows the other services",
            );
        }
    }
    Ok(all)
}

/// Labels are notes for tools that read them off containers: annotations of the pod. The label that
/// names the URL's service is taken out.
pub(super) fn labels(
    context: &mut Context,
    name: &str,
    service: &Map<String, Value>,
) -> (Map<String, Value>, Option<String>) {
    let mut all = Map::new();
    let mut url = None;
    let deploy = service
        .get("deploy")
        .and_then(|deploy| deploy.get("labels"));
    for (key, value) in [service.get("labels"), service.get("annotations"), deploy]
        .into_iter()
        .flatten()
        .filter_map(Value::as_object)
        .flatten()
    {
        let text = scalar(value);
        if key == URL_LABEL {
            url = Some(text);
            continue;
        }
        let name_part = key.rsplit('/').next().unwrap_or_default();
        let plain = |text: &str, extra: &[u8]| {
            !text.is_empty()
                && text
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || extra.contains(&b))
                && text.starts_with(|c: char| c.is_ascii_alphanumeric())
                && text.ends_with(|c: char| c.is_ascii_alphanumeric())
        };
        let prefix_ok = key.rsplit_once('/').is_none_or(|(prefix, _)| {
            plain(prefix, b"-.")
                && prefix.len() <= 253
                && !prefix.ends_with("catalyst.dev")
                && !prefix.contains("kubernetes.io")
                && !prefix.contains("k8s.io")
        });
        if plain(name_part, b"-_.")
            && name_part.len() <= 63
            && key.matches('/').count() <= 1
            && prefix_ok
        {
            all.insert(key.clone(), text.into());
        } else {
            context.warn(
                format!("service {name}: labels"),
                format!("{key:?} cannot be a name of an annotation in Kubernetes"),
            );
        }
    }
    (all, url)
}
