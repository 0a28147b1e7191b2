//! What a pod may not see, reach or leave behind. Without a sandbox there is nothing to test.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

async fn isolated() -> Option<Cluster> {
    let cluster = Cluster::start().await;
    if cluster.node.host.isolation == Isolation::Full {
        return Some(cluster);
    }
    not_run(&cluster.node.host.limitations);
    None
}

#[tokio::test]
async fn a_pod_sees_neither_this_machines_files_nor_its_processes() {
    let Some(cluster) = isolated().await else {
        return;
    };
    let secret = tempfile::NamedTempFile::new_in("/var/tmp").unwrap();
    std::fs::write(&secret, "canary").unwrap();
    let path = secret.path().display();
    let data = cluster.folder.path().display();
    let text = cluster
        .output(
            "spy",
            &format!("cat {path}; ls {data}; ls -a /root; ls /home; ls /etc/shadow /var/lib /sys; ps ax; cat /proc/1/environ; touch /usr/x"),
            json!({}),
        )
        .await;
    assert!(!text.contains("canary"), "{text}");
    for path in [".ssh", ".npmrc", ".kube", ".gitconfig", "objects"] {
        assert!(!text.lines().any(|line| line == path), "{path} in {text}");
    }
    assert!(text.contains("/etc/shadow"), "{text}");
    assert!(text.contains("Read-only file system"), "{text}");
    let processes = text
        .lines()
        .filter(|line| line.contains("bwrap") || line.contains("ps ax"))
        .count();
    assert!(processes <= 4, "{text}");
    assert!(!text.contains("catalyst_localkube"), "{text}");
    cluster.stop().await;
}

#[tokio::test]
async fn a_toolchain_below_a_folder_that_pods_have_their_own_of_is_there_in_them() {
    use std::os::unix::fs::PermissionsExt;
    let toolchain = tempfile::tempdir_in("/tmp").unwrap();
    let program = toolchain.path().join("greet");
    std::fs::write(&program, "#!/bin/sh\necho hello\n").unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let cluster = Cluster::start_on(|host| {
        host.toolchains.path.insert(0, toolchain.path().to_owned());
        host.toolchains.binds.insert(toolchain.path().to_owned());
    })
    .await;
    if cluster.node.host.isolation != Isolation::Full {
        return not_run(&cluster.node.host.limitations);
    }
    let path = toolchain.path().display();
    let text = cluster
        .output(
            "greeting",
            &format!("greet; touch /tmp/own {path}/x; ls /tmp"),
            json!({}),
        )
        .await;
    assert!(text.contains("hello") && text.contains("own"), "{text}");
    assert!(text.contains("Read-only file system"), "{text}");

    // What a pod mounts there itself stays whole.
    let mounted = json!({
        "volumes": [{ "name": "tmp", "emptyDir": {} }],
        "containers": [{ "volumeMounts": [{ "name": "tmp", "mountPath": "/tmp" }] }]
    });
    let text = cluster
        .output("mounting", "ls -A /tmp; echo end", mounted)
        .await;
    assert_eq!(text.trim(), "end");
    cluster.stop().await;
}

#[tokio::test]
async fn a_pod_cannot_change_the_kernel_or_gain_rights() {
    let Some(cluster) = isolated().await else {
        return;
    };
    let before = std::fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap();
    let text = cluster
        .output(
            "root",
            "(echo x > /proc/sys/kernel/core_pattern); (echo b > /proc/sysrq-trigger); unshare -U id; unshare -m id; mount -t tmpfs x /mnt; nsenter -t 1 -m id; grep -E 'Cap|NoNewPrivs|Seccomp:' /proc/self/status; python3 -c 'import socket; socket.socket(40, socket.SOCK_STREAM)' 2>&1 | tail -1; cp /bin/sh /tmp/s; chmod u+s /tmp/s; find /proc -maxdepth 1 -writable ! -name '[0-9]*'",
            json!({}),
        )
        .await;
    assert_eq!(
        std::fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap(),
        before
    );
    assert!(!text.contains("uid="), "{text}");
    for line in [
        "CapBnd:\t0000000000000000",
        "CapEff:\t0000000000000000",
        "NoNewPrivs:\t1",
        "Seccomp:\t2",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    assert!(
        text.contains("PermissionError") || text.contains("not found"),
        "{text}"
    );
    // These are covered by an empty device; nothing else there may be written.
    let covered = [
        "/proc/keys",
        "/proc/kmsg",
        "/proc/mtrr",
        "/proc/key-users",
        "/proc/timer_list",
        "/proc/kcore",
    ];
    let writable: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("/proc/"))
        .collect();
    assert!(
        writable.iter().all(|path| covered.contains(path)),
        "{writable:?}"
    );
    cluster.stop().await;
}

#[tokio::test]
async fn two_pods_listen_on_the_same_port_and_neither_reaches_this_machine() {
    let Some(cluster) = isolated().await else {
        return;
    };
    let host = tokio::net::TcpListener::bind("0.0.0.0:0").await.unwrap();
    let port = host.local_addr().unwrap().port();
    let (reached, mut visits) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((_, peer)) = host.accept().await {
            reached.send(peer).unwrap();
        }
    });
    let serve = |text: &str| {
        format!(
            "mkdir /tmp/w; echo {text} > /tmp/w/index.html; exec busybox httpd -f -p 80 -h /tmp/w"
        )
    };
    let ready = json!({ "containers": [{ "readinessProbe": { "tcpSocket": { "port": 80 }, "periodSeconds": 1 } }] });
    let one = cluster.run("one", &serve("one"), ready.clone());
    let two = cluster.run("two", &serve("two"), ready);
    for (pod, answer) in [(&one, "one"), (&two, "two")] {
        cluster.until_ready(pod).await;
        let mut stream = cluster.node.port_forward(pod, 80).await.unwrap();
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        assert!(text.ends_with(&format!("{answer}\n")), "{text}");
    }
    let addresses: Vec<String> = super::super::gateway::own_addresses()
        .iter()
        .map(ToString::to_string)
        .chain(["10.42.0.2".to_owned(), "10.0.2.2".to_owned()])
        .collect();
    let tries: String = addresses
        .iter()
        .map(|address| format!("echo {address}; busybox nc -w 2 {address} {port} < /dev/null; "))
        .collect();
    let text = cluster
        .output("spy", &format!("{tries} echo tried"), json!({}))
        .await;
    assert!(text.contains("tried"), "{text}");
    assert!(visits.try_recv().is_err(), "{text}");
    let refused = text.matches("Connection refused").count();
    assert_eq!(refused, addresses.len(), "{text}");
    cluster.stop().await;
}

#[tokio::test]
async fn nothing_is_left_of_a_pod_that_is_gone() {
    let Some(cluster) = isolated().await else {
        return;
    };
    let before = Leftovers::count(&cluster);
    let pods: Vec<PodRef> = (0..5)
        .map(|n| {
            cluster.run(
                &format!("p{n}"),
                "(setsid sleep 7777 &) ; echo x > /data/x; exec sleep 7777",
                json!({
                    "terminationGracePeriodSeconds": 1,
                    "volumes": [{ "name": "d", "emptyDir": {} }],
                    "containers": [{ "volumeMounts": [{ "name": "d", "mountPath": "/data" }] }],
                }),
            )
        })
        .collect();
    for pod in &pods {
        cluster.until_ready(pod).await;
    }
    assert!(Leftovers::count(&cluster).processes >= before.processes + 10);
    for pod in &pods {
        cluster.delete(pod);
    }
    for pod in &pods {
        cluster.until_gone(pod).await;
    }
    let mut after = Leftovers::count(&cluster);
    for _ in 0..250 {
        if after == before {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        after = Leftovers::count(&cluster);
    }
    assert_eq!(after, before);
    cluster.stop().await;
}

/// What this process could leave on the machine. Tests of other crates run at the same time, so
/// only what descends from this very thread's cluster is counted.
#[derive(Debug, PartialEq, Eq)]
struct Leftovers {
    processes: usize,
    folders: usize,
    open_namespaces: usize,
    groups: usize,
}

impl Leftovers {
    fn count(cluster: &Cluster) -> Self {
        let data = cluster.folder.path();
        let instance = format!("catalyst-{}", instance(&cluster.node.config));
        let entries =
            |folder: &std::path::Path| std::fs::read_dir(folder).map_or(0, Iterator::count);
        let groups = ["memory", "cpu", "cpuacct", "pids", "unified", ""]
            .iter()
            .flat_map(|tree| walk(&std::path::Path::new("/sys/fs/cgroup").join(tree), 3))
            .filter(|path| {
                path.components()
                    .any(|part| part.as_os_str() == instance.as_str())
            })
            .count();
        let mut processes = 0;
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let Ok(group) = std::fs::read_to_string(entry.path().join("cgroup")) else {
                continue;
            };
            processes += usize::from(group.contains(&instance));
        }
        let open_namespaces = cluster.node.all_pods().len();
        Self {
            processes,
            folders: entries(&data.join("node/pods")),
            open_namespaces,
            groups,
        }
    }
}

fn walk(folder: &std::path::Path, depth: usize) -> Vec<std::path::PathBuf> {
    if depth == 0 {
        return Vec::new();
    }
    let children: Vec<_> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_dir() && !path.is_symlink())
        .collect();
    children
        .iter()
        .flat_map(|child| walk(child, depth - 1))
        .chain(children.iter().cloned())
        .collect()
}

#[tokio::test]
async fn fifty_pods_come_up_together() {
    let Some(cluster) = isolated().await else {
        return;
    };
    let began = std::time::Instant::now();
    let pods: Vec<PodRef> = (0..50)
        .map(|n| cluster.run(&format!("p{n}"), "exec sleep 1000", json!({})))
        .collect();
    for pod in &pods {
        cluster.until_ready(pod).await;
    }
    println!("50 pods ready after {:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(60));
    cluster.stop().await;
}
