use serde_json::{Value, json};

use super::*;

/// What a level says of a spec with one container `c`, into which both changes are merged.
fn said(level: Level, pod: Value, container: Value) -> String {
    let mut spec = json!({ "containers": [{ "name": "c" }] });
    json_patch::merge(&mut spec, &pod);
    json_patch::merge(&mut spec["containers"][0], &container);
    let violations = violations(level, &Value::Null, &spec);
    violations
        .iter()
        .map(|violation| format!("{}: {}", violation.reason, violation.detail))
        .collect::<Vec<_>>()
        .join(" | ")
}

fn context(context: Value) -> Value {
    json!({ "securityContext": context })
}

#[test]
fn the_baseline_lets_ordinary_pods_through() {
    for (pod, container) in [
        (json!({}), json!({})),
        (
            json!({ "volumes": [{ "name": "v", "emptyDir": {} }, { "name": "n", "nfs": {} }] }),
            json!({}),
        ),
        (
            json!({}),
            context(json!({ "capabilities": { "add": ["CHOWN"], "drop": ["ALL"] } })),
        ),
        (
            json!({}),
            context(json!({ "runAsUser": 0, "allowPrivilegeEscalation": true })),
        ),
        (
            json!({ "hostNetwork": false }),
            json!({ "ports": [{ "containerPort": 80, "hostPort": 0 }] }),
        ),
        (
            context(json!({ "sysctls": [{ "name": "net.ipv4.tcp_syncookies" }] })),
            json!({}),
        ),
        (
            context(json!({ "seLinuxOptions": { "type": "container_t", "level": "s0" } })),
            json!({}),
        ),
        (
            json!({}),
            context(json!({ "procMount": "Default", "seccompProfile": { "type": "Localhost" } })),
        ),
        (
            json!({}),
            json!({ "livenessProbe": { "httpGet": { "port": 80 } } }),
        ),
    ] {
        assert_eq!(
            said(Level::Baseline, pod.clone(), container.clone()),
            "",
            "{pod} {container}"
        );
    }
}

#[test]
fn the_baseline_names_what_breaks_out() {
    for (pod, container, expected) in [
        (
            json!({ "hostIPC": true }),
            json!({}),
            "host namespaces: hostIPC=true",
        ),
        (
            json!({}),
            context(json!({ "privileged": true })),
            "privileged: container \"c\" must not set securityContext.privileged=true",
        ),
        (
            json!({}),
            context(json!({ "capabilities": { "add": ["SYS_ADMIN"] } })),
            "non-default capabilities: container \"c\" must not include \"SYS_ADMIN\" in securityContext.capabilities.add",
        ),
        (
            json!({ "volumes": [{ "name": "a", "hostPath": {} }, { "name": "b", "hostPath": {} }] }),
            json!({}),
            "hostPath volumes: volumes \"a\", \"b\"",
        ),
        (
            json!({}),
            json!({ "ports": [{ "hostPort": 80 }, { "hostPort": 443 }] }),
            "hostPort: container \"c\" uses hostPorts 443, 80",
        ),
        (
            context(json!({ "appArmorProfile": { "type": "Unconfined" } })),
            json!({}),
            "forbidden AppArmor profile: pod must not set AppArmor profile type to \"Unconfined\"",
        ),
        (
            context(json!({ "seccompProfile": { "type": "Unconfined" } })),
            context(json!({ "seccompProfile": { "type": "Unconfined" } })),
            "seccompProfile: pod and container \"c\" must not set securityContext.seccompProfile.type to \"Unconfined\"",
        ),
        (
            json!({}),
            context(json!({ "procMount": "Unmasked" })),
            "procMount: container \"c\" must not set securityContext.procMount to \"Unmasked\"",
        ),
        (
            context(json!({ "sysctls": [{ "name": "kernel.msgmax" }] })),
            json!({}),
            "forbidden sysctls: kernel.msgmax",
        ),
        (
            json!({}),
            context(json!({ "seLinuxOptions": { "role": "r" } })),
            "seLinuxOptions: container \"c\" set forbidden securityContext.seLinuxOptions: role may not be set",
        ),
        (
            json!({}),
            context(json!({ "windowsOptions": { "hostProcess": true } })),
            "hostProcess: container \"c\" must not set securityContext.windowsOptions.hostProcess=true",
        ),
        (
            json!({}),
            json!({ "lifecycle": { "preStop": { "tcpSocket": { "host": "h" } } } }),
            "probe or lifecycle host: container \"c\" uses probe or lifecycle host \"h\"",
        ),
    ] {
        assert_eq!(said(Level::Baseline, pod, container), expected);
    }
}

#[test]
fn restricted_asks_for_more() {
    let careful_pod =
        context(json!({ "runAsNonRoot": true, "seccompProfile": { "type": "RuntimeDefault" } }));
    let careful =
        context(json!({ "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } }));
    assert_eq!(
        said(Level::Restricted, careful_pod.clone(), careful.clone()),
        ""
    );
    for (pod, container, expected) in [
        (
            json!({}),
            json!({}),
            "runAsNonRoot != true: pod or container \"c\" must set securityContext.runAsNonRoot=true",
        ),
        (
            context(json!({ "runAsNonRoot": false })),
            json!({}),
            "runAsNonRoot != true: pod must not set securityContext.runAsNonRoot=false",
        ),
        (
            context(json!({ "runAsUser": 0 })),
            json!({}),
            "runAsUser=0: pod must not set runAsUser=0",
        ),
        (
            json!({}),
            context(json!({ "capabilities": { "add": ["CHOWN"] } })),
            "unrestricted capabilities: container \"c\" must not include \"CHOWN\" in securityContext.capabilities.add",
        ),
        (
            json!({}),
            context(json!({ "capabilities": { "drop": ["KILL"] } })),
            "unrestricted capabilities: container \"c\" must set securityContext.capabilities.drop=[\"ALL\"]",
        ),
        (
            json!({}),
            context(json!({ "allowPrivilegeEscalation": null })),
            "allowPrivilegeEscalation != false: container \"c\" must set securityContext.allowPrivilegeEscalation=false",
        ),
        (
            context(json!({ "seccompProfile": null })),
            json!({}),
            "seccompProfile: pod or container \"c\" must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\"",
        ),
        (
            json!({ "volumes": [{ "name": "v", "hostPath": {} }] }),
            json!({}),
            "restricted volume types: volume \"v\" uses restricted volume type \"hostPath\"",
        ),
    ] {
        let mut whole_pod = if pod == json!({}) && expected.starts_with("runAs") {
            context(json!({ "seccompProfile": { "type": "RuntimeDefault" } }))
        } else {
            careful_pod.clone()
        };
        json_patch::merge(&mut whole_pod, &pod);
        let mut whole = careful.clone();
        json_patch::merge(&mut whole, &container);
        assert_eq!(said(Level::Restricted, whole_pod, whole), expected);
    }
}

#[test]
fn a_stricter_label_names_the_pods_that_do_the_same_once() {
    let namespace = |level: &str| json!({ "metadata": { "name": "n", "labels": { "pod-security.kubernetes.io/enforce": level } } });
    let pod = |name: &str, spec: Value| json!({ "metadata": { "name": name }, "spec": spec });
    let pods = [
        pod("a", json!({ "hostPID": true })),
        pod("b", json!({ "hostPID": true })),
        pod("c", json!({ "hostPID": true })),
        pod("d", json!({})),
    ];
    assert_eq!(
        existing(
            &namespace("privileged"),
            &namespace("baseline"),
            pods.iter()
        ),
        [
            "existing pods in namespace \"n\" violate the new PodSecurity enforce level \"baseline:latest\"",
            "a (and 2 other pods): host namespaces"
        ]
    );
    assert!(existing(&namespace("baseline"), &namespace("baseline"), pods.iter()).is_empty());
    assert!(
        existing(
            &namespace("restricted"),
            &namespace("privileged"),
            pods.iter()
        )
        .is_empty()
    );
}
