//! Crashes: of containers, and of the node.

use super::*;

#[tokio::test]
async fn a_crashing_container_is_started_again_after_growing_waits() {
    let cluster = Cluster::start().await;
    let pod = cluster.run("crash", "echo try; exit 1", json!({}));
    let waiting = cluster
        .until(&pod, "CrashLoopBackOff", |pod| {
            let status = &pod["status"]["containerStatuses"][0];
            status["state"]["waiting"]["reason"] == "CrashLoopBackOff"
                && status["restartCount"] == 1
        })
        .await;
    let status = &waiting["status"]["containerStatuses"][0];
    assert_eq!(status["lastState"]["terminated"]["exitCode"], 1);
    assert!(
        status["state"]["waiting"]["message"]
            .as_str()
            .unwrap()
            .starts_with("back-off 2s restarting failed container=c pod=crash_default(")
    );
    assert_eq!(waiting["status"]["phase"], "Running");
    assert!(
        cluster
            .events(&pod)
            .iter()
            .any(|(reason, _)| reason == "BackOff")
    );
    let previous = LogOptions {
        previous: true,
        ..LogOptions::default()
    };
    assert_eq!(cluster.log_of(&pod, previous).await.unwrap(), "try\n");
    cluster.delete(&pod);
    cluster.until_gone(&pod).await;
    cluster.stop().await;
}

#[tokio::test]
async fn a_failing_init_container_is_tried_again_or_fails_the_pod() {
    let cluster = Cluster::start().await;
    let init = json!([{ "name": "i", "image": "busybox", "command": ["/bin/sh", "-c", "exit 7"] }]);
    let never = cluster.run(
        "never",
        "true",
        json!({ "restartPolicy": "Never", "initContainers": init }),
    );
    let again = cluster.run("again", "true", json!({ "initContainers": init }));
    let failed = cluster.until_phase(&never, "Failed").await;
    assert_eq!(
        failed["status"]["initContainerStatuses"][0]["state"]["terminated"]["exitCode"],
        7
    );
    assert_eq!(
        failed["status"]["containerStatuses"][0]["state"]["waiting"]["reason"],
        "PodInitializing"
    );
    cluster
        .until(&again, "a second try", |pod| {
            pod["status"]["initContainerStatuses"][0]["restartCount"].as_u64() >= Some(1)
        })
        .await;
    assert_eq!(cluster.get(&again).unwrap()["status"]["phase"], "Pending");
    cluster.stop().await;
}

#[tokio::test]
async fn after_a_restart_of_the_node_its_pods_run_again() {
    let cluster = Cluster::start().await;
    let always = cluster.run("always", "sleep 1000", json!({}));
    let never = cluster.run("never", "sleep 1000", json!({ "restartPolicy": "Never" }));
    let done = cluster.run("done", "exit 0", json!({ "restartPolicy": "Never" }));
    cluster.until_ready(&always).await;
    cluster.until_ready(&never).await;
    cluster.until_phase(&done, "Succeeded").await;
    let folder = cluster.stop().await;

    let cluster = Cluster::start_in(folder).await;
    let again = cluster
        .until(&always, "a restart", |pod| {
            is_ready(pod) && pod["status"]["containerStatuses"][0]["restartCount"] == 1
        })
        .await;
    assert_eq!(
        again["status"]["containerStatuses"][0]["lastState"]["terminated"]["reason"],
        "Unknown"
    );
    cluster.until_phase(&never, "Failed").await;
    let done = cluster.get(&done).unwrap();
    assert_eq!(done["status"]["containerStatuses"][0]["restartCount"], 0);
    cluster.stop().await;
}

#[tokio::test]
async fn a_container_that_takes_too_much_memory_is_ended_and_says_so() {
    let cluster = Cluster::start().await;
    if !cluster.node.host.cgroups.limits_memory() {
        not_run(&"memory cannot be limited");
        return;
    }
    let pod = cluster.run(
        "hog",
        "x=$(head -c 200000000 /dev/zero | tr '\\0' x); echo done ${#x}",
        json!({
            "restartPolicy": "Never",
            "containers": [{ "resources": { "limits": { "memory": "32Mi" } } }],
        }),
    );
    let failed = cluster.until_phase(&pod, "Failed").await;
    let ended = &failed["status"]["containerStatuses"][0]["state"]["terminated"];
    assert_eq!(
        (&ended["reason"], &ended["exitCode"]),
        (&json!("OOMKilled"), &json!(137))
    );
    cluster.stop().await;
}
