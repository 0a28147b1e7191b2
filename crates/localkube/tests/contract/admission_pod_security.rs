//! Pod Security: the labels of a namespace.

use serde_json::{Value, json};

use crate::harness::{Contract, MERGE};

const ENFORCE: &str = "pod-security.kubernetes.io/enforce";
const WARN: &str = "pod-security.kubernetes.io/warn";

fn pod(name: &str, change: impl Fn(&mut Value)) -> Value {
    let mut pod = crate::harness::pod(name, "true");
    pod["spec"]["schedulerName"] = "nobody".into();
    change(&mut pod["spec"]);
    pod
}

/// A spec that restricted lets through.
fn restrict(spec: &mut Value) {
    spec["securityContext"] =
        json!({ "runAsNonRoot": true, "seccompProfile": { "type": "RuntimeDefault" } });
    spec["containers"][0]["securityContext"] =
        json!({ "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } });
}

#[tokio::test]
async fn baseline_refuses_what_breaks_out() {
    let contract = Contract::with_labels(json!({ ENFORCE: "baseline" })).await;
    let path = format!("{}?dryRun=All", contract.path("pods"));
    let container = |context: Value| {
        move |spec: &mut Value| spec["containers"][0]["securityContext"] = context.clone()
    };
    contract.post(&path, pod("p", |_| {})).await.expect(201);
    for (change, refusal) in [
        (
            &container(json!({ "privileged": true })) as &dyn Fn(&mut Value),
            "privileged (container \"main\" must not set securityContext.privileged=true)",
        ),
        (
            &|spec| {
                spec["hostNetwork"] = true.into();
                spec["hostPID"] = true.into()
            },
            "host namespaces (hostNetwork=true, hostPID=true)",
        ),
        (
            &|spec| spec["volumes"] = json!([{ "name": "v", "hostPath": { "path": "/" } }]),
            "hostPath volumes (volume \"v\")",
        ),
        (
            &|spec| {
                spec["containers"][0]["ports"] = json!([{ "containerPort": 80, "hostPort": 8080 }])
            },
            "hostPort (container \"main\" uses hostPort 8080)",
        ),
        (
            &container(json!({ "capabilities": { "add": ["NET_RAW", "SYS_ADMIN"] } })),
            "non-default capabilities (container \"main\" must not include \"NET_RAW\", \"SYS_ADMIN\" in securityContext.capabilities.add)",
        ),
        (
            &container(json!({ "seccompProfile": { "type": "Unconfined" } })),
            "seccompProfile (container \"main\" must not set securityContext.seccompProfile.type to \"Unconfined\")",
        ),
        (
            &|spec| {
                spec["securityContext"] =
                    json!({ "sysctls": [{ "name": "kernel.msgmax", "value": "1" }] })
            },
            "forbidden sysctls (kernel.msgmax)",
        ),
        (
            &container(json!({ "seLinuxOptions": { "user": "u", "role": "r", "type": "t" } })),
            "seLinuxOptions (container \"main\" set forbidden securityContext.seLinuxOptions: type \"t\"; user may not be set; role may not be set)",
        ),
        (
            &|spec| {
                spec["hostUsers"] = false.into();
                spec["containers"][0]["securityContext"] = json!({ "procMount": "Unmasked" })
            },
            "",
        ),
        (
            &container(json!({ "appArmorProfile": { "type": "Unconfined" } })),
            "forbidden AppArmor profile (container \"main\" must not set AppArmor profile type to \"Unconfined\")",
        ),
        (
            &|spec| {
                spec["containers"][0]["livenessProbe"] =
                    json!({ "httpGet": { "port": 80, "host": "10.0.0.1" } })
            },
            "probe or lifecycle host (container \"main\" uses probe or lifecycle host \"10.0.0.1\")",
        ),
    ] {
        let answer = contract.post(&path, pod("p", change)).await;
        if refusal.is_empty() {
            continue;
        }
        let message = answer.refused(403, "Forbidden");
        assert_eq!(
            message,
            format!("pods \"p\" is forbidden: violates PodSecurity \"baseline:latest\": {refusal}")
        );
        assert_eq!(
            answer.body["details"],
            json!({ "name": "p", "kind": "pods" })
        );
    }
}

#[tokio::test]
async fn restricted_demands_care() {
    let contract = Contract::with_labels(
        json!({ ENFORCE: "restricted", "pod-security.kubernetes.io/enforce-version": "v1.34" }),
    )
    .await;
    let path = format!("{}?dryRun=All", contract.path("pods"));
    contract.post(&path, pod("p", restrict)).await.expect(201);
    let message = contract
        .post(&path, pod("p", |_| {}))
        .await
        .refused(403, "Forbidden");
    assert_eq!(
        message,
        "pods \"p\" is forbidden: violates PodSecurity \"restricted:v1.34\": allowPrivilegeEscalation != false (container \"main\" must set securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container \"main\" must set securityContext.capabilities.drop=[\"ALL\"]), runAsNonRoot != true (pod or container \"main\" must set securityContext.runAsNonRoot=true), seccompProfile (pod or container \"main\" must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\")"
    );
    for (change, refusal) in [
        (
            &(|spec: &mut Value| spec["securityContext"]["runAsUser"] = 0.into())
                as &dyn Fn(&mut Value),
            "runAsUser=0 (pod must not set runAsUser=0)",
        ),
        (
            &|spec| {
                spec["containers"][0]["securityContext"]["capabilities"]["add"] =
                    json!(["NET_BIND_SERVICE"])
            },
            "",
        ),
        (
            &|spec| {
                spec["containers"][0]["securityContext"]["capabilities"]["add"] = json!(["CHOWN"])
            },
            "unrestricted capabilities (container \"main\" must not include \"CHOWN\" in securityContext.capabilities.add)",
        ),
        (
            &|spec| {
                spec["volumes"] = json!([{ "name": "v", "nfs": { "server": "s", "path": "/" } }])
            },
            "restricted volume types (volume \"v\" uses restricted volume type \"nfs\")",
        ),
        (
            &|spec| spec["volumes"] = json!([{ "name": "a", "emptyDir": {} }, { "name": "b", "configMap": { "name": "c" } }]),
            "",
        ),
        (
            &|spec| spec["containers"][0]["securityContext"]["runAsNonRoot"] = false.into(),
            "runAsNonRoot != true (container \"main\" must not set securityContext.runAsNonRoot=false)",
        ),
    ] {
        let answer = contract
            .post(
                &path,
                pod("p", |spec| {
                    restrict(spec);
                    change(spec)
                }),
            )
            .await;
        if refusal.is_empty() {
            answer.expect(201);
            continue;
        }
        let message = answer.refused(403, "Forbidden");
        assert_eq!(
            message,
            format!(
                "pods \"p\" is forbidden: violates PodSecurity \"restricted:v1.34\": {refusal}"
            )
        );
    }
}

#[tokio::test]
async fn init_containers_are_looked_at_too() {
    let contract = Contract::with_labels(json!({ ENFORCE: "baseline" })).await;
    let bad = pod(
        "p",
        |spec| {
            spec["initContainers"] = json!([{ "name": "first", "image": "i", "securityContext": { "privileged": true } }])
        },
    );
    let message = contract
        .post(&contract.path("pods"), bad)
        .await
        .refused(403, "Forbidden");
    assert!(
        message.ends_with(
            "privileged (container \"first\" must not set securityContext.privileged=true)"
        ),
        "{message}"
    );
}

#[tokio::test]
async fn a_template_is_warned_about_and_not_refused() {
    let contract = Contract::with_labels(json!({ ENFORCE: "baseline", WARN: "baseline" })).await;
    let deployment = json!({ "metadata": { "name": "web" }, "spec": {
        "replicas": 0, "selector": { "matchLabels": { "app": "web" } },
        "template": { "metadata": { "labels": { "app": "web" } }, "spec": { "hostNetwork": true, "containers": [{ "name": "c", "image": "web:1" }] } },
    } });
    let answer = contract
        .post(&contract.path_of("apps/v1", "deployments"), deployment)
        .await;
    assert_eq!(
        answer.warnings(),
        ["would violate PodSecurity \"baseline:latest\": host namespaces (hostNetwork=true)"]
    );
    answer.expect(201);
}

#[tokio::test]
async fn a_pod_is_warned_about_where_only_warnings_are_asked_for() {
    let contract = Contract::with_labels(json!({ WARN: "restricted" })).await;
    let answer = contract
        .post(&contract.path("pods"), pod("p", |_| {}))
        .await;
    let warnings = answer.warnings();
    assert_eq!(warnings.len(), 1);
    assert!(
        warnings[0].starts_with(
            "would violate PodSecurity \"restricted:latest\": allowPrivilegeEscalation != false"
        ),
        "{warnings:?}"
    );
    answer.expect(201);
}

#[tokio::test]
async fn labels_name_levels_and_versions() {
    let contract = Contract::start().await;
    let path = format!("/api/v1/namespaces/{}", contract.namespace);
    let answer = contract
        .patch(
            &path,
            MERGE,
            json!({ "metadata": { "labels": { ENFORCE: "strict" } } }),
        )
        .await;
    let message = answer.refused(422, "Invalid");
    assert!(message.contains("metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: \"strict\": must be one of privileged, baseline, restricted"), "{message}");
    let versioned = json!({ "metadata": { "labels": { "pod-security.kubernetes.io/enforce-version": "newest" } } });
    contract
        .patch(&path, MERGE, versioned)
        .await
        .refused(422, "Invalid");
    contract
        .patch(
            &path,
            MERGE,
            json!({ "metadata": { "labels": { ENFORCE: "privileged" } } }),
        )
        .await
        .expect(200);
}

#[tokio::test]
async fn a_stricter_label_warns_about_the_pods_that_are_there() {
    let contract = Contract::start().await;
    contract
        .post(
            &contract.path("pods"),
            pod("p", |spec| spec["hostNetwork"] = true.into()),
        )
        .await
        .expect(201);
    let path = format!("/api/v1/namespaces/{}", contract.namespace);
    let enforce = async |level: &str| {
        let labels = json!({ "metadata": { "labels": { ENFORCE: level } } });
        contract.patch(&path, MERGE, labels).await
    };
    let mut answer = enforce("baseline").await;
    // The API server looks at the pods that it has in memory, which a new one reaches after a moment.
    for _ in 0..50 {
        if !answer.warnings().is_empty() {
            break;
        }
        enforce("privileged").await.expect(200);
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        answer = enforce("baseline").await;
    }
    assert_eq!(
        answer.warnings(),
        [
            format!(
                "existing pods in namespace \"{}\" violate the new PodSecurity enforce level \"baseline:latest\"",
                contract.namespace
            ),
            "p: host namespaces".to_owned(),
        ]
    );
    answer.expect(200);
}
