//! Deployments and their ReplicaSets.

use std::collections::HashMap;
use std::sync::Arc;

use crate::cluster::{Cluster, condition, template};
use catalyst_localkube::objects::{Selector, WatchEvent, WatchFrom, resource};
use futures::StreamExt;
use serde_json::{Value, json};

fn deployment(replicas: i64, does: &str) -> Value {
    json!({
        "metadata": { "name": "web" },
        "spec": {
            "replicas": replicas,
            "selector": { "matchLabels": { "app": "web" } },
            "template": template(does),
        },
    })
}

/// Whether all wanted pods are of the present template, and no others are there.
fn is_rolled_out(deployment: &Value) -> bool {
    let (spec, status) = (&deployment["spec"], &deployment["status"]);
    let counts = [
        "replicas",
        "updatedReplicas",
        "readyReplicas",
        "availableReplicas",
    ];
    status["observedGeneration"] == deployment["metadata"]["generation"]
        && counts.iter().all(|count| status[count] == spec["replicas"])
}

fn new_image(deployment: &mut Value, image: &str) {
    deployment["spec"]["template"]["spec"]["containers"][0]["image"] = image.into();
}

fn images(pods: &[Arc<Value>]) -> Vec<&str> {
    pods.iter()
        .map(|pod| pod["spec"]["containers"][0]["image"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn a_deployment_brings_up_its_pods_and_says_so() {
    let cluster = Cluster::start();
    cluster.create(resource::DEPLOYMENTS, deployment(3, "ready"));
    let web = cluster
        .until(resource::DEPLOYMENTS, "web", is_rolled_out)
        .await;
    assert_eq!(
        condition(&web, "Available"),
        ("True", "MinimumReplicasAvailable")
    );
    assert_eq!(
        condition(&web, "Progressing"),
        ("True", "NewReplicaSetAvailable")
    );
    assert_eq!(
        web["metadata"]["annotations"]["deployment.kubernetes.io/revision"],
        "1"
    );
    assert_eq!(web["status"].get("unavailableReplicas"), None);

    let sets = cluster.list(resource::REPLICA_SETS);
    assert_eq!(sets.len(), 1);
    let set_name = sets[0]["metadata"]["name"].as_str().unwrap();
    let hash = sets[0]["metadata"]["labels"]["pod-template-hash"]
        .as_str()
        .unwrap();
    assert_eq!(set_name, format!("web-{hash}"));
    let pods = cluster.pods();
    assert_eq!(pods.len(), 3);
    for pod in pods {
        let name = pod["metadata"]["name"].as_str().unwrap();
        assert_eq!(name.strip_prefix(set_name).map(str::len), Some(6), "{name}");
        assert_eq!(pod["metadata"]["labels"]["pod-template-hash"], hash);
        assert_eq!(pod["metadata"]["ownerReferences"][0]["name"], set_name);
        assert_eq!(pod["spec"]["nodeName"], "local");
    }
    let scaled = format!("Scaled up replica set {set_name} from 0 to 3");
    assert_eq!(cluster.events("ScalingReplicaSet"), [scaled]);
}

#[tokio::test]
async fn a_rolling_update_keeps_to_its_bounds() {
    let cluster = Cluster::start();
    let mut web = deployment(4, "ready");
    web["spec"]["strategy"] = json!({
        "type": "RollingUpdate", "rollingUpdate": { "maxSurge": 1, "maxUnavailable": "25%" },
    });
    cluster.create(resource::DEPLOYMENTS, web);
    cluster
        .until(resource::DEPLOYMENTS, "web", is_rolled_out)
        .await;

    let [pods, sets] = [resource::PODS, resource::REPLICA_SETS].map(|resource| {
        let list = cluster
            .objects
            .list(resource, Some("shop"), &Selector::everything())
            .unwrap();
        (
            list.revision,
            list.items
                .into_iter()
                .map(|object| (name(&object), object))
                .collect(),
        )
    });
    cluster.modify(resource::DEPLOYMENTS, "web", |web| new_image(web, "web:2"));
    cluster
        .until(resource::DEPLOYMENTS, "web", is_rolled_out)
        .await;

    for pods in history(&cluster, resource::PODS, pods).await {
        let ready = pods.values().filter(|pod| {
            pod["metadata"]["deletionTimestamp"].is_null() && condition(pod, "Ready").0 == "True"
        });
        assert!(ready.count() >= 3, "too few are ready among {pods:#?}");
    }
    for sets in history(&cluster, resource::REPLICA_SETS, sets).await {
        let wanted: i64 = sets
            .values()
            .map(|set| set["spec"]["replicas"].as_i64().unwrap())
            .sum();
        assert!(wanted <= 5, "{wanted} pods are wanted at once");
    }
    assert_eq!(images(&cluster.pods()), ["web:2"; 4]);
}

/// The objects of a kind, by name, after each change since a revision.
async fn history(
    cluster: &Cluster,
    resource: &str,
    (revision, before): (u64, HashMap<String, Arc<Value>>),
) -> Vec<HashMap<String, Arc<Value>>> {
    let everything = Selector::everything();
    let watch = |from| {
        cluster
            .objects
            .watch(resource, Some("shop"), &everything, from)
            .unwrap()
    };
    let mut changes = watch(WatchFrom::Revision(revision));
    let mut states = vec![before];
    while !changes.is_caught_up() {
        let mut state = states.last().unwrap().clone();
        match changes.next().await.unwrap().unwrap() {
            WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                state.insert(name(&object), object);
            }
            WatchEvent::Deleted(object) => {
                state.remove(&name(&object));
            }
            WatchEvent::Bookmark { .. } => {}
        }
        states.push(state);
    }
    states
}

fn name(object: &Value) -> String {
    object["metadata"]["name"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_update_that_does_not_come_up_leaves_the_old_pods_and_passes_its_deadline() {
    let cluster = Cluster::start();
    let mut web = deployment(2, "ready");
    web["spec"]["progressDeadlineSeconds"] = 1.into();
    cluster.create(resource::DEPLOYMENTS, web);
    cluster
        .until(resource::DEPLOYMENTS, "web", is_rolled_out)
        .await;
    cluster.modify(resource::DEPLOYMENTS, "web", |web| {
        new_image(web, "web:broken");
        web["spec"]["template"]["metadata"]["annotations"]["test/does"] = "unready".into();
    });
    let late = |web: &Value| condition(web, "Progressing") == ("False", "ProgressDeadlineExceeded");
    let web = cluster.until(resource::DEPLOYMENTS, "web", late).await;
    assert_eq!(condition(&web, "Available").0, "True");
    assert_eq!(web["status"]["availableReplicas"], 2);
    assert_eq!(web["status"]["updatedReplicas"], 1);
    assert_eq!(web["status"]["unavailableReplicas"], 1);

    // What comes after it is rolled out all the same, and takes the stuck pods' place.
    cluster.modify(resource::DEPLOYMENTS, "web", |web| {
        new_image(web, "web:3");
        web["spec"]["template"]["metadata"]["annotations"]["test/does"] = "ready".into();
    });
    let web = cluster
        .until(resource::DEPLOYMENTS, "web", is_rolled_out)
        .await;
    assert_eq!(
        condition(&web, "Progressing"),
        ("True", "NewReplicaSetAvailable")
    );
    assert_eq!(images(&cluster.pods()), ["web:3"; 2]);
}

#[tokio::test]
async fn recreating_ends_the_last_old_pod_before_the_first_new_one() {
    let cluster = Cluster::start();
    let mut web = deployment(2, "ready");
    web["spec"]["strategy"] = json!({ "type": "Recreate" });
    cluster.create(resource::DEPLOYMENTS, web);
    cluster
        .until(resource::DEPLOYMENTS, "web", is_rolled_out)
        .await;
    let from = WatchFrom::Revision(cluster.objects.revision());
    let everything = Selector::everything();
    let mut changes = cluster
        .objects
        .watch(resource::PODS, Some("shop"), &everything, from)
        .unwrap();
    cluster.modify(resource::DEPLOYMENTS, "web", |web| new_image(web, "web:2"));
    cluster
        .until(resource::DEPLOYMENTS, "web", is_rolled_out)
        .await;
    let mut gone = 0;
    while !changes.is_caught_up() {
        match changes.next().await.unwrap().unwrap() {
            WatchEvent::Deleted(_) => gone += 1,
            WatchEvent::Added(_) => assert_eq!(gone, 2, "a new pod came before the old ones went"),
            _ => {}
        }
    }
    assert_eq!(images(&cluster.pods()), ["web:2"; 2]);
}

#[tokio::test]
async fn a_quota_that_refuses_pods_is_told_and_room_is_used_once_there_is_some() {
    let cluster = Cluster::start();
    let quota = json!({ "metadata": { "name": "few" }, "spec": { "hard": { "pods": "1" } } });
    cluster.create(resource::RESOURCE_QUOTAS, quota);
    cluster.create(resource::DEPLOYMENTS, deployment(3, "ready"));
    let refused = |object: &Value| condition(object, "ReplicaFailure") == ("True", "FailedCreate");
    let web = cluster.until(resource::DEPLOYMENTS, "web", refused).await;
    let conditions = web["status"]["conditions"].as_array().unwrap();
    let failure = conditions
        .iter()
        .find(|found| found["type"] == "ReplicaFailure")
        .unwrap();
    let message = failure["message"].as_str().unwrap();
    assert!(message.contains("exceeded quota: few"), "{message}");
    let event = &cluster.events("FailedCreate")[0];
    assert!(
        event.starts_with("Error creating: ") && event.contains("exceeded quota"),
        "{event}"
    );

    cluster.modify(resource::RESOURCE_QUOTAS, "few", |quota| {
        quota["spec"]["hard"]["pods"] = "10".into();
    });
    let web = cluster
        .until(resource::DEPLOYMENTS, "web", is_rolled_out)
        .await;
    assert_eq!(condition(&web, "ReplicaFailure"), ("", ""));
}

#[tokio::test]
async fn a_lost_pod_is_replaced_and_a_matching_orphan_is_taken_on() {
    let cluster = Cluster::start();
    cluster.create(resource::DEPLOYMENTS, deployment(2, "ready"));
    cluster
        .until(resource::DEPLOYMENTS, "web", is_rolled_out)
        .await;
    let first = cluster.pods()[0]["metadata"]["name"]
        .as_str()
        .unwrap()
        .to_owned();
    cluster.delete(resource::PODS, &first);
    cluster
        .until_all(resource::PODS, |pods| {
            pods.len() == 2 && pods.iter().all(|pod| pod["metadata"]["name"] != *first)
        })
        .await;
    // A pod whose labels no longer match is let go and replaced.
    let second = cluster.pods()[0]["metadata"]["name"]
        .as_str()
        .unwrap()
        .to_owned();
    cluster.modify(resource::PODS, &second, |pod| {
        pod["metadata"]["labels"]["app"] = "aside".into();
    });
    cluster
        .until_all(resource::PODS, |pods| pods.len() == 3)
        .await;
    let aside = cluster
        .until(resource::PODS, &second, |pod| {
            pod["metadata"]["ownerReferences"].is_null()
        })
        .await;
    assert_eq!(aside["status"]["phase"], "Running");
    // And taken on again, which makes one too many.
    cluster.modify(resource::PODS, &second, |pod| {
        pod["metadata"]["labels"]["app"] = "web".into();
    });
    cluster
        .until_all(resource::PODS, |pods| pods.len() == 2)
        .await;
    cluster
        .until(resource::DEPLOYMENTS, "web", is_rolled_out)
        .await;
}

#[tokio::test]
async fn scaling_goes_both_ways_and_pausing_holds_a_new_template_back() {
    let cluster = Cluster::start();
    cluster.create(resource::DEPLOYMENTS, deployment(1, "ready"));
    cluster
        .until(resource::DEPLOYMENTS, "web", is_rolled_out)
        .await;
    let scale = |replicas: i64| {
        cluster.modify(resource::DEPLOYMENTS, "web", |web| {
            web["spec"]["replicas"] = replicas.into();
        });
    };
    scale(4);
    cluster
        .until(resource::DEPLOYMENTS, "web", is_rolled_out)
        .await;
    scale(0);
    let none = |web: &Value| web["status"].get("replicas").is_none();
    cluster.until(resource::DEPLOYMENTS, "web", none).await;

    cluster.modify(resource::DEPLOYMENTS, "web", |web| {
        web["spec"]["paused"] = true.into();
        web["spec"]["replicas"] = 2.into();
        new_image(web, "web:2");
    });
    let two = |web: &Value| web["status"]["readyReplicas"] == 2;
    let web = cluster.until(resource::DEPLOYMENTS, "web", two).await;
    assert_eq!(
        condition(&web, "Progressing"),
        ("Unknown", "DeploymentPaused")
    );
    assert_eq!(images(&cluster.pods()), ["web:1"; 2]);
    cluster.modify(resource::DEPLOYMENTS, "web", |web| {
        web["spec"]["paused"] = false.into()
    });
    cluster
        .until(resource::DEPLOYMENTS, "web", is_rolled_out)
        .await;
    assert_eq!(images(&cluster.pods()), ["web:2"; 2]);
}

#[tokio::test]
async fn earlier_templates_are_kept_for_a_rollback_up_to_a_limit() {
    let cluster = Cluster::start();
    let mut web = deployment(1, "ready");
    web["spec"]["revisionHistoryLimit"] = 1.into();
    cluster.create(resource::DEPLOYMENTS, web);
    cluster
        .until(resource::DEPLOYMENTS, "web", is_rolled_out)
        .await;
    for image in ["web:2", "web:3"] {
        cluster.modify(resource::DEPLOYMENTS, "web", |web| new_image(web, image));
        cluster
            .until(resource::DEPLOYMENTS, "web", is_rolled_out)
            .await;
    }
    let image =
        |set: &Arc<Value>| set["spec"]["template"]["spec"]["containers"][0]["image"].clone();
    cluster
        .until_all(resource::REPLICA_SETS, |sets| {
            sets.len() == 2 && sets.iter().all(|set| image(set) != "web:1")
        })
        .await;
    let old = cluster
        .list(resource::REPLICA_SETS)
        .into_iter()
        .find(|set| image(set) == "web:2");
    let old = old.unwrap()["metadata"]["name"]
        .as_str()
        .unwrap()
        .to_owned();
    cluster.modify(resource::DEPLOYMENTS, "web", |web| new_image(web, "web:2"));
    let web = cluster
        .until(resource::DEPLOYMENTS, "web", is_rolled_out)
        .await;
    assert_eq!(
        web["metadata"]["annotations"]["deployment.kubernetes.io/revision"],
        "4"
    );
    let set = cluster.get(resource::REPLICA_SETS, &old);
    assert_eq!(set["spec"]["replicas"], 1);
    assert_eq!(
        set["metadata"]["annotations"]["deployment.kubernetes.io/revision"],
        "4"
    );
}

#[tokio::test]
async fn pods_count_as_available_only_after_their_time() {
    let cluster = Cluster::start();
    let mut web = deployment(1, "ready");
    web["spec"]["minReadySeconds"] = 1.into();
    cluster.create(resource::DEPLOYMENTS, web);
    let ready = |web: &Value| {
        web["status"]["readyReplicas"] == 1 && web["status"].get("availableReplicas").is_none()
    };
    cluster.until(resource::DEPLOYMENTS, "web", ready).await;
    cluster
        .until(resource::DEPLOYMENTS, "web", is_rolled_out)
        .await;
}

#[tokio::test]
async fn a_deleted_deployment_takes_its_pods_with_it() {
    let cluster = Cluster::start();
    cluster.create(resource::DEPLOYMENTS, deployment(2, "ready"));
    cluster
        .until(resource::DEPLOYMENTS, "web", is_rolled_out)
        .await;
    cluster.delete(resource::DEPLOYMENTS, "web");
    cluster.until_all(resource::PODS, <[_]>::is_empty).await;
    cluster
        .until_all(resource::REPLICA_SETS, <[_]>::is_empty)
        .await;
}
