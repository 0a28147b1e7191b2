//! The baseline: nothing by which a pod gets out of itself.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Pod, Violation, containers, plural, quoted, setters, text};
use crate::objects::validate::items;

pub(super) fn app_armor(pod: &Pod<'_>) -> Option<Violation> {
    const ANNOTATION: &str = "container.apparmor.security.beta.kubernetes.io/";
    let bad = |profile: &Value| {
        let type_ = profile["type"].as_str()?;
        (!["RuntimeDefault", "Localhost"].contains(&type_)).then(|| type_.to_owned())
    };
    let of_pod = bad(&pod.spec["securityContext"]["appArmorProfile"]);
    let of = |container: &Value| bad(&container["securityContext"]["appArmorProfile"]);
    let names = pod.where_container(|container| of(container).is_some());
    let mut values: Vec<String> = pod
        .containers()
        .filter_map(of)
        .chain(of_pod.clone())
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    let mut annotations: Vec<String> = pod
        .annotations
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(key, value)| {
            let value = value.as_str().unwrap_or_default();
            key.starts_with(ANNOTATION)
                && !(value.is_empty()
                    || value == "runtime/default"
                    || value.starts_with("localhost/"))
        })
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    annotations.sort();
    let mut who: Vec<String> = setters(of_pod.is_some(), &names).into_iter().collect();
    if !annotations.is_empty() {
        who.push(plural("annotation", "annotations", annotations.len()).to_owned());
        values.extend(annotations);
    }
    (!who.is_empty()).then(|| {
        Violation::new(
            plural(
                "forbidden AppArmor profile",
                "forbidden AppArmor profiles",
                values.len(),
            ),
            format!(
                "{} must not set AppArmor profile type to {}",
                who.join(" and "),
                quoted(&values)
            ),
        )
    })
}

pub(super) fn capabilities(pod: &Pod<'_>) -> Option<Violation> {
    const ALLOWED: [&str; 13] = [
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    ];
    let added = |container: &Value| -> Vec<String> {
        let added = &container["securityContext"]["capabilities"]["add"];
        items(added)
            .map(text)
            .filter(|name| !ALLOWED.contains(&name.as_str()))
            .collect()
    };
    let names = pod.where_container(|container| !added(container).is_empty());
    let all: BTreeSet<String> = pod.containers().flat_map(added).collect();
    (!names.is_empty()).then(|| {
        Violation::new(
            "non-default capabilities",
            format!(
                "{} must not include {} in securityContext.capabilities.add",
                containers(&names),
                quoted(&all)
            ),
        )
    })
}

pub(super) fn host_namespaces(pod: &Pod<'_>) -> Option<Violation> {
    let shared: Vec<String> = ["hostNetwork", "hostPID", "hostIPC"]
        .iter()
        .filter(|field| pod.spec[**field] == true)
        .map(|field| format!("{field}=true"))
        .collect();
    (!shared.is_empty()).then(|| Violation::new("host namespaces", shared.join(", ")))
}

pub(super) fn host_path(pod: &Pod<'_>) -> Option<Violation> {
    let volumes: Vec<String> = items(&pod.spec["volumes"])
        .filter(|volume| volume["hostPath"].is_object())
        .map(|volume| text(&volume["name"]))
        .collect();
    (!volumes.is_empty()).then(|| {
        let detail = format!(
            "{} {}",
            plural("volume", "volumes", volumes.len()),
            quoted(&volumes)
        );
        Violation::new("hostPath volumes", detail)
    })
}

pub(super) fn host_ports(pod: &Pod<'_>) -> Option<Violation> {
    let ports = |container: &Value| -> Vec<String> {
        items(&container["ports"])
            .filter_map(|port| port["hostPort"].as_i64())
            .filter(|port| *port != 0)
            .map(|port| port.to_string())
            .collect()
    };
    let names = pod.where_container(|container| !ports(container).is_empty());
    let all: Vec<String> = pod
        .containers()
        .flat_map(ports)
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    (!names.is_empty()).then(|| {
        let detail = format!(
            "{} {} {} {}",
            containers(&names),
            plural("uses", "use", names.len()),
            plural("hostPort", "hostPorts", all.len()),
            all.join(", ")
        );
        Violation::new("hostPort", detail)
    })
}

pub(super) fn host_probes(pod: &Pod<'_>) -> Option<Violation> {
    let hosts = |container: &Value| -> Vec<String> {
        let handlers =
            ["livenessProbe", "readinessProbe", "startupProbe"].map(|probe| &container[probe]);
        let hooks = ["postStart", "preStop"].map(|hook| &container["lifecycle"][hook]);
        handlers
            .into_iter()
            .chain(hooks)
            .flat_map(|handler| [&handler["httpGet"]["host"], &handler["tcpSocket"]["host"]])
            .map(text)
            .filter(|host| !host.is_empty())
            .collect()
    };
    let mut names = pod.where_container(|container| !hosts(container).is_empty());
    names.sort();
    names.dedup();
    let all: BTreeSet<String> = pod.containers().flat_map(hosts).collect();
    (!names.is_empty()).then(|| {
        let detail = format!(
            "{} {} {} {}",
            containers(&names),
            plural("uses", "use", names.len()),
            plural(
                "probe or lifecycle host",
                "probe or lifecycle hosts",
                all.len()
            ),
            quoted(&all)
        );
        Violation::new("probe or lifecycle host", detail)
    })
}

pub(super) fn privileged(pod: &Pod<'_>) -> Option<Violation> {
    let names = pod.where_container(|container| container["securityContext"]["privileged"] == true);
    (!names.is_empty()).then(|| {
        let detail = format!(
            "{} must not set securityContext.privileged=true",
            containers(&names)
        );
        Violation::new("privileged", detail)
    })
}

pub(super) fn proc_mount(pod: &Pod<'_>) -> Option<Violation> {
    let bad = |container: &Value| {
        let mount = container["securityContext"]["procMount"].as_str()?;
        (mount != "Default").then(|| mount.to_owned())
    };
    let names = pod.where_container(|container| bad(container).is_some());
    let all: BTreeSet<String> = pod.containers().filter_map(bad).collect();
    (!names.is_empty()).then(|| {
        let detail = format!(
            "{} must not set securityContext.procMount to {}",
            containers(&names),
            quoted(&all)
        );
        Violation::new("procMount", detail)
    })
}

pub(super) fn se_linux(pod: &Pod<'_>) -> Option<Violation> {
    const TYPES: [&str; 5] = [
        "",
        "container_t",
        "container_init_t",
        "container_kvm_t",
        "container_engine_t",
    ];
    let options = |context: &Value| context["seLinuxOptions"].as_object().cloned();
    let part = |options: &serde_json::Map<String, Value>, name: &str| {
        text(options.get(name).unwrap_or(&Value::Null))
    };
    let bad_type = |options: &serde_json::Map<String, Value>| {
        let type_ = part(options, "type");
        (!TYPES.contains(&type_.as_str())).then_some(type_)
    };
    let bad = |context: &Value| {
        options(context).filter(|options| {
            bad_type(options).is_some()
                || !part(options, "user").is_empty()
                || !part(options, "role").is_empty()
        })
    };
    let of_pod = bad(&pod.spec["securityContext"]);
    let names = pod.where_container(|container| bad(&container["securityContext"]).is_some());
    let who = setters(of_pod.is_some(), &names)?;
    let all: Vec<_> = of_pod
        .into_iter()
        .chain(
            pod.containers()
                .filter_map(|container| bad(&container["securityContext"])),
        )
        .collect();
    let types: BTreeSet<String> = all.iter().filter_map(bad_type).collect();
    let mut data = Vec::new();
    if !types.is_empty() {
        data.push(format!(
            "{} {}",
            plural("type", "types", types.len()),
            quoted(&types)
        ));
    }
    for field in ["user", "role"] {
        if all.iter().any(|options| !part(options, field).is_empty()) {
            data.push(format!("{field} may not be set"));
        }
    }
    let detail = format!(
        "{who} set forbidden securityContext.seLinuxOptions: {}",
        data.join("; ")
    );
    Some(Violation::new("seLinuxOptions", detail))
}

/// A seccomp profile that is set, and is none that confines.
pub(super) fn bad_seccomp(context: &Value) -> Option<String> {
    let type_ = context["seccompProfile"]["type"].as_str()?;
    (!["RuntimeDefault", "Localhost"].contains(&type_)).then(|| type_.to_owned())
}

pub(super) fn seccomp(pod: &Pod<'_>) -> Option<Violation> {
    let of_pod = bad_seccomp(&pod.spec["securityContext"]);
    let of = |container: &Value| bad_seccomp(&container["securityContext"]);
    let names = pod.where_container(|container| of(container).is_some());
    let who = setters(of_pod.is_some(), &names)?;
    let values: BTreeSet<String> = pod.containers().filter_map(of).chain(of_pod).collect();
    let detail = format!(
        "{who} must not set securityContext.seccompProfile.type to {}",
        quoted(&values)
    );
    Some(Violation::new("seccompProfile", detail))
}

pub(super) fn sysctls(pod: &Pod<'_>) -> Option<Violation> {
    const ALLOWED: [&str; 12] = [
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.ping_group_range",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
        "net.ipv4.tcp_rmem",
        "net.ipv4.tcp_wmem",
    ];
    let names: Vec<String> = items(&pod.spec["securityContext"]["sysctls"])
        .map(|sysctl| text(&sysctl["name"]))
        .filter(|name| !ALLOWED.contains(&name.as_str()))
        .collect();
    (!names.is_empty()).then(|| Violation::new("forbidden sysctls", names.join(", ")))
}

pub(super) fn windows_host_process(pod: &Pod<'_>) -> Option<Violation> {
    let set = |context: &Value| context["windowsOptions"]["hostProcess"] == true;
    let names = pod.where_container(|container| set(&container["securityContext"]));
    let who = setters(set(&pod.spec["securityContext"]), &names)?;
    let detail = format!("{who} must not set securityContext.windowsOptions.hostProcess=true");
    Some(Violation::new("hostProcess", detail))
}
