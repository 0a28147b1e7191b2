use catalyst_model::views::LogQuery;
use futures::StreamExt;
use k8s_openapi::api::core::v1::Event;
use kube::Api;
use kube::api::PostParams;
use serde_json::json;

use crate::scene::{PATIENCE, Scene, image, until};

/// A pod with an init container, whose main container fails the first time.
async fn stumbling(scene: &Scene, name: &str) {
    let script = "if [ ! -e /data/been ]; then echo first run; touch /data/been; exit 3; fi; \
        echo second run; exec sleep 3600";
    let container = |name: &str, script: &str| {
        json!({
            "name": name, "image": image(), "command": ["sh", "-c", script],
            "volumeMounts": [{ "name": "data", "mountPath": "/data" }],
        })
    };
    let spec = json!({
        "terminationGracePeriodSeconds": 1, "automountServiceAccountToken": false,
        "volumes": [{ "name": "data", "emptyDir": {} }],
        "initContainers": [container("prepare", "echo prepared")],
        "containers": [container("main", script)],
    });
    scene.pod(name, spec).await;
}

async fn until_second_run(scene: &Scene, name: &str) {
    scene
        .until_pod(name, |pod| {
            let statuses = pod.status.iter().flat_map(|it| &it.container_statuses);
            let running = |it: &&k8s_openapi::api::core::v1::ContainerStatus| {
                it.restart_count == 1 && it.state.as_ref().is_some_and(|it| it.running.is_some())
            };
            statuses.flatten().any(|it| running(&it))
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_are_seen_with_their_containers_and_read_from_all_their_logs() {
    let scene = Scene::start().await;
    let (cluster, ns) = (&scene.cluster, scene.namespace.as_str());
    assert!(cluster.pods("no-such-namespace").await.unwrap().is_empty());

    // Whoever follows sees what comes later, too.
    let follow = LogQuery {
        follow: true,
        tail_lines: 10,
        ..LogQuery::default()
    };
    let mut followed = cluster.all_logs(ns, &follow).await.unwrap();
    stumbling(&scene, "web").await;
    let mut heard = Vec::new();
    while heard.len() < 3 {
        let line = tokio::time::timeout(PATIENCE, followed.next()).await;
        let line = line.expect("in time").unwrap().unwrap();
        assert_eq!(line.pod, "web");
        assert!(line.line.at.is_some());
        heard.push(format!("{}: {}", line.container, line.line.text));
    }
    assert_eq!(
        heard,
        ["prepare: prepared", "main: first run", "main: second run"]
    );
    drop(followed);

    until_second_run(&scene, "web").await;
    let pods = cluster.pods(ns).await.unwrap();
    let [pod] = pods.as_slice() else {
        panic!("{pods:?}")
    };
    assert_eq!((pod.name.as_str(), pod.status.as_str()), ("web", "Running"));
    assert!(pod.node.is_some() && !pod.ips.is_empty(), "{pod:?}");
    let [prepare, main] = pod.containers.as_slice() else {
        panic!("{pod:?}")
    };
    assert!(prepare.init && prepare.state == "terminated" && prepare.exit_code == Some(0));
    assert_eq!(prepare.reason.as_deref(), Some("Completed"));
    assert!(!main.init && main.state == "running" && main.restarts == 1);

    let all = |query: LogQuery| async move {
        let lines = cluster.all_logs(ns, &query).await.unwrap();
        let lines: Vec<_> = lines.map(Result::unwrap).collect().await;
        let told = lines.into_iter();
        told.map(|it| format!("{}: {}", it.container, it.line.text))
            .collect::<Vec<_>>()
    };
    let query = LogQuery {
        tail_lines: 10,
        timestamps: false,
        ..LogQuery::default()
    };
    assert_eq!(
        all(query.clone()).await,
        ["prepare: prepared", "main: second run"]
    );
    let before = LogQuery {
        previous: true,
        ..query.clone()
    };
    assert_eq!(all(before.clone()).await, ["main: first run"]);
    let only = LogQuery {
        container: Some("prepare".to_owned()),
        ..query.clone()
    };
    assert_eq!(all(only.clone()).await, ["prepare: prepared"]);
    let elsewhere = LogQuery {
        pod: Some("api".to_owned()),
        ..query.clone()
    };
    assert!(all(elsewhere.clone()).await.is_empty());

    // One container's, as a page shows it.
    let one = |query: LogQuery| async move {
        let lines = cluster.logs(ns, &query).await?;
        let lines: Vec<_> = lines.map(|it| it.unwrap().text).collect().await;
        Ok::<_, catalyst_cluster::ClusterError>(lines)
    };
    // The one that was restarted explains most.
    assert_eq!(one(query.clone()).await.unwrap(), ["second run"]);
    assert_eq!(one(before).await.unwrap(), ["first run"]);
    assert_eq!(one(only).await.unwrap(), ["prepared"]);
    let missing = one(elsewhere).await.unwrap_err();
    assert!(missing.is_not_found());
    assert!(
        missing
            .to_string()
            .contains(&format!("pod {ns}/api in cluster test")),
        "{missing}"
    );
    let missing = one(LogQuery {
        container: Some("x".to_owned()),
        ..query
    })
    .await;
    assert!(missing.unwrap_err().is_not_found());
    scene.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_read_newest_first() {
    let scene = Scene::start().await;
    let (cluster, ns) = (&scene.cluster, scene.namespace.as_str());
    let events: Api<Event> = Api::namespaced(cluster.client(), ns);
    for (name, hour) in [("older", 3), ("newest", 5), ("newer", 4)] {
        let event = json!({
            "metadata": { "name": name, "namespace": ns },
            "involvedObject": { "kind": "Pod", "name": name, "namespace": ns },
            "reason": "Test", "message": name, "type": "Normal",
            "lastTimestamp": format!("2026-01-02T{hour:02}:00:00Z"),
        });
        let event = serde_json::from_value(event).unwrap();
        events.create(&PostParams::default(), &event).await.unwrap();
    }
    until("the events are read", async || {
        let read = cluster.events(ns, 2).await.unwrap();
        let objects: Vec<&str> = read.iter().map(|it| it.object.as_str()).collect();
        objects == ["Pod/newest", "Pod/newer"]
    })
    .await;
    assert!(
        cluster
            .events("no-such-namespace", 9)
            .await
            .unwrap()
            .is_empty()
    );
    scene.stop().await;
}
