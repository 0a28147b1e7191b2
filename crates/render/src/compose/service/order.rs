//! What comes before a service, and whether it ends.

use std::collections::BTreeSet;

use crate::compose::Context;
use crate::compose::load::scalar;
use crate::compose::ports::Port;

use serde_json::{Map, Value};

use crate::rendered::{RenderError, dns_name};

/// Whether it is a program that ends: others wait for its end, or it is not to be started again and
/// offers nothing.
pub(super) fn ends(
    context: &mut Context,
    name: &str,
    service: &Map<String, Value>,
    ports: &[Port],
) -> bool {
    if context.ending.contains(name) {
        return true;
    }
    let restart = service.get("restart").map(scalar).unwrap_or_default();
    let is_final = matches!(&service.get("restart"), Some(Value::Bool(false)))
        || restart == "no"
        || restart.starts_with("on-failure");
    let has_command = service.contains_key("command") || service.contains_key("entrypoint");
    is_final && has_command && ports.is_empty()
}

/// What has to be up before it, as an annotation says it.
pub(super) fn after(
    context: &mut Context,
    name: &str,
    service: &Map<String, Value>,
) -> Result<Option<String>, RenderError> {
    let mut all = Vec::new();
    for (other, how) in service
        .get("depends_on")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        if !context.project.services.contains_key(other) {
            if how["required"] != false {
                return Err(RenderError::new(
                    format!("service {name}: depends_on"),
                    format!("there is no service {other:?}"),
                ));
            }
            continue;
        }
        let object = dns_name(other, 63);
        match how["condition"].as_str() {
            Some("service_healthy") => all.push(format!("{object}=ready")),
            Some("service_completed_successfully") => all.push(format!("{object}=complete")),
            // Started is enough, and that is what Kubernetes does by itself.
            Some("service_started") | None => {}
            Some(condition) => {
                return Err(RenderError::new(
                    format!("service {name}: depends_on"),
                    format!("{condition:?} is no condition"),
                ));
            }
        }
        if circular(context, name, other) {
            return Err(RenderError::new(
                format!("service {name}: depends_on"),
                format!("{other} depends on {name} in turn"),
            ));
        }
    }
    Ok((!all.is_empty()).then(|| all.join(",")))
}

fn circular(context: &Context, name: &str, from: &str) -> bool {
    let mut open = vec![from];
    let mut seen = BTreeSet::new();
    while let Some(next) = open.pop() {
        if next == name {
            return true;
        }
        if seen.insert(next)
            && let Some(depends) = context
                .project
                .services
                .get(next)
                .and_then(|service| service.get("depends_on")?.as_object())
        {
            open.extend(depends.keys().map(String::as_str));
        }
    }
    false
}
