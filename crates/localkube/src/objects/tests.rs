use std::time::{Duration, Instant};

use futures::StreamExt;

use super::*;
use crate::Tasks;

fn config_map(name: &str) -> Value {
    json!({ "metadata": { "name": name }, "data": { "k": "v" } })
}

fn pod(name: &str) -> Value {
    json!({ "metadata": { "name": name }, "spec": { "containers": [{ "name": "c", "image": "i:1" }] } })
}

fn crd() -> Value {
    json!({
        "metadata": { "name": "widgets.example.dev" },
        "spec": {
            "group": "example.dev", "scope": "Namespaced",
            "names": { "plural": "widgets", "kind": "Widget" },
            "versions": [{
                "name": "v1", "served": true, "storage": true, "subresources": { "status": {} },
                "schema": { "openAPIV3Schema": { "type": "object", "properties": {
                    "spec": { "type": "object", "required": ["size"], "properties": {
                        "size": { "type": "integer", "minimum": 1 },
                        "colour": { "type": "string", "default": "red", "enum": ["red", "blue"] },
                        "port": { "x-kubernetes-int-or-string": true },
                        "free": { "type": "object", "x-kubernetes-preserve-unknown-fields": true },
                        "parts": { "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
                            "items": { "type": "object", "properties": { "name": { "type": "string" } } } },
                    } },
                    "status": { "type": "object", "properties": { "ready": { "type": "boolean" } } },
                } } },
            }],
        },
    })
}

/// Wait until something holds; the clock is the last resort, not the measure.
async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "{what} did not come true"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn started() -> (Objects, Tasks) {
    let (objects, tasks) = (Objects::open(None).unwrap(), Tasks::new());
    objects.start(&tasks);
    (objects, tasks)
}

fn count(objects: &Objects, resource: &str, namespace: &str) -> usize {
    objects
        .list(resource, Some(namespace), &Selector::everything())
        .unwrap()
        .items
        .len()
}

#[test]
fn a_write_that_changes_nothing_keeps_the_resource_version() {
    let objects = Objects::open(None).unwrap();
    let made = objects
        .create("configmaps", "default", config_map("a"))
        .unwrap();
    let same = objects
        .modify("configmaps", "default", "a", |_| {})
        .unwrap();
    assert_eq!(made, same);
    let changed = objects
        .modify("configmaps", "default", "a", |map| {
            map["data"]["k"] = "w".into()
        })
        .unwrap();
    assert_ne!(
        changed["metadata"]["resourceVersion"],
        made["metadata"]["resourceVersion"]
    );
}

#[test]
fn an_update_of_an_older_version_is_a_conflict() {
    let objects = Objects::open(None).unwrap();
    let old = objects
        .create("configmaps", "default", config_map("a"))
        .unwrap();
    objects
        .modify("configmaps", "default", "a", |map| {
            map["data"]["k"] = "w".into()
        })
        .unwrap();
    let error = objects
        .update("configmaps", "default", "a", Value::clone(&old))
        .unwrap_err();
    assert!(matches!(error, ApiError::Conflict { .. }), "{error}");
}

#[test]
fn spec_changes_raise_the_generation_and_status_changes_do_not() {
    let objects = Objects::open(None).unwrap();
    let deployment = json!({ "metadata": { "name": "web" }, "spec": {
        "selector": { "matchLabels": { "app": "web" } },
        "template": { "metadata": { "labels": { "app": "web" } }, "spec": { "containers": [{ "name": "c", "image": "i" }] } },
    } });
    let made = objects
        .create("deployments.apps", "default", deployment)
        .unwrap();
    assert_eq!(made["metadata"]["generation"], 1);
    assert_eq!(made["spec"]["replicas"], 1);
    assert_eq!(made["spec"]["strategy"]["rollingUpdate"]["maxSurge"], "25%");
    assert_eq!(
        made["spec"]["template"]["spec"]["containers"][0]["imagePullPolicy"],
        "Always"
    );
    let status = objects
        .modify_status("deployments.apps", "default", "web", |web| {
            web["status"]["replicas"] = 1.into();
            web["spec"]["replicas"] = 9.into();
        })
        .unwrap();
    assert_eq!(
        (
            &status["metadata"]["generation"],
            &status["spec"]["replicas"]
        ),
        (&1.into(), &1.into())
    );
    let spec = objects
        .modify("deployments.apps", "default", "web", |web| {
            web["spec"]["replicas"] = 2.into();
            web["status"]["replicas"] = 9.into();
        })
        .unwrap();
    assert_eq!(
        (&spec["metadata"]["generation"], &spec["status"]["replicas"]),
        (&2.into(), &1.into())
    );
}

#[test]
fn nothing_is_created_in_an_absent_or_ending_namespace() {
    let objects = Objects::open(None).unwrap();
    let absent = objects
        .create("configmaps", "nowhere", config_map("a"))
        .unwrap_err();
    assert_eq!(absent.to_string(), "namespaces \"nowhere\" not found");
    objects
        .create("namespaces", "", json!({ "metadata": { "name": "end" } }))
        .unwrap();
    assert!(objects.get("serviceaccounts", "end", "default").is_ok());
    let ending = objects
        .delete("namespaces", "", "end", &DeleteOptions::default())
        .unwrap();
    assert_eq!(ending["status"]["phase"], "Terminating");
    let refused = objects
        .create("configmaps", "end", config_map("a"))
        .unwrap_err();
    assert_eq!(refused.code(), http::StatusCode::FORBIDDEN);
}

#[test]
fn a_running_pod_stays_until_the_node_says_that_it_ended() {
    let objects = Objects::open(None).unwrap();
    let made = objects.create("pods", "default", pod("a")).unwrap();
    assert_eq!(made["status"]["phase"], "Pending");
    objects
        .modify("pods", "default", "a", |pod| {
            pod["spec"]["nodeName"] = "local".into()
        })
        .unwrap();
    let ending = objects
        .delete("pods", "default", "a", &DeleteOptions::default())
        .unwrap();
    assert_eq!(ending["metadata"]["deletionGracePeriodSeconds"], 30);
    assert!(objects.get("pods", "default", "a").is_ok());
    let uid = made["metadata"]["uid"].as_str().unwrap();
    assert!(
        objects
            .delete("pods", "default", "a", &DeleteOptions::now("another"))
            .is_err()
    );
    objects
        .delete("pods", "default", "a", &DeleteOptions::now(uid))
        .unwrap();
    assert!(
        objects
            .get("pods", "default", "a")
            .unwrap_err()
            .is_not_found()
    );
}

#[test]
fn a_finalizer_holds_an_object_until_it_is_taken_off() {
    let objects = Objects::open(None).unwrap();
    let mut held = config_map("a");
    held["metadata"]["finalizers"] = json!(["example.dev/hold"]);
    objects.create("configmaps", "default", held).unwrap();
    objects
        .delete("configmaps", "default", "a", &DeleteOptions::default())
        .unwrap();
    let add = |map: &mut Value| {
        map["metadata"]["finalizers"] = json!(["example.dev/hold", "example.dev/more"])
    };
    assert!(objects.modify("configmaps", "default", "a", add).is_err());
    objects
        .modify("configmaps", "default", "a", |map| {
            map["metadata"]["finalizers"] = json!([])
        })
        .unwrap();
    assert!(objects.get("configmaps", "default", "a").is_err());
}

#[tokio::test]
async fn a_namespace_goes_with_all_that_is_in_it_and_says_what_holds_it() {
    let (objects, _tasks) = started();
    objects
        .create("namespaces", "", json!({ "metadata": { "name": "end" } }))
        .unwrap();
    objects.create("pods", "end", pod("a")).unwrap();
    let mut held = config_map("held");
    held["metadata"]["finalizers"] = json!(["example.dev/hold"]);
    objects.create("configmaps", "end", held).unwrap();
    objects
        .delete("namespaces", "", "end", &DeleteOptions::default())
        .unwrap();
    eventually("the reason", || {
        let namespace = objects.get("namespaces", "", "end").unwrap();
        namespace["status"]["conditions"]
            .to_string()
            .contains("example.dev/hold in 1 resource instances")
    })
    .await;
    objects
        .modify("configmaps", "end", "held", |map| {
            map["metadata"]["finalizers"] = json!([])
        })
        .unwrap();
    eventually("the end", || objects.get("namespaces", "", "end").is_err()).await;
    assert_eq!(count(&objects, "pods", "end"), 0);
}

fn owned_by(owner: &Value, name: &str) -> Value {
    let mut object = config_map(name);
    object["metadata"]["ownerReferences"] = json!([{
        "apiVersion": "v1", "kind": "ConfigMap", "blockOwnerDeletion": true,
        "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"],
    }]);
    object
}

#[tokio::test]
async fn owned_objects_follow_their_owner_as_the_deletion_asks() {
    let (objects, _tasks) = started();
    for (propagation, remaining) in [
        (Propagation::Background, 0),
        (Propagation::Foreground, 0),
        (Propagation::Orphan, 1),
    ] {
        let owner = objects
            .create("configmaps", "default", config_map("owner"))
            .unwrap();
        let child = objects
            .create("configmaps", "default", owned_by(&owner, "child"))
            .unwrap();
        objects
            .create("configmaps", "default", owned_by(&child, "grandchild"))
            .unwrap();
        let options = DeleteOptions {
            propagation,
            ..DeleteOptions::default()
        };
        objects
            .delete("configmaps", "default", "owner", &options)
            .unwrap();
        eventually("the owner's end", || {
            objects.get("configmaps", "default", "owner").is_err()
        })
        .await;
        if remaining == 0 {
            eventually("the end of all", || {
                count(&objects, "configmaps", "default") == 0
            })
            .await;
        } else {
            let child = objects.get("configmaps", "default", "child").unwrap();
            assert!(child["metadata"].get("ownerReferences").is_none());
            assert!(objects.get("configmaps", "default", "grandchild").is_ok());
        }
    }
}

#[tokio::test]
async fn an_object_whose_owner_never_was_is_collected() {
    let (objects, _tasks) = started();
    let nobody = json!({ "metadata": { "name": "x", "uid": "no-such-uid" } });
    objects
        .create("configmaps", "default", owned_by(&nobody, "child"))
        .unwrap();
    eventually("its end", || {
        objects.get("configmaps", "default", "child").is_err()
    })
    .await;
}

#[tokio::test]
async fn a_quota_refuses_what_exceeds_it_and_counts_what_is_used() {
    let (objects, _tasks) = started();
    let quota = json!({ "metadata": { "name": "q" }, "spec": { "hard": { "pods": "2", "requests.memory": "100Mi", "count/configmaps": "1" } } });
    objects.create("resourcequotas", "default", quota).unwrap();
    let unspecified = objects.create("pods", "default", pod("a")).unwrap_err();
    assert!(
        unspecified
            .to_string()
            .contains("must specify requests.memory for: c"),
        "{unspecified}"
    );
    let limits = json!({ "metadata": { "name": "l" }, "spec": { "limits": [{ "type": "Container", "default": { "memory": "64Mi" } }] } });
    objects.create("limitranges", "default", limits).unwrap();
    let made = objects.create("pods", "default", pod("a")).unwrap();
    assert_eq!(
        made["spec"]["containers"][0]["resources"],
        json!({ "limits": { "memory": "64Mi" }, "requests": { "memory": "64Mi" } })
    );
    let refused = objects.create("pods", "default", pod("b")).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "pods \"b\" is forbidden: exceeded quota: q, requested: requests.memory=64Mi, used: requests.memory=64Mi, limited: requests.memory=100Mi"
    );
    objects
        .create("configmaps", "default", config_map("a"))
        .unwrap();
    assert!(
        objects
            .create("configmaps", "default", config_map("b"))
            .is_err()
    );
    eventually("the figures", || {
        let quota = objects.get("resourcequotas", "default", "q").unwrap();
        quota["status"]["used"]
            == json!({ "pods": "1", "requests.memory": "64Mi", "count/configmaps": "1" })
    })
    .await;
}

#[test]
fn custom_objects_are_pruned_completed_and_checked() {
    let objects = Objects::open(None).unwrap();
    let made = objects
        .create("customresourcedefinitions.apiextensions.k8s.io", "", crd())
        .unwrap();
    assert_eq!(made["status"]["acceptedNames"]["listKind"], "WidgetList");
    let spec = json!({ "size": 2, "unknown": 1, "port": "http", "free": { "x": { "y": 1 } } });
    let widget = objects
        .create(
            "widgets.example.dev",
            "default",
            json!({ "metadata": { "name": "a" }, "spec": spec, "status": { "ready": true } }),
        )
        .unwrap();
    assert_eq!(
        widget["spec"],
        json!({ "size": 2, "colour": "red", "port": "http", "free": { "x": { "y": 1 } } })
    );
    assert_eq!(widget["apiVersion"], "example.dev/v1");
    assert!(widget.get("status").is_none());
    let fields = |spec: Value| match objects.create(
        "widgets.example.dev",
        "default",
        json!({ "metadata": { "name": "b" }, "spec": spec }),
    ) {
        Err(ApiError::Invalid { causes, .. }) => {
            causes.into_iter().map(|cause| cause.field).collect()
        }
        other => panic!("{other:?}"),
    };
    let refused: Vec<Vec<String>> = [
        json!({}),
        json!({ "size": 0 }),
        json!({ "size": "x" }),
        json!({ "size": 1, "colour": "green" }),
        json!({ "size": 1, "port": true }),
        json!({ "size": 1, "parts": [{ "name": "a" }, { "name": "a" }] }),
    ]
    .into_iter()
    .map(fields)
    .collect();
    assert_eq!(
        refused,
        [
            ["spec.size"],
            ["spec.size"],
            ["spec.size"],
            ["spec.colour"],
            ["spec.port"],
            ["spec.parts[1]"]
        ]
    );
}

#[tokio::test]
async fn a_custom_kind_goes_with_its_objects() {
    let (objects, _tasks) = started();
    objects
        .create("customresourcedefinitions.apiextensions.k8s.io", "", crd())
        .unwrap();
    objects
        .create(
            "widgets.example.dev",
            "default",
            json!({ "metadata": { "name": "a" }, "spec": { "size": 1 } }),
        )
        .unwrap();
    objects
        .delete(
            "customresourcedefinitions.apiextensions.k8s.io",
            "",
            "widgets.example.dev",
            &DeleteOptions::default(),
        )
        .unwrap();
    eventually("its end", || {
        objects.kinds().get("widgets.example.dev").is_err()
    })
    .await;
    objects
        .create("customresourcedefinitions.apiextensions.k8s.io", "", crd())
        .unwrap();
    assert_eq!(count(&objects, "widgets.example.dev", "default"), 0);
}

#[tokio::test]
async fn a_watch_tells_what_a_selector_sees() {
    let objects = Objects::open(None).unwrap();
    let labelled = |value: &str| json!({ "metadata": { "name": "a", "labels": { "on": value } } });
    let selector = Selector::labels("on=yes").unwrap();
    let mut watch = objects
        .watch("configmaps", Some("default"), &selector, WatchFrom::Start)
        .unwrap();
    let set = |value: &'static str| {
        objects
            .modify("configmaps", "default", "a", move |map| {
                map["metadata"]["labels"]["on"] = value.into()
            })
            .unwrap()
    };
    assert!(matches!(
        watch.next().await,
        Some(Ok(WatchEvent::Bookmark {
            initial_events_end: true,
            ..
        }))
    ));
    objects
        .create("configmaps", "default", labelled("no"))
        .unwrap();
    set("yes");
    objects
        .modify("configmaps", "default", "a", |map| {
            map["data"] = json!({ "k": "v" })
        })
        .unwrap();
    set("no");
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.push(match watch.next().await {
            Some(Ok(WatchEvent::Added(_))) => "added",
            Some(Ok(WatchEvent::Modified(_))) => "modified",
            Some(Ok(WatchEvent::Deleted(_))) => "deleted",
            other => panic!("{other:?}"),
        });
    }
    assert_eq!(seen, ["added", "modified", "deleted"]);
}

#[tokio::test]
async fn a_watch_resumes_without_a_gap_and_expires_when_history_is_gone() {
    let objects = Objects::open(None).unwrap();
    let first = objects
        .create("configmaps", "default", config_map("first"))
        .unwrap();
    let revision: u64 = first["metadata"]["resourceVersion"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    objects
        .create("configmaps", "default", config_map("second"))
        .unwrap();
    let everything = Selector::everything();
    let mut watch = objects
        .watch(
            "configmaps",
            None,
            &everything,
            WatchFrom::Revision(revision),
        )
        .unwrap();
    match watch.next().await {
        Some(Ok(WatchEvent::Added(object))) => assert_eq!(object["metadata"]["name"], "second"),
        other => panic!("{other:?}"),
    }
    for index in 0..3000 {
        objects
            .modify("configmaps", "default", "first", |map| {
                map["data"]["k"] = index.to_string().into()
            })
            .unwrap();
    }
    assert!(matches!(
        objects.watch(
            "configmaps",
            None,
            &everything,
            WatchFrom::Revision(revision)
        ),
        Err(ApiError::Expired(_))
    ));
    let mut last = None;
    while let Some(item) = watch.next().await {
        last = Some(item);
    }
    assert!(matches!(last, Some(Err(ApiError::Expired(_)))));
}

#[test]
fn objects_and_revisions_outlive_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let (revision, uid) = {
        let objects = Objects::open(Some(folder.path())).unwrap();
        assert!(
            Objects::open(Some(folder.path())).is_err(),
            "two processes share no folder"
        );
        objects
            .create("customresourcedefinitions.apiextensions.k8s.io", "", crd())
            .unwrap();
        objects
            .create(
                "widgets.example.dev",
                "default",
                json!({ "metadata": { "name": "a" }, "spec": { "size": 1 } }),
            )
            .unwrap();
        objects
            .create("configmaps", "default", config_map("gone"))
            .unwrap();
        objects
            .delete("configmaps", "default", "gone", &DeleteOptions::default())
            .unwrap();
        let widget = objects.get("widgets.example.dev", "default", "a").unwrap();
        (objects.revision(), widget["metadata"]["uid"].clone())
    };
    // A write that the process did not finish.
    let log = folder.path().join("1.log");
    let mut torn = std::fs::read(&log).unwrap();
    torn.extend_from_slice(b"{\"revision\":99999,\"resource\":\"conf");
    std::fs::write(&log, torn).unwrap();
    let objects = Objects::open(Some(folder.path())).unwrap();
    assert_eq!(objects.revision(), revision);
    assert_eq!(
        objects.get("widgets.example.dev", "default", "a").unwrap()["metadata"]["uid"],
        uid
    );
    assert!(objects.get("configmaps", "default", "gone").is_err());
    let next = objects
        .create("configmaps", "default", config_map("next"))
        .unwrap();
    assert_eq!(
        next["metadata"]["resourceVersion"],
        (revision + 1).to_string()
    );
    let old = objects.watch(
        "configmaps",
        None,
        &Selector::everything(),
        WatchFrom::Revision(revision - 1),
    );
    assert!(matches!(old, Err(ApiError::Expired(_))));
}

#[test]
fn a_long_log_becomes_a_snapshot_and_nothing_is_lost() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let objects = Objects::open(Some(folder.path())).unwrap();
    objects
        .create("configmaps", "default", config_map("a"))
        .unwrap();
    for round in 0..40 {
        let text = round.to_string().repeat(250_000);
        objects
            .modify("configmaps", "default", "a", |map| {
                map["data"]["k"] = text.clone().into()
            })
            .unwrap();
    }
    let revision = objects.revision();
    drop(objects);
    assert!(!folder.path().join("1.log").exists());
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let mode = entry.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let objects = Objects::open(Some(folder.path())).unwrap();
    assert_eq!(objects.revision(), revision);
    let map = objects.get("configmaps", "default", "a").unwrap();
    assert_eq!(map["data"]["k"].as_str().unwrap(), "39".repeat(250_000));
}
