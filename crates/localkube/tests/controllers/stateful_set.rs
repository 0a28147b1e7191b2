//! StatefulSets.

use crate::cluster::{Cluster, template};
use catalyst_localkube::objects::resource;
use serde_json::{Value, json};

fn stateful_set(replicas: i64, does: &str) -> Value {
    json!({
        "metadata": { "name": "db" },
        "spec": {
            "replicas": replicas, "serviceName": "db",
            "selector": { "matchLabels": { "app": "web" } },
            "template": template(does),
            "volumeClaimTemplates": [{
                "metadata": { "name": "data" },
                "spec": {
                    "accessModes": ["ReadWriteOnce"],
                    "resources": { "requests": { "storage": "1Gi" } },
                },
            }],
        },
    })
}

fn is_ready(set: &Value) -> bool {
    let status = &set["status"];
    [
        "replicas",
        "readyReplicas",
        "updatedReplicas",
        "currentReplicas",
    ]
    .iter()
    .all(|count| status[count] == set["spec"]["replicas"])
        && status["observedGeneration"] == set["metadata"]["generation"]
        && status["currentRevision"] == status["updateRevision"]
}

fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap()
}

#[tokio::test]
async fn pods_have_names_and_claims_that_stay() {
    let cluster = Cluster::start();
    cluster.create(resource::STATEFUL_SETS, stateful_set(2, "ready"));
    cluster.until(resource::STATEFUL_SETS, "db", is_ready).await;
    let pod = cluster.get(resource::PODS, "db-1");
    assert_eq!(pod["spec"]["hostname"], "db-1");
    assert_eq!(pod["spec"]["subdomain"], "db");
    assert_eq!(
        pod["spec"]["volumes"][0]["persistentVolumeClaim"]["claimName"],
        "data-db-1"
    );
    let bound = |claim: &Value| claim["status"]["phase"] == "Bound";
    cluster
        .until(resource::PERSISTENT_VOLUME_CLAIMS, "data-db-1", bound)
        .await;

    cluster.delete(resource::PODS, "db-1");
    let uid = pod["metadata"]["uid"].clone();
    cluster
        .until(resource::PODS, "db-1", |pod| pod["metadata"]["uid"] != uid)
        .await;
    cluster.modify(resource::STATEFUL_SETS, "db", |set| {
        set["spec"]["replicas"] = 0.into()
    });
    cluster.until_all(resource::PODS, <[_]>::is_empty).await;
    assert_eq!(cluster.list(resource::PERSISTENT_VOLUME_CLAIMS).len(), 2);
}

#[tokio::test]
async fn pods_come_in_order_each_after_the_one_before_is_ready() {
    let cluster = Cluster::start();
    cluster.create(resource::STATEFUL_SETS, stateful_set(2, "unready"));
    cluster
        .until(resource::PODS, "db-0", |pod| {
            pod["status"]["phase"] == "Running"
        })
        .await;
    let seen = |set: &Value| set["status"]["replicas"] == 1;
    cluster.until(resource::STATEFUL_SETS, "db", seen).await;
    let pods = cluster.pods();
    assert_eq!(
        pods.iter().map(|pod| name(pod)).collect::<Vec<_>>(),
        ["db-0"]
    );
    cluster.modify(resource::PODS, "db-0", |pod| {
        pod["metadata"]["annotations"]["test/does"] = "ready".into();
    });
    cluster
        .until(resource::PODS, "db-1", |pod| {
            pod["status"]["phase"] == "Running"
        })
        .await;
}

#[tokio::test]
async fn pods_that_may_come_together_do() {
    let cluster = Cluster::start();
    let mut set = stateful_set(3, "unready");
    set["spec"]["podManagementPolicy"] = "Parallel".into();
    cluster.create(resource::STATEFUL_SETS, set);
    cluster
        .until_all(resource::PODS, |pods| pods.len() == 3)
        .await;
}

#[tokio::test]
async fn a_new_template_replaces_each_pod_from_the_last_to_the_first() {
    let cluster = Cluster::start();
    cluster.create(resource::STATEFUL_SETS, stateful_set(3, "ready"));
    let before = cluster.until(resource::STATEFUL_SETS, "db", is_ready).await;
    cluster.modify(resource::STATEFUL_SETS, "db", |set| {
        set["spec"]["template"]["spec"]["containers"][0]["image"] = "web:2".into();
    });
    let after = cluster.until(resource::STATEFUL_SETS, "db", is_ready).await;
    assert_ne!(
        before["status"]["currentRevision"],
        after["status"]["currentRevision"]
    );
    let pods = cluster.pods();
    assert!(
        pods.iter()
            .all(|pod| pod["spec"]["containers"][0]["image"] == "web:2")
    );
    let deleted = cluster.events("SuccessfulDelete");
    assert_eq!(deleted.len(), 3, "{deleted:?}");
}

#[tokio::test]
async fn a_claim_that_is_gone_takes_its_volume_with_it() {
    let cluster = Cluster::start();
    let claim = json!({
        "metadata": { "name": "data" },
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": { "requests": { "storage": "1Gi" } },
        },
    });
    cluster.create(resource::PERSISTENT_VOLUME_CLAIMS, claim);
    let bound = |claim: &Value| claim["status"]["phase"] == "Bound";
    let claim = cluster
        .until(resource::PERSISTENT_VOLUME_CLAIMS, "data", bound)
        .await;
    assert_eq!(claim["status"]["capacity"]["storage"], "1Gi");
    let volume = claim["spec"]["volumeName"].as_str().unwrap();
    let volumes = cluster
        .objects
        .get(resource::PERSISTENT_VOLUMES, "", volume)
        .unwrap();
    assert_eq!(volumes["status"]["phase"], "Bound");
    cluster.delete(resource::PERSISTENT_VOLUME_CLAIMS, "data");
    cluster
        .until_gone(resource::PERSISTENT_VOLUMES, "", volume)
        .await;
}
