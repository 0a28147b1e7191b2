//! The ports of a service, and the names that others reach them by.

use std::collections::BTreeSet;

use crate::compose::load::scalar;

use serde_json::{Map, Value, json};

use crate::compose::ports::{Port, expose, port, well_known};
use crate::compose::{Context, SERVICE_LABEL};
use crate::rendered::{RenderError, dns_name};

/// All ports that others reach.
pub(super) fn ports(
    context: &mut Context,
    name: &str,
    service: &Map<String, Value>,
    image: &str,
) -> Result<Vec<Port>, RenderError> {
    let mut all: Vec<Port> = Vec::new();
    for (key, read) in [
        ("ports", port as fn(&Value) -> Result<Vec<Port>, String>),
        ("expose", expose),
    ] {
        for value in service
            .get(key)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let found = read(value)
                .map_err(|message| RenderError::new(format!("service {name}: {key}"), message))?;
            for port in found {
                if !all.iter().any(|known| {
                    known.container == port.container && known.protocol == port.protocol
                }) {
                    all.push(port);
                }
            }
        }
    }
    if let Some(known) = well_known(image)
        && all.is_empty()
    {
        all.push(Port {
            container: known,
            protocol: "TCP",
            published: None,
            is_published: false,
            app_protocol: None,
            name: None,
        });
    }
    if all.len() > 100 {
        context.warn(
            format!("service {name}: ports"),
            format!(
                "{} ports are more than a Service should have; the first 100 are kept",
                all.len()
            ),
        );
        all.truncate(100);
    }
    Ok(all)
}

/// The Service of its name, and one for each further name that it goes by.
pub(super) fn services(
    context: &mut Context,
    name: &str,
    object: &str,
    service: &Map<String, Value>,
    ports: &[Port],
) -> Result<(), RenderError> {
    let mut names: BTreeSet<String> = [object.to_owned()].into();
    let mut further: Vec<(String, String)> = Vec::new();
    for network in service
        .get("networks")
        .and_then(Value::as_object)
        .into_iter()
        .flat_map(|map| map.values())
    {
        for alias in network["aliases"].as_array().into_iter().flatten() {
            further.push(("networks".to_owned(), scalar(alias)));
        }
        for key in network.as_object().into_iter().flat_map(Map::keys) {
            if !matches!(key.as_str(), "aliases") && !key.starts_with("x-") {
                context.warn(
                    format!("service {name}: networks"),
                    format!("{key} has no effect in Kubernetes"),
                );
            }
        }
    }
    if let Some(container) = service.get("container_name").map(scalar) {
        further.push(("container_name".to_owned(), container));
    }
    // What others call it in their links.
    for (other, theirs) in &context.project.services {
        let links = theirs
            .get("links")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        for link in links.iter().map(scalar) {
            if let Some((target, alias)) = link.split_once(':')
                && target == name
                && other != name
            {
                further.push(("links".to_owned(), alias.to_owned()));
            }
        }
    }
    for (key, alias) in further {
        let plain = dns_name(&alias, 63);
        if plain.is_empty() {
            continue;
        }
        if plain != alias.to_ascii_lowercase() {
            context.warn(
                format!("service {name}: {key}"),
                format!("the name {alias:?} cannot be reached in Kubernetes; use {plain:?}"),
            );
        }
        let taken = context
            .project
            .services
            .keys()
            .any(|other| other != name && dns_name(other, 63) == plain);
        let made = context
            .objects
            .iter()
            .any(|known| known["kind"] == "Service" && known["metadata"]["name"] == plain.as_str());
        if taken || made {
            context.warn(
                format!("service {name}: {key}"),
                format!("the name {alias:?} belongs to another service already"),
            );
        } else {
            names.insert(plain);
        }
    }
    for own in names {
        let mut spec = json!({ "selector": { "app": object } });
        if ports.is_empty() {
            // Without ports a Service is a name for the pods themselves, all ports of them.
            spec["clusterIP"] = json!("None");
        } else {
            spec["ports"] = ports
                .iter()
                .map(|port| {
                    let end = if port.protocol == "TCP" { String::new() } else { format!("-{}", port.protocol.to_ascii_lowercase()) };
                    let mut value = json!({ "name": format!("port-{}{end}", port.container), "port": port.container, "targetPort": port.container, "protocol": port.protocol });
                    if let Some(protocol) = &port.app_protocol {
                        value["appProtocol"] = json!(protocol);
                    }
                    value
                })
                .collect();
        }
        context.objects.push(json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": { "name": own, "labels": { "app": object, SERVICE_LABEL: dns_name(name, 63) } },
            "spec": spec
        }));
    }
    Ok(())
}
