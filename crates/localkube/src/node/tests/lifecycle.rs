//! From a spec to a status.

use super::*;

#[tokio::test]
async fn a_pod_runs_its_init_containers_in_order_and_then_its_containers() {
    let cluster = Cluster::start().await;
    let pod = cluster.run(
        "web",
        "cat /data/order; exec sleep 1000",
        json!({
            "volumes": [{ "name": "data", "emptyDir": {} }],
            "initContainers": [
                { "name": "one", "image": "busybox", "command": ["/bin/sh", "-c", "echo one >> /data/order"], "volumeMounts": [{ "name": "data", "mountPath": "/data" }] },
                { "name": "two", "image": "busybox", "command": ["/bin/sh", "-c", "echo two >> /data/order"], "volumeMounts": [{ "name": "data", "mountPath": "/data" }] },
            ],
            "containers": [{ "volumeMounts": [{ "name": "data", "mountPath": "/data" }] }],
        }),
    );
    let running = cluster.until_ready(&pod).await;
    assert_eq!(running["status"]["phase"], "Running");
    assert_eq!(
        running["status"]["initContainerStatuses"][1]["state"]["terminated"]["reason"],
        "Completed"
    );
    assert!(running["status"]["podIP"].is_string());
    cluster
        .until(&pod, "started", |pod| {
            pod["status"]["containerStatuses"][0]["started"] == true
        })
        .await;
    for _ in 0..200 {
        if cluster.log(&pod).await == "one\ntwo\n" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(cluster.log(&pod).await, "one\ntwo\n");
    let reasons: Vec<String> = cluster
        .events(&pod)
        .into_iter()
        .map(|(reason, _)| reason)
        .collect();
    assert!(reasons.contains(&"Started".to_owned()), "{reasons:?}");
    cluster.delete(&pod);
    cluster.until_gone(&pod).await;
    cluster.stop().await;
}

#[tokio::test]
async fn exit_code_message_and_last_log_lines_are_told() {
    let cluster = Cluster::start().await;
    let never = |message: Value| {
        let mut extra = json!({ "restartPolicy": "Never", "containers": [{}] });
        extra["containers"][0] = message;
        extra
    };
    let said = cluster.run(
        "said",
        "echo -n because > /dev/termination-log; exit 3",
        never(json!({})),
    );
    let logged = cluster.run(
        "logged",
        "echo from the log; exit 4",
        never(json!({ "terminationMessagePolicy": "FallbackToLogsOnError" })),
    );
    let fine = cluster.run("fine", "exit 0", never(json!({})));
    let ended =
        |pod: Arc<Value>| pod["status"]["containerStatuses"][0]["state"]["terminated"].clone();
    let said = ended(cluster.until_phase(&said, "Failed").await);
    assert_eq!(
        (&said["exitCode"], &said["reason"], &said["message"]),
        (&json!(3), &json!("Error"), &json!("because"))
    );
    let logged = ended(cluster.until_phase(&logged, "Failed").await);
    assert_eq!(logged["message"], "from the log\n");
    let fine = cluster.until_phase(&fine, "Succeeded").await;
    assert_eq!(ended(fine.clone())["reason"], "Completed");
    cluster.stop().await;
}

#[tokio::test]
async fn the_environment_and_volumes_come_from_the_spec_and_nothing_else() {
    let cluster = Cluster::start().await;
    let create = |kind, object| cluster.objects.create(kind, "default", object).unwrap();
    create(
        resource::CONFIG_MAPS,
        json!({ "metadata": { "name": "cm" }, "data": { "COLOUR": "blue", "file.txt": "hello" } }),
    );
    create(
        resource::SECRETS,
        json!({ "metadata": { "name": "s" }, "data": { "token": "czNjcmV0" } }),
    );
    let text = cluster
        .output(
            "env",
            "env | sort; cat /etc/settings/file.txt; echo; cat /keys/token; echo; ls -l /keys/token | cut -c1-10; cat /info/labels; echo; pwd; id -u; touch /etc/settings/x 2>&1; hostname",
            json!({
                "volumes": [
                    { "name": "cm", "configMap": { "name": "cm" } },
                    { "name": "s", "secret": { "secretName": "s", "defaultMode": 0o400 } },
                    { "name": "i", "downwardAPI": { "items": [{ "path": "labels", "fieldRef": { "fieldPath": "metadata.labels" } }] } },
                ],
                "containers": [{
                    "workingDir": "/work/here",
                    "env": [
                        { "name": "A", "value": "x" }, { "name": "B", "value": "$(A)y" },
                        { "name": "IP", "valueFrom": { "fieldRef": { "fieldPath": "status.podIP" } } },
                        { "name": "TOKEN", "valueFrom": { "secretKeyRef": { "name": "s", "key": "token" } } },
                    ],
                    "envFrom": [{ "configMapRef": { "name": "cm" } }],
                    "volumeMounts": [
                        { "name": "cm", "mountPath": "/etc/settings" },
                        { "name": "s", "mountPath": "/keys" },
                        { "name": "i", "mountPath": "/info" },
                    ],
                }],
            }),
        )
        .await;
    for line in [
        "B=xy",
        "TOKEN=s3cret",
        "COLOUR=blue",
        "hello",
        "s3cret",
        "-r--------",
        "app=\"env\"",
        "/work/here",
        "0",
        "HOME=/root",
        "env",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in {text}");
    }
    assert!(text.contains("Read-only file system"), "{text}");
    assert!(
        text.lines().any(|line| line.starts_with("IP=10.42.")),
        "{text}"
    );
    // The test's own environment has much more than this; none of it may be here.
    for (name, value) in std::env::vars() {
        let inherited = cluster.node.host.toolchains.env.contains_key(&name);
        let ours = [
            "PATH", "HOME", "PWD", "A", "B", "HOSTNAME", "OLDPWD", "SHLVL", "_",
        ]
        .contains(&name.as_str());
        if !inherited && !ours {
            let line = format!("{name}={value}");
            assert!(!text.lines().any(|found| found == line), "{line}");
        }
    }
    cluster.stop().await;
}

#[tokio::test]
async fn what_cannot_run_here_says_why_and_what_to_do() {
    let cluster = Cluster::start().await;
    let postgres = cluster.run(
        "db",
        "x",
        json!({ "containers": [{ "image": "postgres:16" }] }),
    );
    let waiting = |pod: &Value| pod["status"]["containerStatuses"][0]["state"]["waiting"].clone();
    let pod = cluster
        .until(&postgres, "a reason", |pod| {
            waiting(pod)["reason"] == "ImageNotRunnableLocally"
        })
        .await;
    assert!(
        waiting(&pod)["message"]
            .as_str()
            .unwrap()
            .contains("Kubernetes cluster")
    );
    assert_eq!(pod["status"]["phase"], "Pending");
    let missing = cluster.run(
        "missing",
        "x",
        json!({ "containers": [{ "command": ["no-such-program"] }], "restartPolicy": "Never" }),
    );
    let pod = cluster.until_phase(&missing, "Failed").await;
    let ended = &pod["status"]["containerStatuses"][0]["state"]["terminated"];
    assert_eq!(ended["reason"], "StartError");
    assert_eq!(ended["exitCode"], 128);
    assert!(
        ended["message"]
            .as_str()
            .unwrap()
            .contains("executable file not found in $PATH")
    );
    let no_config = cluster.run(
        "config",
        "x",
        json!({ "containers": [{ "envFrom": [{ "secretRef": { "name": "gone" } }] }] }),
    );
    let pod = cluster
        .until(&no_config, "a reason", |pod| {
            waiting(pod)["reason"] == "CreateContainerConfigError"
        })
        .await;
    assert_eq!(waiting(&pod)["message"], "secret \"gone\" not found");
    // It starts by itself once what was missing is there.
    cluster
        .objects
        .create(
            resource::SECRETS,
            "default",
            json!({ "metadata": { "name": "gone" }, "data": {} }),
        )
        .unwrap();
    cluster
        .until(&no_config, "a start", |pod| {
            !pod["status"]["containerStatuses"][0]["lastState"]["terminated"].is_null()
                || pod["status"]["phase"] == "Running"
        })
        .await;
    cluster.stop().await;
}

#[tokio::test]
async fn probes_decide_when_a_pod_is_ready_and_when_it_is_restarted() {
    let cluster = Cluster::start().await;
    let server = "mkdir -p /tmp/w; echo ok > /tmp/w/index.html; sleep 0.5; busybox httpd -f -p 3000 -h /tmp/w";
    let web = cluster.run("web", server, json!({ "containers": [{
        "ports": [{ "name": "http", "containerPort": 3000 }],
        "startupProbe": { "tcpSocket": { "port": "http" }, "periodSeconds": 1, "failureThreshold": 30 },
        "readinessProbe": { "httpGet": { "path": "/", "port": "http" }, "periodSeconds": 1 },
    }] }));
    let sick = cluster.run("sick", "trap 'exit 0' TERM; while true; do sleep 0.1; done", json!({ "containers": [{
        "livenessProbe": { "exec": { "command": ["/bin/false"] }, "initialDelaySeconds": 1, "periodSeconds": 1, "failureThreshold": 1 },
    }] }));
    let unready = cluster.run(
        "unready",
        "sleep 1000",
        json!({ "containers": [{
        "readinessProbe": { "httpGet": { "path": "/", "port": 3000 }, "periodSeconds": 1 },
    }] }),
    );
    cluster.until_ready(&web).await;
    let restarted = cluster
        .until(&sick, "a restart", |pod| {
            pod["status"]["containerStatuses"][0]["restartCount"].as_u64() >= Some(1)
        })
        .await;
    assert_eq!(
        restarted["status"]["containerStatuses"][0]["lastState"]["terminated"]["exitCode"],
        0
    );
    let events = cluster.events(&sick);
    assert!(
        events.iter().any(|(reason, message)| reason == "Killing"
            && message == "Container c failed liveness probe, will be restarted"),
        "{events:?}"
    );
    cluster
        .until(&unready, "Running", |pod| {
            pod["status"]["phase"] == "Running"
        })
        .await;
    for _ in 0..500 {
        if cluster
            .events(&unready)
            .iter()
            .any(|(reason, _)| reason == "Unhealthy")
        {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let events = cluster.events(&unready);
    assert!(
        events.iter().any(|(reason, message)| reason == "Unhealthy"
            && message.contains("Readiness probe failed: Get \"http://10.42.")),
        "{events:?}"
    );
    assert!(!is_ready(&cluster.get(&unready).unwrap()));
    cluster.stop().await;
}

#[tokio::test]
async fn a_pod_that_is_deleted_is_asked_to_end_and_killed_when_it_does_not() {
    let cluster = Cluster::start().await;
    let polite = cluster.run("polite", "trap 'echo bye; exit 0' TERM; echo up; while true; do sleep 0.05; done", json!({
        "terminationGracePeriodSeconds": 60,
        "containers": [{ "lifecycle": { "preStop": { "exec": { "command": ["/bin/sh", "-c", "echo hook > /proc/1/root/tmp/hook; sleep 0.2"] } } } }],
    }));
    let stubborn = cluster.run(
        "stubborn",
        "trap '' TERM; echo up; while true; do sleep 0.05; done",
        json!({ "terminationGracePeriodSeconds": 1 }),
    );
    for pod in [&polite, &stubborn] {
        cluster.until_ready(pod).await;
        while !cluster.log(pod).await.contains("up") {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    let follow = LogOptions {
        container: "c".into(),
        follow: true,
        ..LogOptions::default()
    };
    let mut last_words = cluster.node.logs(&polite, follow).await.unwrap();
    let began = std::time::Instant::now();
    cluster.delete(&polite);
    cluster.delete(&stubborn);
    let mut said = Vec::new();
    while let Some(chunk) = last_words.next().await {
        said.extend_from_slice(&chunk.unwrap());
    }
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(
        said.starts_with("up\n") && said.ends_with("bye\n"),
        "{said}"
    );
    cluster.until_gone(&polite).await;
    cluster.until_gone(&stubborn).await;
    assert!(began.elapsed() >= Duration::from_secs(1));
    assert!(
        began.elapsed() < Duration::from_secs(20),
        "{:?}",
        began.elapsed()
    );
    cluster.stop().await;
}

#[tokio::test]
async fn a_pod_that_runs_for_too_long_fails() {
    let cluster = Cluster::start().await;
    let pod = cluster.run(
        "slow",
        "sleep 1000",
        json!({ "restartPolicy": "Never", "activeDeadlineSeconds": 1 }),
    );
    let failed = cluster.until_phase(&pod, "Failed").await;
    assert_eq!(failed["status"]["reason"], "DeadlineExceeded");
    cluster.stop().await;
}

#[tokio::test]
async fn a_host_folder_that_has_vanished_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let repositories = tempfile::tempdir().unwrap();
    let repository = repositories.path().join("repository");
    let mut config = LocalKubeConfig::new(folder.path());
    config.allow_weak_isolation = true;
    config.host_path_roots = vec![repositories.path().to_owned()];
    let cluster = Cluster::start_as(folder, config).await;
    let pod = cluster.run(
        "late",
        "ls /repository",
        json!({
            "restartPolicy": "Never",
            "volumes": [{ "name": "repository", "hostPath": { "path": repository, "type": "Directory" } }],
            "containers": [{ "volumeMounts": [{ "name": "repository", "mountPath": "/repository" }] }],
        }),
    );
    let why = format!("{} is not there", repository.display());
    let waiting = cluster
        .until(&pod, "to say why it waits", |pod| {
            let waiting = &pod["status"]["containerStatuses"][0]["state"]["waiting"];
            waiting["message"]
                .as_str()
                .is_some_and(|message| message.ends_with(&why))
        })
        .await;
    let waiting = &waiting["status"]["containerStatuses"][0]["state"]["waiting"];
    assert_eq!(waiting["reason"], "ContainerCreating");
    let events = cluster.events(&pod);
    assert!(
        events
            .iter()
            .any(|(reason, message)| reason == "FailedMount" && message.ends_with(&why)),
        "{events:?}"
    );
    std::fs::create_dir(&repository).unwrap();
    cluster.until_phase(&pod, "Succeeded").await;
    cluster.stop().await;
}
