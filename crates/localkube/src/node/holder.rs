//! The process that keeps a pod's namespaces: `sleep`, seeing nothing but the system's folders.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::Stdio;

use command_fds::{CommandFdExt, FdMapping};
use rustix::process::{Pid, PidfdFlags, Signal};
use tokio::io::AsyncReadExt;
use tokio::process::Command;

use super::child::OwnChild;
use super::host::Host;
use super::network::{NetworkError, read_child_pid, timed};
use super::process::{STANDS, first_byte};
use super::toolchains::system_mounts;

/// See the module. Dropping it ends it; [`Holder::end`] also waits for that.
pub(crate) struct Holder {
    /// What made the namespaces and waits for the process in them.
    child: OwnChild,
    pid: Pid,
    /// Refers to it even after its number was given to another process.
    pidfd: OwnedFd,
}

/// Files of the namespaces, open as long as `nsenter` may look for them.
pub(crate) struct Entrance {
    /// Arguments of `nsenter` that name them.
    pub arguments: Vec<String>,
    _files: Vec<File>,
}

impl Holder {
    /// Start it; it stands, with a loopback interface, when this returns.
    pub async fn start(host: &Host, hostname: &str) -> Result<Self, NetworkError> {
        let program = "bwrap";
        let spawn = |source| NetworkError::Spawn { program, source };
        let (info, info_writer) = io::pipe().map_err(spawn)?;
        let (stands, stands_writer) = io::pipe().map_err(spawn)?;
        let files = [(3, stands_writer), (4, info_writer)].map(|(child_fd, pipe)| FdMapping {
            parent_fd: pipe.into(),
            child_fd,
        });
        let mut command = command(host, hostname);
        command
            .fd_mappings(files.into())
            .map_err(|source| spawn(io::Error::other(source)))?;
        let child = host.spawner.run(move || command.spawn()).await;
        let mut child = OwnChild::new(child.map_err(spawn)?);
        let pid = timed(program, read_child_pid(info)).await?;
        // It brings the loopback interface up after it tells its number, and fails at that where
        // slirp4netns, which needs no more than the number, was faster.
        let stands = timed(program, first_byte(stands)).await?;
        if let Some(pid) = pid.and_then(Pid::from_raw)
            && stands.is_some()
        {
            let pidfd = rustix::process::pidfd_open(pid, PidfdFlags::empty())
                .map_err(|source| NetworkError::HolderGone(source.into()))?;
            return Ok(Self { child, pid, pidfd });
        }
        let mut message = String::new();
        if let Some(mut stderr) = child.stderr.take() {
            timed(program, stderr.read_to_string(&mut message)).await?;
        }
        Err(NetworkError::Refused {
            program,
            message: message.trim().to_owned(),
        })
    }

    /// Its number, which is its own as long as [`Holder::check`] succeeds.
    pub fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// Fails where it has ended, as when somebody has killed it.
    pub fn check(&self) -> io::Result<()> {
        // `sleep` is the first process of its namespace, to which this signal means nothing.
        Ok(rustix::process::pidfd_send_signal(
            &self.pidfd,
            Signal::CONT,
        )?)
    }

    /// One of its namespaces, such as `net`.
    pub fn namespace(&self, kind: &str) -> io::Result<File> {
        let file = File::open(format!("/proc/{}/ns/{kind}", self.pid()))?;
        // It is there still, so that the number was its own.
        self.check()?;
        Ok(file)
    }

    /// The way into some of its namespaces.
    pub fn enter(&self, kinds: &[&str]) -> io::Result<Entrance> {
        let files = kinds.iter().map(|kind| self.namespace(kind));
        let files: Vec<File> = files.collect::<io::Result<_>>()?;
        let own = std::process::id();
        let name =
            |(kind, file): (&&str, &File)| format!("--{kind}=/proc/{own}/fd/{}", file.as_raw_fd());
        let mut arguments: Vec<String> = kinds.iter().zip(&files).map(name).collect();
        arguments.extend(["--preserve-credentials", "--"].map(str::to_owned));
        Ok(Entrance {
            arguments,
            _files: files,
        })
    }

    /// End it, and wait until it is gone.
    pub async fn end(self) {
        // What made the namespaces ends with it, having waited for it.
        let _ = rustix::process::pidfd_send_signal(&self.pidfd, Signal::KILL);
        self.child.wait_or_end().await;
    }
}

fn command(host: &Host, hostname: &str) -> Command {
    let mut command = Command::new(&host.tools.bwrap);
    command
        .args(["--unshare-user", "--unshare-net", "--unshare-ipc"])
        .args(["--unshare-uts", "--unshare-pid", "--as-pid-1"])
        .args(["--die-with-parent", "--new-session", "--cap-drop", "ALL"])
        .args(["--uid", "0", "--gid", "0", "--hostname", hostname])
        .args(["--info-fd", "4"]);
    for mount in system_mounts() {
        command.args(mount);
    }
    command
        .args(["--", "/bin/sh", "-c", STANDS, "sh"])
        .args(["/bin/sleep", "infinity"])
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}
