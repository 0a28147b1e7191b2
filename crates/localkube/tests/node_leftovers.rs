//! Nothing is left of pods that are gone: counted on the whole process, so it is alone here.

mod whole;

use std::path::Path;
use std::time::{Duration, Instant};

use catalyst_localkube::objects::resource;
use serde_json::json;
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
    let group = std::fs::read_dir("/sys/fs/cgroup/memory").map_or(0, |entries| {
        entries.flatten().map(|entry| walk(&entry.path())).sum()
    });
    Held {
        processes: descendants.len(),
        files: std::fs::read_dir("/proc/self/fd").unwrap().count(),
        mounts: std::fs::read_to_string("/proc/self/mounts")
            .unwrap()
            .lines()
            .count(),
        namespaces: namespaces.len(),
        groups: group,
        entries: walk(&data.join("node")),
    }
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_pods_come_and_go_and_nothing_is_left() {
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
                    "command": ["/bin/sh", "-c", "echo hi > /code/index.html; (setsid sleep 4711 &); exec busybox httpd -f -p 80 -h /code"],
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
