//! LimitRanges, and what a pod's resources must be.

use serde_json::{Value, json};

use crate::harness::{Contract, text};

fn pod(resources: Value) -> Value {
    let mut pod = crate::harness::pod("p", "true");
    pod["spec"]["schedulerName"] = "nobody".into();
    pod["spec"]["containers"][0]["resources"] = resources;
    pod
}

async fn limits(limit: Value) -> Contract {
    let contract = Contract::start().await;
    let body = json!({ "metadata": { "name": "l" }, "spec": { "limits": [limit] } });
    contract
        .post(&contract.path("limitranges"), body)
        .await
        .expect(201);
    contract
}

/// Asks until the limits are in force: the server looks at them through a cache.
async fn refused(contract: &Contract, pod: &Value) -> String {
    let path = format!("{}?dryRun=All", contract.path("pods"));
    for _ in 0..200 {
        let answer = contract.post(&path, pod.clone()).await;
        if answer.code != 201 {
            return answer.refused(403, "Forbidden");
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("{pod} is let through")
}

#[tokio::test]
async fn a_pod_gets_the_namespaces_defaults() {
    let contract = limits(json!({
        "type": "Container", "default": { "cpu": "500m", "memory": "256Mi" }, "defaultRequest": { "cpu": "100m" }, "max": { "cpu": "1" },
    })).await;
    // In force as soon as the maximum is.
    refused(&contract, &pod(json!({ "limits": { "cpu": "2" } }))).await;
    let made = contract
        .post(&contract.path("pods"), pod(json!({})))
        .await
        .expect(201);
    assert_eq!(
        made["spec"]["containers"][0]["resources"],
        json!({ "limits": { "cpu": "500m", "memory": "256Mi" }, "requests": { "cpu": "100m", "memory": "256Mi" } })
    );
    assert_eq!(
        text(&made["metadata"]["annotations"]["kubernetes.io/limit-ranger"]),
        "LimitRanger plugin set: cpu, memory request for container main; cpu, memory limit for container main"
    );
    assert_eq!(made["status"]["qosClass"], "Burstable");
}

#[tokio::test]
async fn a_limit_range_is_completed() {
    let contract =
        limits(json!({ "type": "Container", "max": { "cpu": "2" }, "min": { "memory": "10Mi" } }))
            .await;
    let range = contract
        .get(&contract.path("limitranges/l"))
        .await
        .expect(200);
    assert_eq!(
        range["spec"]["limits"][0],
        json!({
            "type": "Container", "max": { "cpu": "2" }, "min": { "memory": "10Mi" },
            "default": { "cpu": "2" }, "defaultRequest": { "cpu": "2", "memory": "10Mi" },
        })
    );
}

#[tokio::test]
async fn a_container_stays_within_its_bounds() {
    let contract = limits(
        json!({ "type": "Container", "max": { "memory": "128Mi" }, "min": { "memory": "16Mi" } }),
    )
    .await;
    let large = pod(json!({ "limits": { "memory": "1Gi" }, "requests": { "memory": "64Mi" } }));
    assert_eq!(
        refused(&contract, &large).await,
        "pods \"p\" is forbidden: maximum memory usage per Container is 128Mi, but limit is 1Gi"
    );
    let small = pod(json!({ "limits": { "memory": "64Mi" }, "requests": { "memory": "1Mi" } }));
    assert_eq!(
        refused(&contract, &small).await,
        "pods \"p\" is forbidden: minimum memory usage per Container is 16Mi, but request is 1Mi"
    );
}

#[tokio::test]
async fn a_pod_stays_within_its_bounds() {
    let contract = limits(json!({ "type": "Pod", "max": { "cpu": "1" } })).await;
    let mut two = pod(json!({ "limits": { "cpu": "600m" } }));
    let mut second = two["spec"]["containers"][0].clone();
    second["name"] = "second".into();
    two["spec"]["containers"]
        .as_array_mut()
        .unwrap()
        .push(second);
    assert_eq!(
        refused(&contract, &two).await,
        "pods \"p\" is forbidden: maximum cpu usage per Pod is 1, but limit is 1200m"
    );
}

#[tokio::test]
async fn a_claim_stays_within_its_bounds() {
    let contract =
        limits(json!({ "type": "PersistentVolumeClaim", "max": { "storage": "1Gi" } })).await;
    let claim = json!({ "metadata": { "name": "c" }, "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "5Gi" } } } });
    let path = format!("{}?dryRun=All", contract.path("persistentvolumeclaims"));
    for _ in 0..200 {
        let answer = contract.post(&path, claim.clone()).await;
        if answer.code != 201 {
            let message = answer.refused(403, "Forbidden");
            assert_eq!(
                message,
                "persistentvolumeclaims \"c\" is forbidden: maximum storage usage per PersistentVolumeClaim is 1Gi, but request is 5Gi"
            );
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the claim is let through");
}

#[tokio::test]
async fn a_ratio_of_limit_and_request_is_kept_or_not_promised() {
    let contract = Contract::start().await;
    let body = json!({ "metadata": { "name": "l" }, "spec": { "limits": [{ "type": "Container", "maxLimitRequestRatio": { "cpu": "2" } }] } });
    contract
        .post(&contract.path("limitranges"), body)
        .await
        .expect(201);
    let wide = pod(json!({ "limits": { "cpu": "1" }, "requests": { "cpu": "100m" } }));
    let message = refused(&contract, &wide).await;
    assert_eq!(
        message,
        "pods \"p\" is forbidden: cpu max limit to request ratio per Container is 2, but provided ratio is 10.000000"
    );
}

#[tokio::test]
async fn a_limit_range_makes_sense() {
    let contract = Contract::start().await;
    let body = json!({ "metadata": { "name": "l" }, "spec": { "limits": [{ "type": "Container", "max": { "cpu": "1" }, "min": { "cpu": "2" } }] } });
    let answer = contract.post(&contract.path("limitranges"), body).await;
    let message = answer.refused(422, "Invalid");
    assert!(
        message.contains("min value 2 is greater than max value 1"),
        "{message}"
    );
}

#[tokio::test]
async fn a_request_is_no_more_than_its_limit() {
    let contract = Contract::start().await;
    let answer = contract
        .post(
            &contract.path("pods"),
            pod(json!({ "limits": { "cpu": "1" }, "requests": { "cpu": "2" } })),
        )
        .await;
    let message = answer.refused(422, "Invalid");
    assert_eq!(
        message,
        "Pod \"p\" is invalid: spec.containers[0].resources.requests: Invalid value: \"2\": must be less than or equal to cpu limit of 1"
    );
    let answer = contract
        .post(
            &contract.path("pods"),
            pod(json!({ "limits": { "cpu": "lots" } })),
        )
        .await;
    answer.refused(400, "BadRequest");
}

#[tokio::test]
async fn limits_alone_are_requests_too() {
    let contract = Contract::start().await;
    let made = contract
        .post(
            &contract.path("pods"),
            pod(json!({ "limits": { "cpu": "1", "memory": "64Mi" } })),
        )
        .await
        .expect(201);
    assert_eq!(
        made["spec"]["containers"][0]["resources"]["requests"],
        json!({ "cpu": "1", "memory": "64Mi" })
    );
    assert_eq!(made["status"]["qosClass"], "Guaranteed");
    assert_eq!(made["status"]["phase"], "Pending");
}
