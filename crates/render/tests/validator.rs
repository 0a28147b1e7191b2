//! What a preview must not have, and what it may: one table each.
#![allow(clippy::unwrap_used, missing_docs)]

use catalyst_render::validate::{Policy, admit};
use catalyst_render::{Rendered, yaml};
use serde_json::{Value, json};

/// A Deployment with these fields in its pod and its container, as YAML flow maps.
fn deployment(pod: &str, container: &str) -> String {
    let join = |text: &str| {
        if text.is_empty() {
            String::new()
        } else {
            format!(", {text}")
        }
    };
    format!(
        "{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: web}}, spec: {{selector: {{matchLabels: {{app: web}}}}, template: {{metadata: {{labels: {{app: web}}}}, spec: {{containers: [{{name: web, image: acme/web:1{}}}]{}}}}}}}}}",
        join(container),
        join(pod)
    )
}

fn object(version: &str, kind: &str, rest: &str) -> String {
    format!(
        "{{apiVersion: {version}, kind: {kind}, metadata: {{name: x}}{}{rest}}}",
        if rest.is_empty() { "" } else { ", " }
    )
}

fn admitted(text: &str, policy: Policy) -> Result<Rendered, String> {
    let objects = yaml::documents(text).unwrap();
    admit(
        Rendered {
            objects,
            ..Rendered::default()
        },
        policy,
    )
    .map_err(|refused| refused.to_string())
}

#[test]
fn what_reaches_beyond_the_preview_is_refused_with_words() {
    let pod = |text: &str| deployment(text, "");
    let container = |text: &str| deployment("", text);
    let service = |rest: &str| {
        object(
            "v1",
            "Service",
            &format!("spec: {{selector: {{app: x}}, ports: [{{port: 80}}], {rest}}}"),
        )
    };
    let ingress = |annotation: &str| {
        format!(
            "{{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {{name: x, annotations: {{{annotation}: x}}}}, spec: {{}}}}"
        )
    };
    let cases = [
        (pod("hostNetwork: true"), "the node's network"),
        (pod("hostPID: true"), "the node's processes"),
        (pod("hostIPC: true"), "shared memory"),
        (pod("nodeName: node-1"), "a node by its name"),
        (pod("runtimeClassName: kata"), "another runtime"),
        (pod("schedulerName: mine"), "another scheduler"),
        (
            pod("priorityClassName: system-node-critical"),
            "the cluster's own",
        ),
        (pod("resourceClaims: [{name: gpu}]"), "devices of the node"),
        (
            pod("volumes: [{name: v, hostPath: {path: /}}]"),
            "files of the node (/)",
        ),
        (
            pod("volumes: [{name: v, hostPath: {path: /var/run/docker.sock}}]"),
            "the socket of the node's containers",
        ),
        (
            pod("volumes: [{name: v, nfs: {server: 10.0.0.1, path: /}}]"),
            "of the kind nfs",
        ),
        (
            pod("volumes: [{name: v, csi: {driver: x}}]"),
            "of the kind csi",
        ),
        (pod("volumes: [{name: v, iscsi: {}}]"), "of the kind iscsi"),
        (
            pod("volumes: [{name: v, projected: {sources: [{serviceAccountToken: {path: t}}]}}]"),
            "a token of the cluster",
        ),
        (
            pod("volumes: [{name: v, projected: {sources: [{clusterTrustBundle: {path: t}}]}}]"),
            "a token of the cluster",
        ),
        (
            pod("volumes: [{name: v, secret: {secretName: registry-credentials}}]"),
            "Catalyst's own",
        ),
        (
            pod(
                "volumes: [{name: v, ephemeral: {volumeClaimTemplate: {spec: {volumeName: other}}}}]",
            ),
            "existing volume",
        ),
        (
            pod("securityContext: {sysctls: [{name: kernel.msgmax, value: '1'}]}"),
            "the kernel's",
        ),
        (
            pod("securityContext: {seccompProfile: {type: Unconfined}}"),
            "seccomp off",
        ),
        (
            pod("securityContext: {windowsOptions: {hostProcess: true}}"),
            "hostProcess",
        ),
        (
            pod("securityContext: {seLinuxOptions: {type: spc_t}}"),
            "SELinux",
        ),
        (
            pod("ephemeralContainers: [{name: d, image: x}]"),
            "for debugging",
        ),
        (
            pod("initContainers: [{name: i, image: x, securityContext: {privileged: true}}]"),
            "container i be privileged",
        ),
        (
            container("securityContext: {privileged: true}"),
            "privileged",
        ),
        (
            container("securityContext: {capabilities: {add: [SYS_ADMIN]}}"),
            "SYS_ADMIN",
        ),
        (
            container("securityContext: {capabilities: {add: [NET_RAW]}}"),
            "NET_RAW",
        ),
        (
            container("securityContext: {capabilities: {add: [ALL]}}"),
            "capability ALL",
        ),
        (container("securityContext: {procMount: Unmasked}"), "/proc"),
        (
            container("securityContext: {seccompProfile: {type: Unconfined}}"),
            "seccomp off",
        ),
        (
            container("securityContext: {appArmorProfile: {type: Unconfined}}"),
            "AppArmor off",
        ),
        (
            container("ports: [{containerPort: 80, hostPort: 80}]"),
            "hostPort 80",
        ),
        (
            container("livenessProbe: {httpGet: {host: 169.254.169.254, port: 80}}"),
            "another host",
        ),
        (
            container("readinessProbe: {tcpSocket: {host: 10.0.0.1, port: 22}}"),
            "another host",
        ),
        (
            container("lifecycle: {postStart: {httpGet: {host: metadata, port: 80}}}"),
            "another host",
        ),
        (
            container(
                "env: [{name: A, valueFrom: {secretKeyRef: {name: registry-credentials, key: x}}}]",
            ),
            "Catalyst's own",
        ),
        (
            container("envFrom: [{secretRef: {name: registry-credentials}}]"),
            "Catalyst's own",
        ),
        (
            container("volumeDevices: [{name: v, devicePath: /dev/x}]"),
            "raw block device",
        ),
        (
            deployment("", "").replace("acme/web:1", "'http://x/y'"),
            "is a URL",
        ),
        (
            deployment("", "").replace("acme/web:1", "'acme/web:1; id'"),
            "no name of an image",
        ),
        (
            deployment("", "").replace("acme/web:1", "Acme/Web"),
            "capital letters",
        ),
        (
            deployment("", "").replace("image: acme/web:1", "x: y"),
            "names no image",
        ),
        (
            deployment("", "").replace(
                "metadata: {name: web}",
                "metadata: {name: web, finalizers: [a/b]}",
            ),
            "outlive the preview",
        ),
        (
            deployment("", "").replace(
                "metadata: {name: web}",
                "metadata: {name: web, ownerReferences: [{name: x}]}",
            ),
            "outlive the preview",
        ),
        (
            deployment("", "").replace(
                "metadata: {name: web}",
                "metadata: {name: web, namespace: kube-system}",
            ),
            "the cluster's",
        ),
        (
            deployment("", "").replace("metadata: {name: web}", "metadata: {name: catalyst-web}"),
            "reserved",
        ),
        (
            deployment("", "").replace("metadata: {name: web}", "metadata: {name: 'a/b'}"),
            "not one that Kubernetes takes",
        ),
        (
            deployment("", "").replace("spec: {selector", "spec: {replicas: many, selector"),
            "not a valid Deployment",
        ),
        (
            format!(
                "{}\n---\n{}",
                deployment("", "").replace("{name: web}", "{name: a, namespace: one}"),
                object("v1", "ConfigMap", "").replace("{name: x}", "{name: b, namespace: two}")
            ),
            "namespaces one, two",
        ),
        (
            format!("{}\n---\n{}", deployment("", ""), deployment("", "")),
            "defined twice",
        ),
        (service("externalIPs: [1.2.3.4]"), "externalIPs"),
        (
            service("type: ExternalName, externalName: metadata.google.internal"),
            "ExternalName",
        ),
        (
            object("v1", "Service", "spec: {ports: [{port: 80}]}"),
            "selects no pods",
        ),
        (
            object("v1", "Secret", "type: kubernetes.io/service-account-token"),
            "access to the cluster",
        ),
        (
            object("v1", "Secret", "type: bootstrap.kubernetes.io/token"),
            "access to the cluster",
        ),
        (
            object("v1", "PersistentVolumeClaim", "spec: {volumeName: pv-1}"),
            "existing volume",
        ),
        (
            object(
                "v1",
                "PersistentVolumeClaim",
                "spec: {dataSource: {kind: PersistentVolumeClaim, name: y}}",
            ),
            "existing volume",
        ),
        (
            object("v1", "PersistentVolumeClaim", "spec: {volumeMode: Block}"),
            "raw block",
        ),
        (
            object("v1", "ServiceAccount", "").replace("{name: x}", "{name: default}"),
            "reserved",
        ),
        (
            object("v1", "ServiceAccount", "").replace(
                "{name: x}",
                "{name: x, annotations: {eks.amazonaws.com/role-arn: y}}",
            ),
            "identity of the cloud",
        ),
        (object("v1", "Pod", "spec: {}"), "write a Deployment"),
        (object("apps/v1", "DaemonSet", "spec: {}"), "every node"),
        (
            object("apps/v1", "ReplicaSet", "spec: {}"),
            "write a Deployment",
        ),
        (
            object("extensions/v1beta1", "Deployment", "spec: {}"),
            "use apps/v1",
        ),
        (
            object("rbac.authorization.k8s.io/v1", "ClusterRole", "rules: []"),
            "the whole cluster",
        ),
        (
            object("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", ""),
            "the whole cluster",
        ),
        (
            object("apiextensions.k8s.io/v1", "CustomResourceDefinition", ""),
            "the whole cluster",
        ),
        (
            object(
                "admissionregistration.k8s.io/v1",
                "MutatingWebhookConfiguration",
                "",
            ),
            "the whole cluster",
        ),
        (object("v1", "PersistentVolume", ""), "the whole cluster"),
        (
            object("storage.k8s.io/v1", "StorageClass", ""),
            "the whole cluster",
        ),
        (object("v1", "Node", ""), "the whole cluster"),
        (object("example.com/v1", "Widget", ""), "not of a kind"),
        (
            object("catalyst.catalyst.dev/v1alpha1", "Environment", ""),
            "not of a kind",
        ),
        ("{kind: Deployment}".to_owned(), "no apiVersion"),
        (
            ingress("nginx.ingress.kubernetes.io/configuration-snippet"),
            "for everybody",
        ),
        (
            ingress("nginx.ingress.kubernetes.io/server-snippet"),
            "for everybody",
        ),
        (
            ingress("nginx.ingress.kubernetes.io/auth-url"),
            "for everybody",
        ),
        (
            object(
                "batch/v1",
                "Job",
                "spec: {manualSelector: true, template: {spec: {containers: [{name: x, image: y}]}}}",
            ),
            "manualSelector",
        ),
    ];
    assert!(cases.len() >= 40);
    for (text, word) in cases {
        match admitted(&text, Policy::default()) {
            Ok(_) => panic!("admitted: {text}"),
            Err(said) => assert!(said.contains(word), "{text}\nsaid {said}\nwithout {word:?}"),
        }
    }
}

#[test]
fn restricted_refuses_what_baseline_lets_through() {
    for container in [
        "securityContext: {runAsUser: 0}",
        "securityContext: {runAsNonRoot: false}",
        "securityContext: {allowPrivilegeEscalation: true}",
        "securityContext: {capabilities: {add: [CHOWN]}}",
    ] {
        let text = deployment("", container);
        assert!(admitted(&text, Policy::default()).is_ok(), "{container}");
        assert!(
            admitted(&text, Policy { restricted: true }).is_err(),
            "{container}"
        );
    }
    let hardened = admitted(&deployment("", ""), Policy { restricted: true }).unwrap();
    let context =
        &hardened.objects[0]["spec"]["template"]["spec"]["containers"][0]["securityContext"];
    assert_eq!(
        *context,
        json!({ "allowPrivilegeEscalation": false, "runAsNonRoot": true, "capabilities": { "drop": ["ALL"] } })
    );
}

#[test]
fn what_has_no_place_in_a_preview_is_left_out_or_put_right_with_a_warning() {
    let text = [
        deployment("serviceAccountName: missing, automountServiceAccountToken: true, priorityClassName: high", "").replace("{name: web}", "{name: web, namespace: shop, labels: {catalyst.dev/owner: a/b, tier: 1}}"),
        "{apiVersion: v1, kind: Namespace, metadata: {name: shop}}".to_owned(),
        "{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {type: LoadBalancer, loadBalancerIP: 1.2.3.4, clusterIP: 10.0.0.1, selector: {app: web}, ports: [{port: 80, nodePort: 30080}]}}".to_owned(),
        "{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: r}}".to_owned(),
        "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: n}}".to_owned(),
        "{apiVersion: batch/v1, kind: CronJob, metadata: {name: c}}".to_owned(),
        "{apiVersion: v1, kind: Pod, metadata: {name: t, annotations: {helm.sh/hook: test}}}".to_owned(),
        "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: p}, spec: {storageClassName: fast, accessModes: [ReadWriteOnce]}}".to_owned(),
        "{apiVersion: v1, kind: ServiceAccount, metadata: {name: sa}, automountServiceAccountToken: true}".to_owned(),
        "{apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: ConfigMap, metadata: {name: cm}, dta: {a: b}}]}".to_owned(),
    ]
    .join("\n---\n");
    let admitted = admitted(&text, Policy::default()).unwrap();
    let kinds: Vec<_> = admitted
        .objects
        .iter()
        .map(|object| object["kind"].as_str().unwrap())
        .collect();
    assert_eq!(
        kinds,
        [
            "ServiceAccount",
            "ConfigMap",
            "PersistentVolumeClaim",
            "Service",
            "Deployment"
        ]
    );
    let deployment = &admitted.objects[4];
    assert_eq!(
        deployment["metadata"],
        json!({ "name": "web", "labels": { "tier": "1" } })
    );
    let pod = &deployment["spec"]["template"]["spec"];
    assert_eq!(
        (
            &pod["automountServiceAccountToken"],
            &pod["serviceAccountName"],
            &pod["priorityClassName"]
        ),
        (&json!(false), &Value::Null, &Value::Null)
    );
    assert_eq!(
        admitted.objects[3]["spec"],
        json!({ "type": "ClusterIP", "selector": { "app": "web" }, "ports": [{ "port": 80 }] })
    );
    assert_eq!(admitted.objects[0]["automountServiceAccountToken"], false);
    let said = admitted
        .warnings
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n");
    for word in [
        "shop stands for",
        "LoadBalancer",
        "Role r: is left out",
        "NetworkPolicy n: is left out",
        "CronJob c",
        "test of the chart",
        "storageClassName",
        "dta is no field",
        "missing is not among",
        "token is not mounted",
        "catalyst.dev/owner",
    ] {
        assert!(said.contains(word), "{word:?} is not said in\n{said}");
    }
    let route = admitted.route.unwrap();
    assert_eq!(
        (route.paths[0].service.as_str(), route.paths[0].port),
        ("web", 80)
    );
}

#[test]
fn the_url_leads_where_the_ingress_the_annotation_or_the_only_service_says() {
    let service = |name: &str, ports: &str, notes: &str| {
        format!(
            "{{apiVersion: v1, kind: Service, metadata: {{name: {name}{notes}}}, spec: {{selector: {{app: {name}}}, ports: [{ports}]}}}}"
        )
    };
    let route = |all: &[String]| {
        let admitted = admitted(&all.join("\n---\n"), Policy::default()).unwrap();
        admitted.route.map(|route| {
            route
                .paths
                .iter()
                .map(|path| format!("{} {}:{}", path.path, path.service, path.port))
                .collect::<Vec<_>>()
                .join(", ")
        })
    };
    let (api, db) = (
        service("api", "{port: 8000}", ""),
        service("db", "{port: 5432}", ""),
    );
    let shop = service(
        "shop",
        "{port: 9000, name: http}, {port: 9090, name: metrics}",
        "",
    );
    assert_eq!(route(&[api.clone(), db.clone()]).unwrap(), "/ api:8000");
    assert_eq!(route(std::slice::from_ref(&db)), None);
    assert_eq!(
        route(&[api.clone(), service("web", "{port: 80}", ""), db.clone()]).unwrap(),
        "/ web:80"
    );
    assert_eq!(
        route(&[
            api.clone(),
            service(
                "x",
                "{port: 81}",
                ", annotations: {catalyst.dev/url: 'true'}"
            )
        ])
        .unwrap(),
        "/ x:81"
    );
    let ingress = "{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: i}, spec: {rules: [{host: shop.example.com, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: shop, port: {name: http}}}}, {path: '/api(/|$)(.*)', pathType: ImplementationSpecific, backend: {service: {name: api, port: {number: 8000}}}}, {path: /gone, backend: {service: {name: gone, port: {number: 1}}}}]}}]}}".to_owned();
    assert_eq!(
        route(&[api, db, shop, ingress]).unwrap(),
        "/ shop:9000, /api api:8000"
    );
}
