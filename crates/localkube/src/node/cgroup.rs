//! Control groups: limits on memory, CPU and processes of a container, and what it uses.
//!
//! Both layouts that Linux has are written for: version 2 (one tree) and version 1 (one tree a
//! controller, as on hosts that mix both). Groups are made below the one that this process is in,
//! `catalyst-<instance>/<pod uid>/<container>`. Where the kernel does not let us, containers run
//! without limits and are measured through `/proc`.

use std::io;
use std::path::{Path, PathBuf};

const ROOT: &str = "/sys/fs/cgroup";

/// Processes and threads that one container may have; a fork bomb ends there.
const PIDS_MAX: u64 = 8192;

/// Where the node's groups are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cgroups {
    /// Version 2.
    Unified(PathBuf),
    /// Version 1: the folders of those controllers that are there.
    Split(Split),
    /// None that may be written.
    None,
}

/// The folders of version 1's controllers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Split {
    memory: Option<PathBuf>,
    cpu: Option<PathBuf>,
    cpuacct: Option<PathBuf>,
    pids: Option<PathBuf>,
}

impl Split {
    fn all(&self) -> impl Iterator<Item = &PathBuf> {
        [&self.memory, &self.cpu, &self.cpuacct, &self.pids]
            .into_iter()
            .flatten()
    }

    fn below(&self, name: &str) -> Self {
        let join = |folder: &Option<PathBuf>| folder.as_ref().map(|folder| folder.join(name));
        Self {
            memory: join(&self.memory),
            cpu: join(&self.cpu),
            cpuacct: join(&self.cpuacct),
            pids: join(&self.pids),
        }
    }
}

/// What a container may use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Limits {
    pub memory_bytes: Option<u64>,
    pub cpu_millicores: Option<u64>,
}

impl Cgroups {
    /// Make the node's own group, if the kernel lets us, and end what an earlier process of the
    /// same instance left in it.
    pub fn open(instance: &str) -> Self {
        let name = format!("catalyst-{instance}");
        let own = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let split = split_layout(&own, &name);
        if split.memory.is_some() || split.cpuacct.is_some() {
            let opened = Self::Split(split);
            opened.clear();
            return opened;
        }
        match unified_layout(&own, &name) {
            Ok(folder) => {
                let opened = Self::Unified(folder);
                opened.clear();
                opened
            }
            Err(error) => {
                tracing::debug!(%error, "no control group can be made");
                Self::None
            }
        }
    }

    /// Whether memory limits are enforced.
    pub fn limits_memory(&self) -> bool {
        match self {
            Self::Unified(_) => true,
            Self::Split(split) => split.memory.is_some(),
            Self::None => false,
        }
    }

    /// Make the group of a container. Processes join it through [`Group::entries`].
    pub fn make(&self, pod: &str, container: &str, limits: Limits) -> io::Result<Group> {
        let group = Group(match self {
            Self::Unified(folder) => {
                let pod = folder.join(pod);
                std::fs::create_dir_all(&pod)?;
                enable_controllers(&pod)?;
                Self::Unified(pod.join(container))
            }
            Self::Split(split) => Self::Split(split.below(pod).below(container)),
            Self::None => Self::None,
        });
        for folder in group.folders() {
            std::fs::create_dir_all(folder)?;
        }
        group.limit(limits)?;
        Ok(group)
    }

    /// Remove the groups of a pod whose processes have ended.
    pub fn remove_pod(&self, pod: &str) {
        for folder in self.folders() {
            remove(&folder.join(pod));
        }
    }

    /// End every process in the node's groups and remove them.
    pub fn clear(&self) {
        for folder in self.folders() {
            for pod in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
                if pod.path().is_dir() {
                    kill_all(&pod.path());
                    remove(&pod.path());
                }
            }
        }
    }

    /// Remove the node's own group.
    pub fn close(&self) {
        self.clear();
        for folder in self.folders() {
            remove(&folder);
        }
    }

    fn folders(&self) -> Vec<PathBuf> {
        match self {
            Self::Unified(folder) => vec![folder.clone()],
            Self::Split(split) => split.all().cloned().collect(),
            Self::None => Vec::new(),
        }
    }
}

/// The group of one container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group(Cgroups);

impl Group {
    /// The files that a process writes `0` to, to join.
    pub fn entries(&self) -> Vec<PathBuf> {
        self.folders()
            .iter()
            .map(|folder| folder.join("cgroup.procs"))
            .collect()
    }

    fn folders(&self) -> Vec<PathBuf> {
        self.0.folders()
    }

    fn limit(&self, limits: Limits) -> io::Result<()> {
        match &self.0 {
            Cgroups::Unified(folder) => {
                let memory = limits
                    .memory_bytes
                    .map_or("max".to_owned(), |b| b.to_string());
                std::fs::write(folder.join("memory.max"), memory)?;
                if limits.memory_bytes.is_some() {
                    write_if_there(&folder.join("memory.swap.max"), "0")?;
                }
                let cpu = limits.cpu_millicores.map_or("max 100000".to_owned(), |m| {
                    format!("{} 100000", (m * 100).max(1000))
                });
                write_if_there(&folder.join("cpu.max"), &cpu)?;
                write_if_there(&folder.join("pids.max"), &PIDS_MAX.to_string())
            }
            Cgroups::Split(split) => {
                if let (Some(folder), Some(bytes)) = (&split.memory, limits.memory_bytes) {
                    std::fs::write(folder.join("memory.limit_in_bytes"), bytes.to_string())?;
                    write_if_there(
                        &folder.join("memory.memsw.limit_in_bytes"),
                        &bytes.to_string(),
                    )?;
                }
                if let (Some(folder), Some(millicores)) = (&split.cpu, limits.cpu_millicores) {
                    let quota = (millicores * 100).max(1000).to_string();
                    write_if_there(&folder.join("cpu.cfs_period_us"), "100000")?;
                    write_if_there(&folder.join("cpu.cfs_quota_us"), &quota)?;
                }
                if let Some(folder) = &split.pids {
                    write_if_there(&folder.join("pids.max"), &PIDS_MAX.to_string())?;
                }
                Ok(())
            }
            Cgroups::None => Ok(()),
        }
    }

    /// How many processes the kernel has ended here for lack of memory.
    pub fn oom_kills(&self) -> u64 {
        let (file, key) = match &self.0 {
            Cgroups::Unified(folder) => (folder.join("memory.events"), "oom_kill"),
            Cgroups::Split(Split {
                memory: Some(folder),
                ..
            }) => (folder.join("memory.oom_control"), "oom_kill"),
            _ => return 0,
        };
        field(&file, key).unwrap_or(0)
    }

    /// CPU time used so far, in microseconds.
    pub fn cpu_micros(&self) -> Option<u64> {
        match &self.0 {
            Cgroups::Unified(folder) => field(&folder.join("cpu.stat"), "usage_usec"),
            Cgroups::Split(split) => {
                number(&split.cpuacct.as_ref()?.join("cpuacct.usage")).map(|nanos| nanos / 1000)
            }
            Cgroups::None => None,
        }
    }

    /// Memory in use, as Kubernetes counts it (the working set: without file cache that can go).
    pub fn memory_bytes(&self) -> Option<u64> {
        let (used, cache) = match &self.0 {
            Cgroups::Unified(folder) => (
                number(&folder.join("memory.current"))?,
                field(&folder.join("memory.stat"), "inactive_file"),
            ),
            Cgroups::Split(split) => {
                let folder = split.memory.as_ref()?;
                (
                    number(&folder.join("memory.usage_in_bytes"))?,
                    field(&folder.join("memory.stat"), "total_inactive_file"),
                )
            }
            Cgroups::None => return None,
        };
        Some(used.saturating_sub(cache.unwrap_or(0)))
    }

    /// Remove it once its processes have ended.
    pub fn remove(&self) {
        for folder in self.folders() {
            remove(&folder);
        }
    }
}

fn split_layout(own: &str, name: &str) -> Split {
    let make = |controller: &str| -> Option<PathBuf> {
        let path = own.lines().find_map(|line| {
            let mut parts = line.splitn(3, ':').skip(1);
            let names = parts.next()?;
            names
                .split(',')
                .any(|n| n == controller)
                .then(|| parts.next())
                .flatten()
        })?;
        let tree = Path::new(ROOT).join(controller);
        // Inside a container the path may be the host's, which is not visible here.
        [tree.join(path.trim_start_matches('/')), tree]
            .into_iter()
            .map(|parent| parent.join(name))
            .find(|folder| std::fs::create_dir_all(folder).is_ok())
    };
    Split {
        memory: make("memory"),
        cpu: make("cpu"),
        cpuacct: make("cpuacct"),
        pids: make("pids"),
    }
}

/// Version 2: a group may hold either processes or groups with limits, so the node's group is
/// made next to this process where it may, and else below the tree's root.
fn unified_layout(own: &str, name: &str) -> io::Result<PathBuf> {
    let path = own
        .lines()
        .find_map(|line| line.strip_prefix("0::"))
        .ok_or_else(|| {
            io::Error::new(io::ErrorKind::NotFound, "no cgroup v2 in /proc/self/cgroup")
        })?;
    let here = Path::new(ROOT).join(path.trim_start_matches('/'));
    let parent = here
        .parent()
        .filter(|_| here != Path::new(ROOT))
        .unwrap_or(&here);
    let mut failed = io::Error::new(io::ErrorKind::NotFound, "no cgroup v2 tree");
    for parent in [parent, here.as_path()] {
        let folder = parent.join(name);
        let made = std::fs::create_dir_all(&folder)
            .and_then(|()| enable_controllers(parent))
            .and_then(|()| enable_controllers(&folder));
        match made {
            Ok(()) => return Ok(folder),
            Err(error) => {
                remove(&folder);
                failed = error;
            }
        }
    }
    Err(failed)
}

fn enable_controllers(folder: &Path) -> io::Result<()> {
    std::fs::write(folder.join("cgroup.subtree_control"), "+memory +pids")?;
    // CPU limits are welcome, not needed.
    let _ = std::fs::write(folder.join("cgroup.subtree_control"), "+cpu");
    Ok(())
}

fn write_if_there(file: &Path, value: &str) -> io::Result<()> {
    if file.exists() {
        std::fs::write(file, value)
    } else {
        Ok(())
    }
}

fn number(file: &Path) -> Option<u64> {
    std::fs::read_to_string(file).ok()?.trim().parse().ok()
}

fn field(file: &Path, key: &str) -> Option<u64> {
    std::fs::read_to_string(file)
        .ok()?
        .lines()
        .find_map(|line| {
            let (name, value) = line.split_once(' ')?;
            (name == key).then(|| value.trim().parse().ok()).flatten()
        })
}

fn children(folder: &Path) -> impl Iterator<Item = PathBuf> {
    std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
}

fn kill_all(folder: &Path) {
    for child in children(folder) {
        kill_all(&child);
    }
    let pids = std::fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
    for pid in pids.lines().filter_map(|pid| pid.parse().ok()) {
        if let Some(pid) = rustix::process::Pid::from_raw(pid) {
            // It may have ended by itself.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
}

/// Remove a group and those below. One that still has a process stays, and is cleared when the
/// node starts again.
fn remove(folder: &Path) {
    for child in children(folder) {
        remove(&child);
    }
    if let Err(error) = std::fs::remove_dir(folder)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::debug!(%error, folder = %folder.display(), "a control group stays for now");
    }
}
