//! What restricted demands beyond the baseline.

use std::collections::BTreeSet;

use serde_json::Value;

use super::baseline::bad_seccomp;
use super::{Pod, Violation, containers, plural, quoted, setters, text};
use crate::objects::validate::items;

pub(super) fn privilege_escalation(pod: &Pod<'_>) -> Option<Violation> {
    let names = pod.where_container(|container| {
        container["securityContext"]["allowPrivilegeEscalation"] != false
    });
    (!names.is_empty() && !pod.is_windows()).then(|| {
        let detail = format!(
            "{} must set securityContext.allowPrivilegeEscalation=false",
            containers(&names)
        );
        Violation::new("allowPrivilegeEscalation != false", detail)
    })
}

pub(super) fn capabilities(pod: &Pod<'_>) -> Option<Violation> {
    if pod.is_windows() {
        return None;
    }
    let part = |container: &Value, part: &str| -> Vec<String> {
        items(&container["securityContext"]["capabilities"][part])
            .map(text)
            .collect()
    };
    let added = |container: &Value| -> Vec<String> {
        part(container, "add")
            .into_iter()
            .filter(|name| name != "NET_BIND_SERVICE")
            .collect()
    };
    let keeping =
        pod.where_container(|container| !part(container, "drop").iter().any(|name| name == "ALL"));
    let adding = pod.where_container(|container| !added(container).is_empty());
    let mut details = Vec::new();
    if !keeping.is_empty() {
        details.push(format!(
            "{} must set securityContext.capabilities.drop=[\"ALL\"]",
            containers(&keeping)
        ));
    }
    if !adding.is_empty() {
        let all: BTreeSet<String> = pod.containers().flat_map(added).collect();
        details.push(format!(
            "{} must not include {} in securityContext.capabilities.add",
            containers(&adding),
            quoted(&all)
        ));
    }
    (!details.is_empty()).then(|| Violation::new("unrestricted capabilities", details.join("; ")))
}

pub(super) fn volumes(pod: &Pod<'_>) -> Option<Violation> {
    const ALLOWED: [&str; 9] = [
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "image",
        "persistentVolumeClaim",
        "projected",
        "secret",
    ];
    // Kubernetes takes a volume without a source for an emptyDir.
    let bad = |volume: &Value| -> Option<String> {
        let sources = volume.as_object()?;
        if sources.len() < 2
            || sources
                .keys()
                .any(|source| ALLOWED.contains(&source.as_str()))
        {
            return None;
        }
        sources.keys().find(|source| *source != "name").cloned()
    };
    let volumes = || items(&pod.spec["volumes"]);
    let names: Vec<String> = volumes()
        .filter(|volume| bad(volume).is_some())
        .map(|volume| text(&volume["name"]))
        .collect();
    let types: BTreeSet<String> = volumes().filter_map(bad).collect();
    (!names.is_empty()).then(|| {
        let detail = format!(
            "{} {} {} {} {}",
            plural("volume", "volumes", names.len()),
            quoted(&names),
            plural("uses", "use", names.len()),
            plural(
                "restricted volume type",
                "restricted volume types",
                types.len()
            ),
            quoted(&types)
        );
        Violation::new("restricted volume types", detail)
    })
}

pub(super) fn run_as_non_root(pod: &Pod<'_>) -> Option<Violation> {
    let of_pod = &pod.spec["securityContext"]["runAsNonRoot"];
    let of = |container: &Value| container["securityContext"]["runAsNonRoot"].clone();
    let explicit = pod.where_container(|container| of(container) == false);
    let detail = match setters(*of_pod == false, &explicit) {
        Some(who) => format!("{who} must not set securityContext.runAsNonRoot=false"),
        None => {
            let silent = pod.where_container(|container| of(container).is_null());
            if silent.is_empty() || *of_pod == true {
                return None;
            }
            format!(
                "pod or {} must set securityContext.runAsNonRoot=true",
                containers(&silent)
            )
        }
    };
    Some(Violation::new("runAsNonRoot != true", detail))
}

pub(super) fn run_as_user(pod: &Pod<'_>) -> Option<Violation> {
    let root = |context: &Value| context["runAsUser"] == 0;
    let names = pod.where_container(|container| root(&container["securityContext"]));
    let who = setters(root(&pod.spec["securityContext"]), &names)?;
    Some(Violation::new(
        "runAsUser=0",
        format!("{who} must not set runAsUser=0"),
    ))
}

pub(super) fn seccomp(pod: &Pod<'_>) -> Option<Violation> {
    if pod.is_windows() {
        return None;
    }
    if let Some(violation) = super::baseline::seccomp(pod) {
        return Some(violation);
    }
    let context = &pod.spec["securityContext"];
    let set_by_pod = context["seccompProfile"].is_object() && bad_seccomp(context).is_none();
    let silent = pod
        .where_container(|container| !container["securityContext"]["seccompProfile"].is_object());
    (!silent.is_empty() && !set_by_pod).then(|| {
        let detail = format!(
            "pod or {} must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\"",
            containers(&silent)
        );
        Violation::new("seccompProfile", detail)
    })
}
