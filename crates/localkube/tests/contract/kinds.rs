//! What the kinds that the product uses are filled with, and what they refuse.

use serde_json::{Value, json};

use crate::harness::{Contract, MERGE, text};

fn deployment(change: impl Fn(&mut Value)) -> Value {
    let mut deployment = json!({ "metadata": { "name": "web" }, "spec": {
        "replicas": 0, "selector": { "matchLabels": { "app": "web" } },
        "template": { "metadata": { "labels": { "app": "web" } }, "spec": { "containers": [{ "name": "c", "image": "web:1" }] } },
    } });
    change(&mut deployment["spec"]);
    deployment
}

#[tokio::test]
async fn a_deployment_is_filled_with_defaults() {
    let contract = Contract::start().await;
    let made = contract
        .post(
            &contract.path_of("apps/v1", "deployments"),
            deployment(|_| {}),
        )
        .await
        .expect(201);
    let spec = &made["spec"];
    assert_eq!(
        spec["strategy"],
        json!({ "type": "RollingUpdate", "rollingUpdate": { "maxSurge": "25%", "maxUnavailable": "25%" } })
    );
    assert_eq!(
        (
            &spec["revisionHistoryLimit"],
            &spec["progressDeadlineSeconds"]
        ),
        (&json!(10), &json!(600))
    );
    let pod = &spec["template"]["spec"];
    assert_eq!(
        (
            &pod["restartPolicy"],
            &pod["dnsPolicy"],
            &pod["schedulerName"]
        ),
        (
            &json!("Always"),
            &json!("ClusterFirst"),
            &json!("default-scheduler")
        )
    );
    assert_eq!(pod["terminationGracePeriodSeconds"], 30);
    let container = &pod["containers"][0];
    assert_eq!(
        (
            &container["imagePullPolicy"],
            &container["terminationMessagePath"],
            &container["terminationMessagePolicy"]
        ),
        (
            &json!("IfNotPresent"),
            &json!("/dev/termination-log"),
            &json!("File")
        )
    );
}

#[tokio::test]
async fn a_deployment_that_cannot_be_is_refused() {
    let contract = Contract::start().await;
    let path = contract.path_of("apps/v1", "deployments");
    for (change, cause) in [
        (
            &(|spec: &mut Value| spec["selector"] = json!({ "matchLabels": { "app": "other" } }))
                as &dyn Fn(&mut Value),
            "FieldValueInvalid spec.template.metadata.labels",
        ),
        (
            &|spec| spec["replicas"] = (-1).into(),
            "FieldValueInvalid spec.replicas",
        ),
        (
            &|spec| spec["template"]["spec"]["containers"] = json!([]),
            "FieldValueRequired spec.template.spec.containers",
        ),
        (
            &|spec| spec["template"]["spec"]["containers"][0]["name"] = "Bad_Name".into(),
            "FieldValueInvalid spec.template.spec.containers[0].name",
        ),
        (
            &|spec| {
                spec["template"]["spec"]["containers"][0]
                    .as_object_mut()
                    .unwrap()
                    .remove("image");
            },
            "FieldValueRequired spec.template.spec.containers[0].image",
        ),
        (
            &|spec| spec["template"]["spec"]["restartPolicy"] = "Never".into(),
            "FieldValueNotSupported spec.template.spec.restartPolicy",
        ),
        (
            &|spec| {
                spec["template"]["spec"]["containers"][0]["volumeMounts"] =
                    json!([{ "name": "v", "mountPath": "/v" }])
            },
            "FieldValueNotFound spec.template.spec.containers[0].volumeMounts[0].name",
        ),
        (
            &|spec| {
                spec["template"]["spec"]["containers"][0]["ports"] =
                    json!([{ "containerPort": 70000 }])
            },
            "FieldValueInvalid spec.template.spec.containers[0].ports[0].containerPort",
        ),
        (
            &|spec| {
                spec["template"]["spec"]["containers"][0]["readinessProbe"] =
                    json!({ "periodSeconds": 1 })
            },
            "FieldValueRequired spec.template.spec.containers[0].readinessProbe",
        ),
        (
            &|spec| {
                spec["template"]["spec"]["volumes"] =
                    json!([{ "name": "v", "emptyDir": {} }, { "name": "v", "emptyDir": {} }])
            },
            "FieldValueDuplicate spec.template.spec.volumes[1].name",
        ),
    ] {
        let answer = contract.post(&path, deployment(change)).await;
        answer.refused(422, "Invalid");
        assert!(
            answer.causes().contains(&cause.to_owned()),
            "{cause}: {:?}",
            answer.causes()
        );
    }
}

#[tokio::test]
async fn a_selector_is_for_ever() {
    let contract = Contract::start().await;
    contract
        .post(
            &contract.path_of("apps/v1", "deployments"),
            deployment(|_| {}),
        )
        .await
        .expect(201);
    let other = json!({ "spec": { "selector": { "matchLabels": { "app": "x" } }, "template": { "metadata": { "labels": { "app": "x" } } } } });
    let answer = contract
        .patch(
            &contract.path_of("apps/v1", "deployments/web"),
            MERGE,
            other,
        )
        .await;
    let message = answer.refused(422, "Invalid");
    assert!(
        message.contains("spec.selector: Invalid value:") && message.contains("field is immutable"),
        "{message}"
    );
}

#[tokio::test]
async fn a_deployment_is_scaled() {
    let contract = Contract::start().await;
    let path = contract.path_of("apps/v1", "deployments");
    contract.post(&path, deployment(|_| {})).await.expect(201);
    let path = format!("{path}/web");
    let mut scale = contract.get(&format!("{path}/scale")).await.expect(200);
    assert_eq!(
        (&scale["kind"], &scale["apiVersion"]),
        (&json!("Scale"), &json!("autoscaling/v1"))
    );
    assert_eq!(scale["spec"], json!({}));
    assert_eq!(text(&scale["status"]["selector"]), "app=web");
    scale["spec"]["replicas"] = 0.into();
    scale["metadata"]["resourceVersion"] = "".into();
    contract
        .put(&format!("{path}/scale"), scale)
        .await
        .expect(200);
    let patched = contract
        .patch(
            &format!("{path}/scale"),
            MERGE,
            json!({ "spec": { "replicas": 2 } }),
        )
        .await
        .expect(200);
    assert_eq!(patched["spec"]["replicas"], 2);
    assert_eq!(contract.get(&path).await.expect(200)["spec"]["replicas"], 2);
    contract
        .patch(
            &format!("{path}/scale"),
            MERGE,
            json!({ "spec": { "replicas": 0 } }),
        )
        .await
        .expect(200);
}

#[tokio::test]
async fn a_service_gets_an_address_and_keeps_it() {
    let contract = Contract::start().await;
    let path = contract.path("services");
    let body = json!({ "metadata": { "name": "web" }, "spec": { "selector": { "app": "web" }, "ports": [{ "port": 80 }] } });
    let made = contract.post(&path, body.clone()).await.expect(201);
    let spec = &made["spec"];
    assert_eq!(
        (
            &spec["type"],
            &spec["sessionAffinity"],
            &spec["internalTrafficPolicy"]
        ),
        (&json!("ClusterIP"), &json!("None"), &json!("Cluster"))
    );
    assert_eq!(
        (&spec["ipFamilies"], &spec["ipFamilyPolicy"]),
        (&json!(["IPv4"]), &json!("SingleStack"))
    );
    assert_eq!(
        spec["ports"],
        json!([{ "port": 80, "protocol": "TCP", "targetPort": 80 }])
    );
    assert_eq!(spec["clusterIPs"], json!([spec["clusterIP"]]));
    let again = contract.put(&format!("{path}/web"), body).await.expect(200);
    assert_eq!(again["spec"]["clusterIP"], spec["clusterIP"]);
    let other = json!({ "spec": { "clusterIP": "10.96.0.77" } });
    contract
        .patch(&format!("{path}/web"), MERGE, other)
        .await
        .refused(422, "Invalid");
    let headless = json!({ "metadata": { "name": "headless" }, "spec": { "clusterIP": "None", "selector": { "app": "web" }, "ports": [{ "port": 80 }] } });
    let headless = contract.post(&path, headless).await.expect(201);
    assert_eq!(headless["spec"]["clusterIPs"], json!(["None"]));
}

#[tokio::test]
async fn a_service_that_cannot_be_is_refused() {
    let contract = Contract::start().await;
    let path = contract.path("services");
    for (name, spec, cause) in [
        ("web", json!({}), "FieldValueRequired spec.ports"),
        (
            "1web",
            json!({ "ports": [{ "port": 80 }] }),
            "FieldValueInvalid metadata.name",
        ),
        (
            "web",
            json!({ "ports": [{ "port": 0 }] }),
            "FieldValueInvalid spec.ports[0].port",
        ),
        (
            "web",
            json!({ "ports": [{ "port": 1 }, { "port": 2 }] }),
            "FieldValueRequired spec.ports[0].name",
        ),
        (
            "web",
            json!({ "type": "Other", "ports": [{ "port": 1 }] }),
            "FieldValueNotSupported spec.type",
        ),
        (
            "web",
            json!({ "type": "ExternalName" }),
            "FieldValueRequired spec.externalName",
        ),
    ] {
        let answer = contract
            .post(&path, json!({ "metadata": { "name": name }, "spec": spec }))
            .await;
        answer.refused(422, "Invalid");
        assert!(
            answer.causes().contains(&cause.to_owned()),
            "{cause}: {:?}",
            answer.causes()
        );
    }
}

#[tokio::test]
async fn an_ingress_that_cannot_be_is_refused() {
    let contract = Contract::start().await;
    let path = contract.path_of("networking.k8s.io/v1", "ingresses");
    let with = |host: &str, entry: Value| json!({ "rules": [{ "host": host, "http": { "paths": [entry] } }] });
    let backend = json!({ "service": { "name": "web", "port": { "number": 80 } } });
    for (spec, cause) in [
        (json!({}), "FieldValueInvalid spec"),
        (
            with(
                "Bad_Host",
                json!({ "path": "/", "pathType": "Prefix", "backend": backend }),
            ),
            "FieldValueInvalid spec.rules[0].host",
        ),
        (
            with(
                "a.example.com",
                json!({ "path": "x", "pathType": "Prefix", "backend": backend }),
            ),
            "FieldValueInvalid spec.rules[0].http.paths[0].path",
        ),
        (
            with("a.example.com", json!({ "path": "/", "backend": backend })),
            "FieldValueRequired spec.rules[0].http.paths[0].pathType",
        ),
        (
            with(
                "a.example.com",
                json!({ "path": "/", "pathType": "Odd", "backend": backend }),
            ),
            "FieldValueNotSupported spec.rules[0].http.paths[0].pathType",
        ),
    ] {
        let answer = contract
            .post(
                &path,
                json!({ "metadata": { "name": "web" }, "spec": spec }),
            )
            .await;
        answer.refused(422, "Invalid");
        assert!(
            answer.causes().contains(&cause.to_owned()),
            "{cause}: {:?}",
            answer.causes()
        );
    }
}

#[tokio::test]
async fn secrets_and_config_maps_hold_bytes_under_keys() {
    let contract = Contract::start().await;
    let path = contract.path("secrets");
    let message = contract
        .post(
            &path,
            json!({ "metadata": { "name": "s" }, "data": { "a": "not base64!" } }),
        )
        .await
        .refused(400, "BadRequest");
    assert!(message.contains("illegal base64 data"), "{message}");
    let answer = contract
        .post(
            &path,
            json!({ "metadata": { "name": "s" }, "data": { "a/b": "MQ==" } }),
        )
        .await;
    answer.refused(422, "Invalid");
    assert_eq!(answer.causes(), ["FieldValueInvalid data[a/b]"]);
    let answer = contract.post(&path, json!({ "metadata": { "name": "s" }, "type": "kubernetes.io/tls", "data": { "tls.crt": "MQ==" } })).await;
    answer.refused(422, "Invalid");
    assert_eq!(answer.causes(), ["FieldValueRequired data[tls.key]"]);
    let answer = contract.post(&contract.path("configmaps"), json!({ "metadata": { "name": "c" }, "data": { "a": "1" }, "binaryData": { "a": "MQ==" } })).await;
    answer.refused(422, "Invalid");
}

#[tokio::test]
async fn a_job_says_how_its_pods_end() {
    let contract = Contract::start().await;
    let path = contract.path_of("batch/v1", "jobs");
    let job = |policy: &str| {
        json!({ "metadata": { "name": "j" }, "spec": { "suspend": true, "template": { "spec": {
        "restartPolicy": policy, "containers": [{ "name": "c", "image": "web:1" }],
    } } } })
    };
    let answer = contract.post(&path, job("Always")).await;
    answer.refused(422, "Invalid");
    assert!(
        answer
            .causes()
            .iter()
            .any(|cause| cause.ends_with("spec.template.spec.restartPolicy")),
        "{:?}",
        answer.causes()
    );
    let made = contract.post(&path, job("Never")).await.expect(201);
    let uid = text(&made["metadata"]["uid"]);
    assert_eq!(
        (
            &made["spec"]["backoffLimit"],
            &made["spec"]["completions"],
            &made["spec"]["parallelism"]
        ),
        (&json!(6), &json!(1), &json!(1))
    );
    assert_eq!(
        made["spec"]["selector"]["matchLabels"]["batch.kubernetes.io/controller-uid"],
        uid.as_str()
    );
    assert_eq!(
        made["spec"]["template"]["metadata"]["labels"]["batch.kubernetes.io/job-name"],
        "j"
    );
}

#[tokio::test]
async fn a_pod_hardly_changes() {
    let contract = Contract::start().await;
    let mut pod = crate::harness::pod("p", "true");
    pod["spec"]["schedulerName"] = "nobody".into();
    contract.post(&contract.path("pods"), pod).await.expect(201);
    let path = contract.path("pods/p");
    let answer = contract
        .patch(
            &path,
            MERGE,
            json!({ "spec": { "restartPolicy": "Always" } }),
        )
        .await;
    let message = answer.refused(422, "Invalid");
    assert!(message.starts_with("Pod \"p\" is invalid: spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"), "{message}");
    contract
        .patch(
            &path,
            MERGE,
            json!({ "metadata": { "labels": { "a": "b" } } }),
        )
        .await
        .expect(200);
}
