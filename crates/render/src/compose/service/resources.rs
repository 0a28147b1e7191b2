//! How much a service may use, and how many of it there are.

use serde_json::{Map, Value};

use super::reason;
use crate::compose::Context;
use crate::compose::load::scalar;
use crate::compose::units::{bytes, cpus, quantity};
use crate::rendered::RenderError;

pub(super) fn resources(
    context: &mut Context,
    name: &str,
    service: &Map<String, Value>,
) -> Result<Option<Value>, RenderError> {
    let deploy = service.get("deploy").cloned().unwrap_or_default();
    for key in deploy.as_object().into_iter().flat_map(Map::keys) {
        match key.as_str() {
            "resources" | "replicas" | "labels" | "restart_policy" => {}
            "mode" if matches!(deploy["mode"].as_str(), Some("replicated")) => {}
            "mode" if matches!(deploy["mode"].as_str(), Some("replicated-job")) => {
                context.warn(format!("service {name}: deploy.mode"), "is not translated; let others depend on it with service_completed_successfully");
            }
            key if key.starts_with("x-") => {}
            key => context.warn(
                format!("service {name}: deploy.{key}"),
                "has no effect on a preview",
            ),
        }
    }
    let mut limits = Map::new();
    let mut requests = Map::new();
    let old = |key: &str| service.get(key).filter(|value| !value.is_null());
    let new = |kind: &str, key: &str| {
        Some(&deploy["resources"][kind][key]).filter(|value| !value.is_null())
    };
    for (into, memory, cpu) in [
        (
            &mut limits,
            new("limits", "memory").or_else(|| old("mem_limit")),
            new("limits", "cpus").or_else(|| old("cpus")),
        ),
        (
            &mut requests,
            new("reservations", "memory").or_else(|| old("mem_reservation")),
            new("reservations", "cpus"),
        ),
    ] {
        if let Some(memory) = memory {
            let amount = bytes(memory).ok_or_else(|| {
                RenderError::new(
                    format!("service {name}: memory"),
                    format!("{} is no size, such as 512m", scalar(memory)),
                )
            })?;
            if amount > 0 {
                into.insert("memory".to_owned(), quantity(amount).into());
            }
        }
        if let Some(cpu) = cpu {
            let text = scalar(cpu);
            match cpus(cpu) {
                Some(amount) => drop(into.insert("cpu".to_owned(), amount.into())),
                None if text == "0" || text == "0.0" => {}
                None => {
                    return Err(RenderError::new(
                        format!("service {name}: cpus"),
                        format!("{text} is no number of CPUs"),
                    ));
                }
            }
        }
    }
    for kind in ["limits", "reservations"] {
        for key in deploy["resources"][kind]
            .as_object()
            .into_iter()
            .flat_map(Map::keys)
        {
            if !matches!(key.as_str(), "memory" | "cpus") {
                context.warn(
                    format!("service {name}: deploy.resources.{kind}.{key}"),
                    reason(if key == "devices" {
                        "gpus"
                    } else {
                        "pids_limit"
                    }),
                );
            }
        }
    }
    let mut all = Map::new();
    if !limits.is_empty() {
        all.insert("limits".to_owned(), Value::Object(limits));
    }
    if !requests.is_empty() {
        all.insert("requests".to_owned(), Value::Object(requests));
    }
    Ok((!all.is_empty()).then_some(Value::Object(all)))
}

pub(super) fn replicas(
    context: &Context,
    name: &str,
    service: &Map<String, Value>,
) -> Result<i64, RenderError> {
    if let Some(wanted) = context.options.replicas.get(name) {
        return Ok(*wanted);
    }
    let said = service
        .get("scale")
        .filter(|value| !value.is_null())
        .or_else(|| service.get("deploy")?.get("replicas"))
        .filter(|value| !value.is_null());
    match said {
        None => Ok(1),
        Some(value) => scalar(value)
            .parse::<i64>()
            .ok()
            .filter(|count| (0..=50).contains(count))
            .ok_or_else(|| {
                RenderError::new(
                    format!("service {name}: replicas"),
                    format!("{} is no number from 0 to 50", scalar(value)),
                )
            }),
    }
}
