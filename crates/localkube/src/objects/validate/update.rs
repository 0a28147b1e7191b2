//! What may not change once it is there.

use serde_json::Value;

use crate::objects::error::Cause;
use crate::objects::kinds::{Kind, resource};
use crate::objects::metadata::items_mut;

/// Everything that may not change between two states of an object.
pub(crate) fn update(kind: &Kind, old: &Value, new: &Value, causes: &mut Vec<Cause>) {
    let immutable = |path: &str, causes: &mut Vec<Cause>| {
        let pointer = format!("/{}", path.replace('.', "/"));
        let (before, after) = (old.pointer(&pointer), new.pointer(&pointer));
        if before.is_some_and(|value| !value.is_null()) && before != after {
            let after = after.unwrap_or(&Value::Null);
            causes.push(Cause::invalid(path, format!("{after}: field is immutable")));
        }
    };
    match kind.resource().as_str() {
        resource::DEPLOYMENTS | resource::REPLICA_SETS => immutable("spec.selector", causes),
        resource::STATEFUL_SETS => only_changes(
            old,
            new,
            &[
                "replicas",
                "ordinals",
                "template",
                "updateStrategy",
                "revisionHistoryLimit",
                "persistentVolumeClaimRetentionPolicy",
                "minReadySeconds",
            ],
            "updates to statefulset spec",
            causes,
        ),
        resource::JOBS => {
            for path in ["spec.selector", "spec.template", "spec.completionMode"] {
                immutable(path, causes);
            }
        }
        resource::PODS => pod_update(old, new, causes),
        resource::SERVICES => {
            let keeps_type = old["spec"]["type"] == new["spec"]["type"];
            if keeps_type && old["spec"]["clusterIP"] != "None" {
                immutable("spec.clusterIP", causes);
            }
        }
        resource::SECRETS | resource::CONFIG_MAPS => {
            if kind.resource() == resource::SECRETS {
                immutable("type", causes);
            }
            if old["immutable"] == true {
                for field in ["immutable", "data", "binaryData"] {
                    if old.get(field) != new.get(field) {
                        causes.push(Cause::forbidden(
                            field,
                            "field is immutable when `immutable` is set",
                        ));
                    }
                }
            }
        }
        resource::PERSISTENT_VOLUME_CLAIMS => only_changes(
            old,
            new,
            &["resources", "volumeName", "volumeAttributesClassName"],
            "updates to persistentvolumeclaim spec",
            causes,
        ),
        resource::INGRESS_CLASSES => immutable("spec.controller", causes),
        resource::STORAGE_CLASSES => {
            for path in [
                "provisioner",
                "parameters",
                "reclaimPolicy",
                "volumeBindingMode",
            ] {
                immutable(path, causes);
            }
        }
        _ if kind
            .resource()
            .ends_with("bindings.rbac.authorization.k8s.io") =>
        {
            immutable("roleRef", causes);
        }
        _ => {}
    }
}

fn only_changes(old: &Value, new: &Value, allowed: &[&str], what: &str, causes: &mut Vec<Cause>) {
    let rest = |object: &Value| {
        let mut spec = object["spec"].clone();
        if let Some(map) = spec.as_object_mut() {
            map.retain(|name, _| !allowed.contains(&name.as_str()));
        }
        spec
    };
    if rest(old) != rest(new) {
        causes.push(Cause {
            reason: "FieldValueForbidden",
            field: "spec".to_owned(),
            message: format!(
                "Forbidden: {what} for fields other than {} are forbidden",
                allowed.join(", ")
            ),
        });
    }
}

fn pod_update(old: &Value, new: &Value, causes: &mut Vec<Cause>) {
    let fixed = |object: &Value| {
        let mut spec = object["spec"].clone();
        for list in ["containers", "initContainers"] {
            for container in items_mut(&mut spec, list) {
                container["image"] = Value::Null;
            }
        }
        if let Some(map) = spec.as_object_mut() {
            for field in ["activeDeadlineSeconds", "tolerations", "schedulingGates"] {
                map.remove(field);
            }
            // Binding a pod to its node is a write like any other here.
            if old["spec"]["nodeName"].is_null() {
                map.remove("nodeName");
            }
        }
        spec
    };
    if fixed(old) != fixed(new) {
        causes.push(Cause {
            reason: "FieldValueForbidden",
            field: "spec".to_owned(),
            message: "Forbidden: pod updates may not change fields other than \
                      `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,\
                      `spec.tolerations` (only additions to existing tolerations),\
                      `spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
                .to_owned(),
        });
    }
}
