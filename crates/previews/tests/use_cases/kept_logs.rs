//! What a container wrote can still be read when its pod is gone.

use crate::common::{World, eventually, pull_request};
use catalyst_model::state::Role;
use catalyst_model::views::LogQuery;
use catalyst_previews::ErrorKind;
use futures::StreamExt;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use serde_json::json;

const NAMESPACE: &str = "acme-shop-preview-7";

#[tokio::test]
async fn the_end_of_a_log_is_kept_without_secrets_when_its_pod_goes() {
    let world = World::new().await;
    world.event("opened", &pull_request(7, 'a')).await;
    let id = world.preview(7, "is there", |_| true).await.id;
    let namespace: Namespace =
        serde_json::from_value(json!({ "metadata": { "name": NAMESPACE } })).unwrap();
    let namespaces: Api<Namespace> = Api::all(world.cluster.client());
    namespaces
        .create(&PostParams::default(), &namespace)
        .await
        .unwrap();
    // It says its last words when it is told to end.
    let script = "trap 'echo last words; exit 0' TERM; echo token canary-s3cret; echo begun; \
                  while :; do sleep 0.05; done";
    let pod: Pod = serde_json::from_value(json!({
        "metadata": { "name": "web-1" },
        "spec": {
            "automountServiceAccountToken": false, "terminationGracePeriodSeconds": 5,
            "containers": [{ "name": "app", "image": "busybox:1.36", "command": ["sh", "-c", script] }],
        },
    }))
    .unwrap();
    let pods: Api<Pod> = Api::namespaced(world.cluster.client(), NAMESPACE);
    pods.create(&PostParams::default(), &pod).await.unwrap();
    let query = LogQuery {
        pod: Some("web-1".to_owned()),
        container: Some("app".to_owned()),
        ..LogQuery::default()
    };
    let read = async || {
        let lines = world
            .previews
            .logs(&world.operator, &id, &query)
            .await
            .ok()?;
        let lines: Vec<_> = lines.map(Result::unwrap).collect().await;
        Some(lines.into_iter().map(|line| line.text).collect::<Vec<_>>())
    };
    eventually("it has begun", || async {
        read()
            .await
            .filter(|lines| lines.iter().any(|line| line == "begun"))
    })
    .await;

    pods.delete("web-1", &DeleteParams::default())
        .await
        .unwrap();
    let kept = eventually("its log is kept", || async {
        world.detail(&id).await.kept_logs.pop()
    })
    .await;
    assert_eq!(
        (kept.pod.as_str(), kept.container.as_str(), kept.cut),
        ("web-1", "app", false)
    );
    eventually("the pod is gone", || async {
        pods.get_opt("web-1").await.unwrap().is_none().then_some(())
    })
    .await;
    let lines = read().await.unwrap();
    assert!(!lines[0].contains("canary"), "{lines:?}");
    assert_eq!(lines[1], "begun", "{lines:?}");
    // Some shells say of the sleep, too, that it was ended.
    assert_eq!(lines.last().unwrap(), "last words", "{lines:?}");

    let tail = LogQuery {
        tail_lines: 1,
        ..query.clone()
    };
    let stream = world
        .previews
        .logs(&world.operator, &id, &tail)
        .await
        .unwrap();
    assert_eq!(stream.count().await, 1);
    let stranger = world.member("eve", "rivals", Role::Owner).await;
    let foreign = world
        .previews
        .logs(&stranger, &id, &query)
        .await
        .err()
        .unwrap();
    assert_eq!(foreign.kind(), ErrorKind::NotFound);
    let none = LogQuery {
        pod: Some("web-2".to_owned()),
        ..query.clone()
    };
    let none = world
        .previews
        .logs(&world.operator, &id, &none)
        .await
        .err()
        .unwrap();
    assert_eq!(none.kind(), ErrorKind::NotFound);
}
