//! Nothing is left of pods that are gone: counted on the whole process, so it is alone here.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails where it stands, and tells what it measured"
)]

mod whole;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use catalyst_localkube::objects::resource;
use serde_json::json;
use sha2::Digest;
use whole::Whole;

/// What this process holds of the machine.
#[derive(Debug, PartialEq, Eq)]
struct Held {
    /// Processes that descend from this one, dead ones that were not waited for included.
    processes: usize,
    files: usize,
    mounts: usize,
    namespaces: usize,
    groups: usize,
    entries: usize,
}

fn held(data: &Path) -> Held {
    let me = std::process::id();
    let mut parents = std::collections::HashMap::new();
    let mut namespaces = std::collections::BTreeSet::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else {
            continue;
        };
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let parent = stat
            .rsplit_once(") ")
            .and_then(|(_, rest)| rest.split(' ').nth(1)?.parse::<u32>().ok());
        parents.insert(pid, parent.unwrap_or(0));
    }
    let descends = |mut pid: u32| {
        while let Some(&parent) = parents.get(&pid) {
            if parent == me {
                return true;
            }
            pid = parent;
        }
        false
    };
    let descendants: Vec<u32> = parents
        .keys()
        .copied()
        .filter(|pid| descends(*pid))
        .collect();
    for pid in &descendants {
        for kind in ["net", "mnt", "pid", "user"] {
            if let Ok(link) = std::fs::read_link(format!("/proc/{pid}/ns/{kind}")) {
                namespaces.insert(link);
            }
        }
    }
    let own = std::fs::read_to_string("/proc/self/cgroup").unwrap();
    let place = own
        .lines()
        .find_map(|line| line.split_once(":memory:/").map(|(_, place)| place));
    let tree = Path::new("/sys/fs/cgroup/memory");
    let groups = [tree.to_owned(), tree.join(place.unwrap_or_default())]
        .iter()
        .map(|parent| walk(&parent.join(group(data))))
        .sum();
    let path = data.display().to_string();
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    Held {
        processes: descendants.len(),
        files: std::fs::read_dir("/proc/self/fd").unwrap().count(),
        mounts: mounts.lines().filter(|line| line.contains(&path)).count(),
        namespaces: namespaces.len(),
        groups,
        entries: walk(&data.join("node")),
    }
}

/// The name of the cluster's own control group: others of this machine come and go meanwhile.
fn group(data: &Path) -> String {
    let digest = sha2::Sha256::digest(data.as_os_str().as_encoded_bytes());
    format!("catalyst-{}", hex::encode(&digest[..6]))
}

fn walk(folder: &Path) -> usize {
    std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .fold(0, |count, entry| {
            let inner = if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                walk(&entry.path())
            } else {
                0
            };
            count + 1 + inner
        })
}

/// Keeps what this process warns of.
#[derive(Clone, Default)]
struct Warnings(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Warnings {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_pods_come_and_go_and_nothing_is_left() {
    let warnings = Warnings::default();
    let log = warnings.clone();
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::WARN)
        .with_ansi(false)
        .with_writer(move || log.clone())
        .init();
    let whole = Whole::start().await;
    if !whole.is_isolated() {
        return;
    }
    // Once around, so that what is made once and kept is there before counting.
    round(&whole, 2).await;
    let before = settled(&whole, None).await;
    let began = Instant::now();
    round(&whole, 50).await;
    println!("50 previews came and went in {:?}", began.elapsed());
    let after = settled(&whole, Some(&before)).await;
    assert_eq!(after, before);
    let Whole { folder, kube } = whole;
    kube.shutdown().await;
    let last = held(folder.path());
    assert_eq!(last.processes, 0, "{last:?}");
    let warnings = String::from_utf8_lossy(&warnings.0.lock().unwrap()).into_owned();
    assert!(warnings.is_empty(), "{warnings}");
}

async fn settled(whole: &Whole, wanted: Option<&Held>) -> Held {
    let mut last = held(whole.folder.path());
    let mut same = 0;
    for _ in 0..500 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let now = held(whole.folder.path());
        same = if now == last { same + 1 } else { 0 };
        let done = wanted.map_or(same >= 25, |wanted| now == *wanted);
        last = now;
        if done {
            break;
        }
    }
    last
}

/// Namespaces with a claim and a pod each: made, ready, deleted, gone.
async fn round(whole: &Whole, count: usize) {
    let names: Vec<String> = (0..count).map(|n| format!("preview-{n}")).collect();
    let began = Instant::now();
    for name in &names {
        whole.namespace(name);
        whole.create(resource::PERSISTENT_VOLUME_CLAIMS, name, json!({
            "metadata": { "name": "code" },
            "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } },
        }));
        whole.create(resource::PODS, name, json!({
            "metadata": { "name": "web" },
            "spec": {
                "terminationGracePeriodSeconds": 1,
                "volumes": [{ "name": "code", "persistentVolumeClaim": { "claimName": "code" } }],
                "containers": [{
                    "name": "c", "image": "busybox",
                    "command": ["/bin/sh", "-c", "echo hi > /code/index.html; (setsid sleep 4711 &); (setsid sh -c 'while sleep 0.2; do echo x > /code/$(date +%N); done' &); exec busybox httpd -f -p 80 -h /code"],
                    "volumeMounts": [{ "name": "code", "mountPath": "/code" }],
                    "readinessProbe": { "httpGet": { "path": "/", "port": 80 }, "periodSeconds": 1 },
                    "livenessProbe": { "exec": { "command": ["/bin/true"] }, "periodSeconds": 1, "timeoutSeconds": 30, "failureThreshold": 10 },
                }],
            },
        }));
    }
    for name in &names {
        whole.until_ready(name, "web").await;
    }
    println!("{count} ready after {:?}; {}", began.elapsed(), memory());
    for name in &names {
        whole.delete(resource::NAMESPACES, "", name);
    }
    for name in &names {
        let began = Instant::now();
        while whole.objects().get(resource::NAMESPACES, "", name).is_ok() {
            assert!(
                began.elapsed() < Duration::from_secs(60),
                "{name} is still there"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// What this process and those below it hold in memory.
fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let own = status
        .lines()
        .find(|line| line.starts_with("VmRSS"))
        .unwrap_or_default()
        .to_owned();
    let mut helpers = 0;
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let command = std::fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
        if ["slirp4netns", "bwrap", "sleep"].contains(&command.trim()) {
            let rollup =
                std::fs::read_to_string(entry.path().join("smaps_rollup")).unwrap_or_default();
            let pss: u64 = rollup
                .lines()
                .find_map(|line| {
                    line.strip_prefix("Pss:")?
                        .trim()
                        .strip_suffix(" kB")?
                        .parse()
                        .ok()
                })
                .unwrap_or(0);
            helpers += pss;
        }
    }
    format!(
        "own {}, helpers {helpers} kB (Pss)",
        own.trim_start_matches("VmRSS:").trim()
    )
}
