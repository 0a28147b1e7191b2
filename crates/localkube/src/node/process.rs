//! Starting a container's process in its sandbox, signalling it, and waiting for its end.

use std::collections::BTreeMap;
use std::io::{self, Seek, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use command_fds::{CommandFdExt, FdMapping};
use rustix::fs::MemfdFlags;
use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::process::{ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::sync::watch;

use super::cgroup::Group;
use super::host::{Host, Isolation};
use super::listeners::Family;
use super::network::{PodNetwork, read_child_pid};
use super::toolchains::system_mounts;

/// What every sandbox is made with: own users, processes and session; no capability, no way to
/// get one, and an end when the node ends.
pub(crate) const SANDBOX: &[&str] = &[
    "--unshare-user",
    "--disable-userns",
    "--unshare-pid",
    "--unshare-cgroup-try",
    "--cap-drop",
    "ALL",
    "--new-session",
    "--die-with-parent",
];

/// Joins the control groups named before `--`, then becomes the rest of its arguments. Whoever starts
/// Catalyst in the background may have it ignore signals such as that of Ctrl-C, which is inherited.
pub(crate) const JOIN: &str = r#"while [ "$1" != -- ]; do echo 0 > "$1" || exit 125; shift; done
shift; exec /usr/bin/env --default-signal "$@""#;

/// The first thing inside of a sandbox: says on file 3 that it stands, closes it, and becomes the
/// container's program.
pub(crate) const STANDS: &str = r#"echo >&3; exec 3>&-; exec "$@""#;

/// Files of the host's `/etc` that programs look for and that hold nothing secret.
const ETC: &[&str] = &[
    "ssl",
    "pki",
    "ca-certificates",
    "ca-certificates.conf",
    "alternatives",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "timezone",
    "mime.types",
    "protocols",
    "services",
    "fonts",
    "nsswitch.conf",
    "magic",
    "debian_version",
    "os-release",
    "java",
    "perl",
    "python3",
];

/// One folder or file of the host inside of a container.
#[derive(Debug)]
pub(crate) struct Mount {
    pub source: MountSource,
    /// Where it appears; absolute.
    pub target: PathBuf,
    pub read_only: bool,
}

/// Where a mount comes from.
#[derive(Debug)]
pub(crate) enum MountSource {
    Path(PathBuf),
    /// Opened beforehand, so that what was checked is what is mounted.
    Open(OwnedFd),
}

/// Everything that is needed to start a container.
#[derive(Debug)]
pub(crate) struct Launch {
    /// Program and arguments; never empty.
    pub command: Vec<String>,
    pub env: BTreeMap<String, String>,
    pub working_dir: PathBuf,
    /// The container's own root folder; what is written outside of volumes lands here.
    pub root: PathBuf,
    /// The pod's own files for `/etc`.
    pub etc: PathBuf,
    pub mounts: Vec<Mount>,
    pub uid: u32,
    pub gid: u32,
    pub read_only_root: bool,
    pub stdin: bool,
    pub group: Group,
}

/// A container that was started.
pub(crate) struct Started {
    pub process: Arc<Process>,
    pub stdin: Option<ChildStdin>,
    pub stdout: Option<ChildStdout>,
    pub stderr: Option<ChildStderr>,
}

/// The process of a container, for everyone who signals it or waits for it.
#[derive(Debug)]
pub(crate) struct Process {
    /// The first process of the container's process namespace (without a sandbox: the leader of
    /// its process group), in the host's numbering.
    pub leader: Pid,
    pub group: Group,
    /// Refers to the leader even after its number was given to another process.
    pidfd: OwnedFd,
    exit: watch::Receiver<Option<i32>>,
    /// What brings another process into the sandbox; none without one.
    pub enter: Option<Enter>,
    oom_kills_before: u64,
    killed_by_us: Mutex<bool>,
}

/// How a command gets into a running container.
#[derive(Debug, Clone)]
pub(crate) struct Enter {
    pub nsenter: PathBuf,
    pub uid: u32,
}

impl Process {
    /// The exit code once it has ended (128 + signal where a signal ended it).
    pub async fn exited(&self) -> i32 {
        let mut exit = self.exit.clone();
        match exit.wait_for(Option::is_some).await {
            Ok(code) => code.unwrap_or(137),
            // The waiter went with the node.
            Err(_) => 137,
        }
    }

    /// Whether it has ended.
    pub fn has_exited(&self) -> bool {
        self.exit.borrow().is_some()
    }

    /// Ask it to end: SIGTERM to all of its process group, as a terminal would.
    pub fn terminate(&self) {
        if !self.has_exited() {
            // Inside a sandbox the leader is the sandbox's own and takes no notice.
            let _ = rustix::process::kill_process_group(self.leader, Signal::TERM);
        }
    }

    /// End it and everything it started, now.
    pub fn kill(&self) {
        *self
            .killed_by_us
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = true;
        if self.enter.is_none() && !self.has_exited() {
            let _ = rustix::process::kill_process_group(self.leader, Signal::KILL);
        }
        // With the first process of a namespace the kernel ends all others.
        let _ = rustix::process::pidfd_send_signal(&self.pidfd, Signal::KILL);
    }

    /// Wait until nothing of the sandbox runs any more: its program may leave others behind, which
    /// still write to the pod's files when whoever started the sandbox has heard of its end.
    async fn rest_ended(&self) -> io::Result<()> {
        if self.enter.is_none() {
            return Ok(());
        }
        // It may have ended with its program.
        let _ = rustix::process::pidfd_send_signal(&self.pidfd, Signal::KILL);
        // The first process of a namespace ends after all others. Its file is ready like a pipe.
        let ends = pipe::Receiver::from_owned_fd_unchecked(self.pidfd.try_clone()?)?;
        ends.readable().await?;
        // Its parent may have gone before it; where it is ours now, nobody else waits for it.
        let whom = WaitId::PidFd(self.pidfd.as_fd());
        let _ = rustix::process::waitid(whom, WaitIdOptions::EXITED | WaitIdOptions::NOHANG);
        Ok(())
    }

    /// The processes of the container.
    pub fn family(&self) -> io::Result<Family> {
        match self.enter {
            Some(_) => Family::of_namespace(self.leader),
            None => Ok(Family::Below(self.leader)),
        }
    }

    /// Whether the kernel ended it for lack of memory.
    pub fn ran_out_of_memory(&self, exit_code: i32) -> bool {
        let killed_by_us = *self
            .killed_by_us
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        exit_code != 0 && !killed_by_us && self.group.oom_kills() > self.oom_kills_before
    }
}

/// Start a container.
pub(crate) async fn start(
    host: &Host,
    network: Option<&PodNetwork>,
    launch: Launch,
) -> io::Result<Started> {
    if host.isolation == Isolation::None {
        return start_plain(host, launch).await;
    }
    let mut fds = Vec::new();
    let (stands, stands_writer) = io::pipe()?;
    pass(&mut fds, stands_writer.into())?;
    let mut arguments: Vec<String> = SANDBOX.iter().map(|&word| word.to_owned()).collect();
    arguments.extend(sandbox_arguments(&launch, &mut fds)?);
    let (info, info_writer) = io::pipe()?;
    let info_fd = pass(&mut fds, info_writer.into())?;
    arguments.extend(["--info-fd".to_owned(), info_fd.to_string()]);
    if let Some(filter) = &host.seccomp {
        let fd = pass(&mut fds, in_memory("seccomp", filter)?)?;
        arguments.extend(["--seccomp".to_owned(), fd.to_string()]);
    }
    let bytes: Vec<u8> = arguments
        .iter()
        .flat_map(|word| [word.as_bytes(), b"\0"].concat())
        .collect();
    let arguments_fd = pass(&mut fds, in_memory("arguments", &bytes)?)?;

    let mut command = joining(&launch.group);
    let entrance = network.map(PodNetwork::enter).transpose()?;
    if let Some(entrance) = &entrance {
        command.arg(&host.tools.nsenter).args(&entrance.arguments);
    }
    command
        .arg(&host.tools.bwrap)
        .args(["--args", &arguments_fd.to_string(), "--"])
        .args(["/bin/sh", "-c", STANDS, "sh"])
        .args(&launch.command)
        .fd_mappings(fds)
        .map_err(io::Error::other)?;
    let child = spawn(host, command, launch.stdin).await?;
    let leader = read_child_pid(info).await?.and_then(Pid::from_raw);
    let stands = first_byte(stands).await?;
    let (Some(leader), Some(_)) = (leader, stands) else {
        return Err(io::Error::other(first_words(child).await));
    };
    let enter = Enter {
        nsenter: host.tools.nsenter.clone(),
        uid: launch.uid,
    };
    started(child, leader, launch, Some(enter))
}

/// The first byte from a pipe; none where it was closed without one.
pub(crate) async fn first_byte(pipe: io::PipeReader) -> io::Result<Option<u8>> {
    let mut pipe = pipe::Receiver::from_owned_fd(pipe.into())?;
    let mut byte = [0];
    Ok((pipe.read(&mut byte).await? == 1).then_some(byte[0]))
}

/// Without a sandbox: a process in its own session that ends with the node.
async fn start_plain(host: &Host, launch: Launch) -> io::Result<Started> {
    let mut command = joining(&launch.group);
    command
        .args([
            "/usr/bin/setpriv",
            "--pdeathsig",
            "KILL",
            "--no-new-privs",
            "--",
        ])
        .args(["/usr/bin/setsid", "--wait"]);
    command
        .args(["/usr/bin/env", "-i"])
        .args(
            launch
                .env
                .iter()
                .map(|(name, value)| format!("{name}={value}")),
        )
        .args(&launch.command)
        .current_dir(&launch.working_dir)
        .process_group(0);
    let child = spawn(host, command, launch.stdin).await?;
    let leader = child
        .id()
        .and_then(|id| Pid::from_raw(i32::try_from(id).ok()?))
        .ok_or_else(|| io::Error::other("the process ended at once"))?;
    started(child, leader, launch, None)
}

fn joining(group: &Group) -> Command {
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", JOIN, "sh"])
        .args(group.entries())
        .arg("--")
        .env_clear();
    command
}

async fn spawn(
    host: &Host,
    mut command: Command,
    stdin: bool,
) -> io::Result<tokio::process::Child> {
    command
        .stdin(if stdin { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    host.spawner.run(move || command.spawn()).await
}

fn started(
    mut child: tokio::process::Child,
    leader: Pid,
    launch: Launch,
    enter: Option<Enter>,
) -> io::Result<Started> {
    let pidfd = rustix::process::pidfd_open(leader, PidfdFlags::empty())?;
    let (tell, exit) = watch::channel(None);
    let process = Arc::new(Process {
        leader,
        oom_kills_before: launch.group.oom_kills(),
        group: launch.group,
        pidfd,
        exit,
        enter,
        killed_by_us: Mutex::new(false),
    });
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let waiting = process.clone();
    tokio::spawn(async move {
        let code = match child.wait().await {
            Ok(status) => exit_code(status),
            Err(error) => {
                tracing::error!(%error, "a container's process cannot be waited for");
                137
            }
        };
        if let Err(error) = waiting.rest_ended().await {
            tracing::error!(%error, "what a container left running cannot be waited for");
        }
        tell.send_replace(Some(code));
    });
    Ok(Started {
        process,
        stdin,
        stdout,
        stderr,
    })
}

/// An exit status as a container runtime tells it.
pub(crate) fn exit_code(status: std::process::ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or(9))
}

/// What a sandbox that did not come up has to say.
async fn first_words(child: tokio::process::Child) -> String {
    match child.wait_with_output().await {
        Ok(output) if output.stderr.is_empty() => {
            format!("the sandbox ended at once ({})", output.status)
        }
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        Err(error) => error.to_string(),
    }
}

/// The file system as `bwrap` arguments, and the environment.
fn sandbox_arguments(launch: &Launch, fds: &mut Vec<FdMapping>) -> io::Result<Vec<String>> {
    let mut arguments = Arguments::default();
    arguments.words(&[
        "--uid",
        &launch.uid.to_string(),
        "--gid",
        &launch.gid.to_string(),
    ]);
    arguments.words(&["--bind", &text(&launch.root), "/"]);
    for mount in system_mounts() {
        arguments.words(&mount.each_ref().map(String::as_str));
    }
    arguments.words(&["--proc", "/proc", "--dev", "/dev"]);
    // Without these, user id 0 may write the kernel's settings and read its keys even with no
    // capability at all.
    for path in [
        "/proc/sys",
        "/proc/acpi",
        "/proc/sysrq-trigger",
        "/proc/irq",
        "/proc/bus",
        "/proc/fs",
    ] {
        if Path::new(path).exists() {
            arguments.words(&["--ro-bind", path, path]);
        }
    }
    for path in [
        "/proc/keys",
        "/proc/key-users",
        "/proc/kcore",
        "/proc/kmsg",
        "/proc/timer_list",
        "/proc/mtrr",
    ] {
        if Path::new(path).exists() {
            arguments.words(&["--ro-bind", "/dev/null", path]);
        }
    }
    for name in ETC {
        let path = format!("/etc/{name}");
        if Path::new(&path).exists() {
            arguments.words(&["--ro-bind", &path, &path]);
        }
    }
    for name in [
        "passwd",
        "group",
        "hosts",
        "resolv.conf",
        "nsswitch.conf",
        "hostname",
    ] {
        arguments.words(&[
            "--ro-bind",
            &text(&launch.etc.join(name)),
            &format!("/etc/{name}"),
        ]);
    }
    let mut mounts: Vec<&Mount> = launch.mounts.iter().collect();
    // A mount inside of another comes after it.
    mounts.sort_by_key(|mount| mount.target.components().count());
    for mount in mounts {
        let target = text(&mount.target);
        match &mount.source {
            MountSource::Path(path) => {
                let flag = if mount.read_only {
                    "--ro-bind"
                } else {
                    "--bind"
                };
                arguments.words(&[flag, &text(path), &target]);
            }
            MountSource::Open(fd) => {
                let fd = pass(fds, fd.try_clone()?)?;
                let flag = if mount.read_only {
                    "--ro-bind-fd"
                } else {
                    "--bind-fd"
                };
                arguments.words(&[flag, &fd.to_string(), &target]);
            }
        }
    }
    arguments.words(&["--dir", &text(&launch.working_dir)]);
    if launch.read_only_root {
        arguments.words(&["--remount-ro", "/"]);
    }
    arguments.words(&["--chdir", &text(&launch.working_dir), "--clearenv"]);
    for (name, value) in &launch.env {
        arguments.words(&["--setenv", name, value]);
    }
    Ok(arguments.0)
}

#[derive(Default)]
struct Arguments(Vec<String>);

impl Arguments {
    fn words(&mut self, words: &[&str]) {
        self.0.extend(words.iter().map(|&word| word.to_owned()));
    }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// Pass a file on to the child, as the next number from 3 on.
pub(crate) fn pass(fds: &mut Vec<FdMapping>, file: OwnedFd) -> io::Result<i32> {
    let child_fd = i32::try_from(fds.len() + 3).map_err(io::Error::other)?;
    fds.push(FdMapping {
        parent_fd: file,
        child_fd,
    });
    Ok(child_fd)
}

/// A file that is only in memory, to be read from its start.
pub(crate) fn in_memory(name: &str, content: &[u8]) -> io::Result<OwnedFd> {
    let mut file = std::fs::File::from(rustix::fs::memfd_create(name, MemfdFlags::CLOEXEC)?);
    file.write_all(content)?;
    file.rewind()?;
    Ok(file.into())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::JOIN;

    #[test]
    fn what_is_started_in_a_container_ignores_no_signal() {
        let line =
            r#"trap "" INT QUIT HUP; exec sh -c "$0" sh -- sh -c 'grep SigIgn /proc/$$/status'"#;
        let ended = std::process::Command::new("sh")
            .args(["-c", line, JOIN])
            .output()
            .unwrap();
        let told = String::from_utf8(ended.stdout).unwrap();
        let ignored = told.trim().strip_prefix("SigIgn:").unwrap().trim();
        let ignored = u64::from_str_radix(ignored, 16).unwrap();
        // The C library keeps 32 and 33 for itself.
        assert_eq!(ignored & 0x7fff_ffff, 0, "{told}");
    }
}
