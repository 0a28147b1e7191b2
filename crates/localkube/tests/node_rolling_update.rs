//! A Deployment that rolls while a client asks.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

mod whole;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use catalyst_localkube::objects::resource;
use whole::{Whole, deployment};

#[tokio::test]
async fn a_client_sees_no_failed_request_while_a_deployment_rolls() {
    let whole = Arc::new(Whole::start().await);
    if !whole.is_isolated() {
        return;
    }
    whole.namespace("shop");
    whole.serve("shop", "shop.localhost", "v1");
    let available = |deployment: &serde_json::Value| {
        let status = &deployment["status"];
        status["observedGeneration"] == deployment["metadata"]["generation"]
            && status["availableReplicas"] == 1
            && status["updatedReplicas"] == 1
            && status["replicas"] == 1
    };
    whole
        .until(resource::DEPLOYMENTS, "shop", "web", "available", available)
        .await;
    assert_eq!(whole.get("shop.localhost").await, (200, "v1\n".to_owned()));
    assert_eq!(whole.get("nobody.localhost").await.0, 404);

    let done = Arc::new(AtomicBool::new(false));
    let client = tokio::spawn({
        let (whole, done) = (whole.clone(), done.clone());
        async move {
            let mut answers = Vec::new();
            while !done.load(Ordering::Relaxed) {
                answers.push(whole.get("shop.localhost").await);
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            answers
        }
    });
    for version in ["v2", "v3", "v4"] {
        let template = deployment(version)["spec"]["template"].clone();
        whole
            .objects()
            .modify(resource::DEPLOYMENTS, "shop", "web", |deployment| {
                deployment["spec"]["template"] = template.clone();
            })
            .unwrap();
        whole
            .until(resource::DEPLOYMENTS, "shop", "web", "rolled", available)
            .await;
    }
    done.store(true, Ordering::Relaxed);
    let answers = client.await.unwrap();
    let failed: Vec<_> = answers
        .iter()
        .filter(|(status, _)| *status != 200)
        .collect();
    assert!(
        failed.is_empty(),
        "{} of {}: {failed:?}",
        failed.len(),
        answers.len()
    );
    assert_eq!(whole.get("shop.localhost").await.1, "v4\n");
    whole.delete(resource::NAMESPACES, "", "shop");
    for _ in 0..1500 {
        if whole
            .objects()
            .get(resource::NAMESPACES, "", "shop")
            .is_err()
        {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(whole.count(resource::PODS, None), 0);
    assert_eq!(whole.get("shop.localhost").await.0, 404);
}
