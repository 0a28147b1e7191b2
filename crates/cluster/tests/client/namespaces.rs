use std::time::Duration;

use catalyst_cluster::{ClusterError, ConnectionError, held_up_by};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::json;

use crate::scene::{PATIENCE, Scene, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_is_made_once_and_never_taken_from_somebody_else() {
    let scene = Scene::start().await;
    let cluster = &scene.cluster;
    let name = format!("{}-team", scene.namespace);
    let ours = [("catalyst.dev/team", name.as_str())];
    assert!(cluster.namespace(&name).await.unwrap().is_none());
    // Both at once, as two processes do.
    let (one, two) = tokio::join!(
        cluster.ensure_namespace(&name, &ours),
        cluster.ensure_namespace(&name, &ours)
    );
    one.and(two).unwrap();
    let made = cluster.namespace(&name).await.unwrap().unwrap();
    assert_eq!(made.labels()[ours[0].0], ours[0].1);
    assert!(held_up_by(&made).is_empty());
    let selector = format!("{}={}", ours[0].0, ours[0].1);
    let picked = cluster.namespaces(&selector).await.unwrap();
    assert_eq!(
        picked.iter().map(|it| it.uid()).collect::<Vec<_>>(),
        [made.uid()]
    );

    let theirs = [("catalyst.dev/team", "rivals")];
    let foreign = cluster.ensure_namespace(&name, &theirs).await.unwrap_err();
    assert!(matches!(&foreign, ClusterError::ForeignNamespace { .. }));
    assert!(foreign.to_string().contains("of cluster test"), "{foreign}");
    cluster.delete_namespace(&name).await.unwrap();
    cluster
        .until_namespace_is_gone(&name, PATIENCE)
        .await
        .unwrap();
    cluster.delete_namespace(&name).await.unwrap();
    cluster
        .until_namespace_is_gone(&name, PATIENCE)
        .await
        .unwrap();
    scene.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_does_not_go_says_what_holds_it_up() {
    let scene = Scene::start().await;
    let cluster = &scene.cluster;
    let name = format!("{}-held", scene.namespace);
    scene.make_namespace(&name).await;
    let maps: Api<ConfigMap> = Api::namespaced(cluster.client(), &name);
    let held = json!({ "metadata": { "name": "held", "finalizers": ["example.com/keep"] } });
    let held = serde_json::from_value(held).unwrap();
    maps.create(&PostParams::default(), &held).await.unwrap();
    cluster.delete_namespace(&name).await.unwrap();
    let short = Duration::from_millis(200);
    let late = cluster
        .until_namespace_is_gone(&name, short)
        .await
        .unwrap_err();
    assert!(matches!(
        &late,
        ClusterError::Connection(ConnectionError::TimedOut { .. })
    ));
    until("it says what holds it up", async || {
        let it = cluster.namespace(&name).await.unwrap().unwrap();
        held_up_by(&it).join("; ").contains("example.com/keep")
    })
    .await;
    // Nothing is made in its place meanwhile.
    let early = cluster.ensure_namespace(&name, &[]).await.unwrap_err();
    assert!(early.is_conflict() && early.is_temporary(), "{early}");
    let free = Patch::Merge(json!({ "metadata": { "finalizers": null } }));
    maps.patch("held", &PatchParams::default(), &free)
        .await
        .unwrap();
    cluster
        .until_namespace_is_gone(&name, PATIENCE)
        .await
        .unwrap();
    scene.stop().await;
}
