//! Commands inside of running containers: for exec, for probes and for hooks.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::process::Stdio;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use command_fds::CommandFdExt;
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags};
use rustix::process::{Pid, Signal};
use rustix::pty::OpenptFlags;
use rustix::termios::Winsize;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot};

use super::child::OwnChild;
use super::host::Host;
use super::process::{JOIN, Process, exit_code, in_memory, pass};
use crate::node_api::{ExecOptions, ExecSession, TerminalSize};
use crate::objects::ApiError;

/// Takes the environment from a file that only it reads, then becomes its arguments.
const INSIDE: &str =
    r#". "/proc/self/fd/$1"; eval "exec $1<&-"; cd -- "$2" || exit 126; shift 2; exec "$@""#;

/// Where and how a command runs.
pub(crate) struct Target {
    pub process: Arc<Process>,
    pub env: BTreeMap<String, String>,
    pub working_dir: String,
}

impl Target {
    /// The command that runs `line` inside of the container, with what it reads its environment
    /// from. Nothing of the container's environment reaches a program outside of the sandbox: a
    /// variable such as `LD_PRELOAD` would have it run the container's code.
    fn command(&self, line: &[String], terminal: bool) -> io::Result<Command> {
        let mut fds = Vec::new();
        let env_fd = pass(
            &mut fds,
            in_memory("environment", exports(&self.env).as_bytes())?,
        )?;
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", JOIN, "sh"])
            .args(self.process.group.entries())
            .arg("--");
        if let Some(enter) = &self.process.enter {
            command
                .arg(&enter.nsenter)
                .args(["-t", &self.process.leader.as_raw_nonzero().to_string()])
                .args([
                    "-U",
                    "-m",
                    "-n",
                    "-p",
                    "-u",
                    "-i",
                    "-r",
                    "--preserve-credentials",
                    "--",
                ]);
            command.args(["/usr/bin/setpriv", "--no-new-privs", "--pdeathsig", "KILL"]);
            if enter.uid == 0 {
                // Entering gives the container's root every capability over its namespaces.
                command.args(["--bounding-set", "-all", "--inh-caps", "-all"]);
            }
        } else {
            command.args(["/usr/bin/setpriv", "--no-new-privs", "--pdeathsig", "KILL"]);
        }
        command.arg("/usr/bin/setsid");
        if terminal {
            command.arg("--ctty");
        }
        command
            .args([
                "/bin/sh",
                "-c",
                INSIDE,
                "sh",
                &env_fd.to_string(),
                &self.working_dir,
            ])
            .args(line)
            .env_clear()
            .fd_mappings(fds)
            .map_err(io::Error::other)?;
        Ok(command)
    }
}

/// `export NAME='value'` lines; names that a shell cannot hold are left out.
fn exports(env: &BTreeMap<String, String>) -> String {
    let is_name = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    env.iter()
        .filter(|(name, _)| is_name(name))
        .map(|(name, value)| format!("export {name}='{}'\n", value.replace('\'', r"'\''")))
        .collect()
}

/// Run a command to its end and return its exit code and the first 10 KiB of what it wrote.
pub(crate) async fn run(
    host: &Host,
    target: &Target,
    line: &[String],
    timeout: Duration,
) -> io::Result<(i32, String)> {
    let mut command = target.command(line, false)?;
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut command = Inside::new(host.spawner.run(move || command.spawn()).await?);
    let (stdout, stderr) = (command.child.stdout.take(), command.child.stderr.take());
    let whole = async {
        let (out, err) = tokio::join!(first_bytes(stdout), first_bytes(stderr));
        let code = command.wait().await?;
        Ok((
            code,
            String::from_utf8_lossy(&[out, err].concat()).into_owned(),
        ))
    };
    let done = tokio::time::timeout(timeout, whole).await;
    done.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

async fn first_bytes(from: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    const ENOUGH: usize = 10 * 1024;
    let mut bytes = Vec::new();
    let Some(mut from) = from else { return bytes };
    let mut buffer = [0; 4096];
    // The rest is read and left, so that the command does not block on a full pipe.
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let room = ENOUGH.saturating_sub(bytes.len());
        bytes.extend_from_slice(&buffer[..read.min(room)]);
    }
    bytes
}

/// Start a command for someone who is connected to it. It ends when the session is dropped.
pub(crate) async fn start(
    host: &Host,
    target: &Target,
    options: &ExecOptions,
) -> Result<ExecSession, ApiError> {
    let failed = |error: io::Error| ApiError::Internal(format!("cannot run the command: {error}"));
    let mut command = target
        .command(&options.command, options.tty)
        .map_err(failed)?;
    command.kill_on_drop(true);
    if options.tty {
        let (terminal, inner) = Terminal::open(&target.process).map_err(failed)?;
        let stdio = || inner.try_clone().map(Stdio::from);
        command
            .stdin(stdio().map_err(failed)?)
            .stdout(stdio().map_err(failed)?)
            .stderr(stdio().map_err(failed)?);
        let child = host
            .spawner
            .run(move || command.spawn())
            .await
            .map_err(failed)?;
        drop(inner);
        return terminal.session(child, options).map_err(failed);
    }
    command
        .stdin(if options.stdin {
            Stdio::piped()
        } else {
            Stdio::null()
        })
        .stdout(if options.stdout {
            Stdio::piped()
        } else {
            Stdio::null()
        })
        .stderr(if options.stderr {
            Stdio::piped()
        } else {
            Stdio::null()
        });
    let mut child = host
        .spawner
        .run(move || command.spawn())
        .await
        .map_err(failed)?;
    let stdin = child.stdin.take().map(|stdin| Box::new(stdin) as _);
    let stdout = child.stdout.take();
    let stderr = child.stderr.take();
    let (hold, exit) = wait_in_background(child);
    Ok(ExecSession {
        stdin,
        stdout: stdout.map(|stdout| Box::new(stdout) as _),
        stderr: stderr.map(|stderr| Box::new(stderr) as _),
        resize: None,
        exit: Box::pin(async move {
            let _hold = hold;
            exit.await
                .map_err(|_| ApiError::Internal("the command was ended".to_owned()))
        }),
    })
}

/// Wait for a command in a task that ends it when the returned sender is dropped.
fn wait_in_background(child: Child) -> (oneshot::Sender<()>, oneshot::Receiver<i32>) {
    let (hold, mut dropped) = oneshot::channel::<()>();
    let (tell, exit) = oneshot::channel();
    let mut command = Inside::new(child);
    tokio::spawn(async move {
        let code = tokio::select! {
            code = command.wait() => code.unwrap_or(137),
            _ = &mut dropped => 137,
        };
        // The one who asked may have gone.
        let _ = tell.send(code);
    });
    (hold, exit)
}

/// A command inside of a container. Dropping it ends it and what it started.
struct Inside {
    child: OwnChild,
    /// What brings it into the container, as long as that was not waited for.
    outer: Option<Pid>,
}

impl Inside {
    fn new(child: Child) -> Self {
        let outer = child
            .id()
            .and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        Self {
            child: OwnChild::new(child),
            outer,
        }
    }

    async fn wait(&mut self) -> io::Result<i32> {
        let status = self.child.wait().await?;
        // From here on its number may be another process's.
        self.outer = None;
        Ok(exit_code(status))
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        let Some(outer) = self.outer else { return };
        let outer = outer.as_raw_nonzero();
        let children = std::fs::read_to_string(format!("/proc/{outer}/task/{outer}/children"))
            .unwrap_or_default();
        for pid in children
            .split_whitespace()
            .filter_map(|pid| pid.parse().ok())
        {
            if let Some(pid) = Pid::from_raw(pid) {
                // It leads a session of its own; either call may find it gone.
                let _ = rustix::process::kill_process_group(pid, Signal::KILL);
                let _ = rustix::process::kill_process(pid, Signal::KILL);
            }
        }
    }
}

/// The outer end of a pseudo-terminal of the container's own.
struct Terminal {
    outer: OwnedFd,
}

impl Terminal {
    /// Make a pseudo-terminal in the container's `/dev/pts`, so that programs there find it by
    /// its name. Returns its two ends.
    fn open(process: &Process) -> io::Result<(Self, OwnedFd)> {
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let outer = if process.enter.is_some() {
            let root = format!("/proc/{}/root", process.leader.as_raw_nonzero());
            let root = rustix::fs::open(&root, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
            // The container may have put a link there that leads out of it.
            let resolve =
                ResolveFlags::NO_SYMLINKS | ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
            let path = "dev/pts/ptmx";
            let file = rustix::fs::openat2(root.as_fd(), path, flags, Mode::empty(), resolve)?;
            let kind = FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode);
            if kind != FileType::CharacterDevice {
                return Err(io::Error::other("the container has no /dev/pts/ptmx"));
            }
            file
        } else {
            rustix::fs::open("/dev/ptmx", flags, Mode::empty())?
        };
        rustix::pty::unlockpt(&outer)?;
        let inner = rustix::pty::ioctl_tiocgptpeer(
            &outer,
            OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC,
        )?;
        Ok((Self { outer }, inner))
    }

    fn session(self, child: Child, options: &ExecOptions) -> io::Result<ExecSession> {
        // Read and written like a pipe: both are files that are ready or not.
        let reader = pipe::Receiver::from_owned_fd_unchecked(self.outer.try_clone()?)?;
        let writer = pipe::Sender::from_owned_fd_unchecked(self.outer.try_clone()?)?;
        let (hold, exit) = wait_in_background(child);
        let (resize, mut sizes) = mpsc::channel::<TerminalSize>(4);
        tokio::spawn(async move {
            while let Some(size) = sizes.recv().await {
                let size = Winsize {
                    ws_row: size.height,
                    ws_col: size.width,
                    ws_xpixel: 0,
                    ws_ypixel: 0,
                };
                if let Err(error) = rustix::termios::tcsetwinsize(&self.outer, size) {
                    tracing::debug!(%error, "a terminal was not resized");
                }
            }
        });
        Ok(ExecSession {
            stdin: options.stdin.then(|| Box::new(TerminalInput(writer)) as _),
            stdout: Some(Box::new(TerminalOutput(reader))),
            stderr: None,
            resize: Some(resize),
            exit: Box::pin(async move {
                let _hold = hold;
                exit.await
                    .map_err(|_| ApiError::Internal("the command was ended".to_owned()))
            }),
        })
    }
}

/// What programs write to their terminal. It ends when the last of them has closed it.
struct TerminalOutput(pipe::Receiver);

impl AsyncRead for TerminalOutput {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match ready!(Pin::new(&mut self.0).poll_read(context, buffer)) {
            Err(error) if error.raw_os_error() == Some(libc::EIO) => Poll::Ready(Ok(())),
            read => Poll::Ready(read),
        }
    }
}

/// What is typed into a terminal.
struct TerminalInput(pipe::Sender);

impl AsyncWrite for TerminalInput {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    /// A terminal has no end of input but the character that says so (Ctrl-D).
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0)
            .poll_write(context, &[4])
            .map_ok(|_| ())
    }
}
