//! What makes pods.

use serde_json::Value;

use super::pod;
use crate::objects::error::Cause;
use crate::objects::metadata::validate_labels;
use crate::objects::selector::Selector;

pub(super) fn workload(spec: &Value, causes: &mut Vec<Cause>) {
    if spec["replicas"]
        .as_i64()
        .is_some_and(|replicas| replicas < 0)
    {
        causes.push(Cause::invalid(
            "spec.replicas",
            "must be greater than or equal to 0",
        ));
    }
    template(spec, causes);
    match spec["template"]["spec"]["restartPolicy"].as_str() {
        Some("Always") | None => {}
        Some(other) => causes.push(Cause {
            reason: "FieldValueNotSupported",
            field: "spec.template.spec.restartPolicy".to_owned(),
            message: format!("Unsupported value: {other:?}: supported values: \"Always\""),
        }),
    }
}

fn template(spec: &Value, causes: &mut Vec<Cause>) {
    let selector = &spec["selector"];
    let labels = &spec["template"]["metadata"]["labels"];
    validate_labels(labels, "spec.template.metadata.labels", causes);
    match Selector::from_label_selector(selector) {
        _ if !selector.is_object() => causes.push(Cause::required("spec.selector", "")),
        Err(error) => causes.push(Cause::invalid("spec.selector", error.to_string())),
        Ok(parsed) if parsed.is_everything() => causes.push(Cause::invalid(
            "spec.selector",
            "{}: empty selector is invalid for deployment",
        )),
        Ok(parsed) if !parsed.matches_labels(labels) => causes.push(Cause::invalid(
            "spec.template.metadata.labels",
            format!("{labels}: `selector` does not match template `labels`"),
        )),
        Ok(_) => {}
    }
    pod::spec(&spec["template"]["spec"], "spec.template.spec", causes);
}

pub(super) fn job(spec: &Value, causes: &mut Vec<Cause>) {
    template(spec, causes);
    match spec["template"]["spec"]["restartPolicy"].as_str() {
        Some("OnFailure" | "Never") => {}
        other => causes.push(Cause {
            reason: "FieldValueNotSupported",
            field: "spec.template.spec.restartPolicy".to_owned(),
            message: format!(
                "Unsupported value: {:?}: supported values: \"OnFailure\", \"Never\"",
                other.unwrap_or_default()
            ),
        }),
    }
}
