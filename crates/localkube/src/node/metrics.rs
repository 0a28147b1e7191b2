//! What containers and the machine use, measured by the kernel.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::Node;
use super::cgroup::Group;
use super::pod::lock;
use super::process::Process;
use crate::node_api::{ContainerUsage, NodeUsage, PodUsage};

/// How often CPU time is read.
const EVERY: Duration = Duration::from_secs(5);

/// The last measurement.
#[derive(Default)]
pub(crate) struct Metrics {
    pods: Mutex<Vec<PodUsage>>,
    node: Mutex<Option<NodeUsage>>,
}

impl Metrics {
    pub fn pods(&self) -> Vec<PodUsage> {
        lock(&self.pods).clone()
    }

    pub fn node(&self) -> Option<NodeUsage> {
        lock(&self.node).clone()
    }

    /// Measure until the node stops. Reading figures is all there is to it: nothing announces
    /// that a process has used the CPU.
    pub async fn keep_measuring(node: Arc<Node>) {
        let mut before: HashMap<String, (Instant, u64)> = HashMap::new();
        let mut machine: Option<(Instant, u64)> = None;
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let measured = Timestamp::now();
            let mut now = HashMap::new();
            let mut usages = Vec::new();
            for pod in node.all_pods() {
                let instances = lock(&pod.instances).clone();
                let mut containers: Vec<ContainerUsage> = instances
                    .into_iter()
                    .filter_map(|(container, instance)| {
                        let process = instance.process?;
                        let cpu = cpu_micros(&process)?;
                        let at = Instant::now();
                        let key = format!(
                            "{}/{container}/{}",
                            pod.reference.uid,
                            process.leader.as_raw_nonzero()
                        );
                        now.insert(key.clone(), (at, cpu));
                        let usage = before.get(&key).map(|before| rate(*before, (at, cpu)));
                        Some(ContainerUsage {
                            container,
                            cpu_millicores: usage?,
                            memory_bytes: memory_bytes(&process)?,
                        })
                    })
                    .collect();
                containers.sort_by(|a, b| a.container.cmp(&b.container));
                if !containers.is_empty() {
                    usages.push(PodUsage {
                        pod: pod.reference.clone(),
                        measured,
                        window_seconds: EVERY.as_secs(),
                        containers,
                    });
                }
            }
            *lock(&node.metrics.pods) = usages;
            before = now;
            if let Some(busy) = machine_cpu_micros() {
                let at = Instant::now();
                if let Some(before) = machine {
                    *lock(&node.metrics.node) = Some(NodeUsage {
                        measured,
                        window_seconds: EVERY.as_secs(),
                        cpu_millicores: rate(before, (at, busy)),
                        memory_bytes: memory_total().saturating_sub(memory_field("MemAvailable")),
                    });
                }
                machine = Some((at, busy));
            }
        }
    }
}

/// Thousandths of a core between two readings.
fn rate(before: (Instant, u64), now: (Instant, u64)) -> u64 {
    let micros = u64::try_from(now.0.duration_since(before.0).as_micros()).unwrap_or(u64::MAX);
    (now.1.saturating_sub(before.1) * 1000)
        .checked_div(micros)
        .unwrap_or(0)
}

fn cpu_micros(process: &Process) -> Option<u64> {
    group_or_tree(process, Group::cpu_micros, |pid| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name in parentheses may hold anything; fields are counted after it.
        let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
        let ticks: u64 = [11, 12]
            .iter()
            .filter_map(|&at| fields.get(at)?.parse::<u64>().ok())
            .sum();
        Some(ticks * 1_000_000 / rustix::param::clock_ticks_per_second())
    })
}

fn memory_bytes(process: &Process) -> Option<u64> {
    group_or_tree(process, Group::memory_bytes, |pid| {
        let statm = std::fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
        let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
        Some(pages * rustix::param::page_size() as u64)
    })
}

/// The group's own figure, or the sum over the container's processes.
fn group_or_tree(
    process: &Process,
    group: impl Fn(&Group) -> Option<u64>,
    of_process: impl Fn(i32) -> Option<u64>,
) -> Option<u64> {
    if let Some(figure) = group(&process.group) {
        return Some(figure);
    }
    let mut pids = vec![process.leader.as_raw_nonzero().get()];
    let mut at = 0;
    while let Some(pid) = pids.get(at).copied() {
        at += 1;
        let children =
            std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        pids.extend(
            children
                .split_whitespace()
                .filter_map(|pid| pid.parse::<i32>().ok()),
        );
    }
    Some(pids.into_iter().filter_map(of_process).sum())
}

fn machine_cpu_micros() -> Option<u64> {
    let stat = std::fs::read_to_string("/proc/stat").ok()?;
    let fields: Vec<u64> = stat
        .lines()
        .next()?
        .split_whitespace()
        .skip(1)
        .filter_map(|field| field.parse().ok())
        .collect();
    // user, nice, system, then (idle and iowait left out) irq, softirq, steal.
    let busy: u64 = [0, 1, 2, 5, 6, 7]
        .iter()
        .filter_map(|&at| fields.get(at))
        .sum();
    Some(busy * 1_000_000 / rustix::param::clock_ticks_per_second())
}

fn memory_field(name: &str) -> u64 {
    std::fs::read_to_string("/proc/meminfo")
        .unwrap_or_default()
        .lines()
        .find_map(|line| {
            line.strip_prefix(name)?
                .strip_prefix(':')?
                .trim()
                .strip_suffix(" kB")?
                .parse()
                .ok()
        })
        .map_or(0, |kib: u64| kib * 1024)
}

/// The machine's memory in bytes.
pub(crate) fn memory_total() -> u64 {
    memory_field("MemTotal")
}
