//! What pods and nodes use, from a cluster that measures it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails where it stands"
)]

mod scene;

use scene::{Scene, until};

#[tokio::test]
async fn what_pods_and_nodes_use_and_have_is_measured() {
    let scene = Scene::start().await;
    let cluster = &scene.cluster;
    scene.script("busy", "while :; do :; done").await;
    scene.script("idle", "sleep 1000").await;
    scene.until_running("busy").await;
    scene.until_running("idle").await;

    let used = async |name: &str| {
        let pods = cluster.pod_usage(&scene.namespace).await.unwrap();
        let pods = pods.expect("the cluster has a metrics server");
        pods.into_iter().find(|pod| pod.name == name)
    };
    until("both pods are measured", async || {
        let busy = used("busy").await.map(|it| it.used);
        busy.is_some_and(|used| used.cpu_millicores > 50 && used.memory_mib > 0)
            && used("idle").await.is_some()
    })
    .await;
    let (busy, idle) = (used("busy").await.unwrap(), used("idle").await.unwrap());
    assert_eq!(busy.namespace, scene.namespace);
    assert!(idle.used.cpu_millicores < 50, "{idle:?}");

    let mine = cluster.namespace_usage(|it| it == scene.namespace).await;
    let mine = mine.unwrap().unwrap();
    assert_eq!(mine.len(), 1);
    assert!(mine[&scene.namespace].cpu_millicores > 0);
    let nowhere = cluster.pod_usage("no-such-namespace").await.unwrap();
    assert_eq!(nowhere, Some(Vec::new()));

    until("the nodes are measured", async || {
        let capacity = cluster.capacity().await.unwrap();
        capacity.used.is_some_and(|used| used.memory_mib > 0)
    })
    .await;
    let capacity = cluster.capacity().await.unwrap();
    assert!(capacity.nodes > capacity.unavailable_nodes, "{capacity:?}");
    assert!(capacity.allocatable.cpu_millicores >= 1000, "{capacity:?}");
    assert!(capacity.allocatable.memory_mib > 100, "{capacity:?}");
    scene.stop().await;
}

#[tokio::test]
async fn what_pods_ask_for_is_taken_off_the_capacity() {
    let scene = Scene::start().await;
    let before = scene.cluster.capacity().await.unwrap().requested;
    let container = serde_json::json!({
        "name": "main", "image": scene::image(), "command": ["sh", "-c", "sleep 1000"],
        "resources": { "requests": { "cpu": "150m", "memory": "20Mi" } },
    });
    let spec = serde_json::json!({
        "restartPolicy": "Never", "terminationGracePeriodSeconds": 1,
        "automountServiceAccountToken": false, "containers": [container],
    });
    scene.pod("asks", spec).await;
    scene.until_running("asks").await;
    let after = scene.cluster.capacity().await.unwrap().requested;
    assert!(
        after.cpu_millicores >= before.cpu_millicores + 150,
        "{before:?} {after:?}"
    );
    assert!(
        after.memory_mib >= before.memory_mib + 20,
        "{before:?} {after:?}"
    );
    scene.stop().await;
}
