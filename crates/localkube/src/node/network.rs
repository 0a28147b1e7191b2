//! A pod's own network: a namespace held by a small sleeping process, a way out through
//! `slirp4netns`, rules in nftables, and sockets that the node makes inside.
//!
//! The node reaches into a pod by making a socket in its namespace and using it from outside: a
//! connection to a pod takes no detour, needs no port on the host, and nothing else on the host
//! can take it.

use std::fs::File;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use command_fds::{CommandFdExt, FdMapping};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::process::Command;

use super::child::OwnChild;
use super::holder::{Entrance, Holder};
use super::host::Host;
use super::pod::lock;

/// All pods' addresses.
pub(crate) const POD_RANGE: &str = "10.42.0.0/16";
/// How many pods the node can give a network.
pub(crate) const SUBNETS: u16 = 512;
/// How long a step of the set-up may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Why a pod got no network.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NetworkError {
    #[error("cannot start {program}")]
    Spawn {
        program: &'static str,
        source: io::Error,
    },
    #[error("{program} did not make the pod's network: {message}")]
    Refused {
        program: &'static str,
        message: String,
    },
    #[error("the process that holds the pod's network has ended")]
    HolderGone(#[source] io::Error),
    #[error("cannot make sockets in the pod's network (this needs root here)")]
    Enter(#[source] io::Error),
}

/// The addresses of one pod: half of a /24 of [`POD_RANGE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Subnet(u16);

impl Subnet {
    /// By its number, below [`SUBNETS`].
    pub fn new(index: u16) -> Self {
        Self(index % SUBNETS)
    }

    fn host(self, last: u8) -> Ipv4Addr {
        let half = if self.0.is_multiple_of(2) { 0 } else { 128 };
        let third = u8::try_from(self.0 / 2).unwrap_or(u8::MAX);
        Ipv4Addr::new(10, 42, third, half + last)
    }

    /// As `10.42.0.128/25`.
    pub fn cidr(self) -> String {
        format!("{}/25", self.host(0))
    }

    /// The bits of an address that tell a subnet's hosts apart.
    pub const HOST_BITS: Ipv4Addr = Ipv4Addr::new(0, 0, 0, 127);
    /// Those bits of every pod's own address.
    pub const POD_BITS: Ipv4Addr = Ipv4Addr::new(0, 0, 0, 100);

    /// The pod's own address.
    pub fn pod(self) -> Ipv4Addr {
        self.host(Self::POD_BITS.octets()[3])
    }

    /// Where slirp4netns answers DNS.
    pub fn dns(self) -> Ipv4Addr {
        self.host(3)
    }
}

/// See the module. Dropping it ends its processes; [`PodNetwork::close`] also waits for them.
pub(crate) struct PodNetwork {
    pub subnet: Subnet,
    holder: Holder,
    slirp: OwnChild,
    namespace: Namespace,
    /// The script that was applied last.
    rules: Mutex<String>,
    nft: Option<std::path::PathBuf>,
    nsenter: std::path::PathBuf,
}

/// A handle to make sockets in a pod's network namespace; it can outlive the pod's processes.
#[derive(Clone)]
pub(crate) struct Namespace {
    file: Arc<File>,
    address: Ipv4Addr,
    sockets: super::thread::Worker,
}

impl PodNetwork {
    /// Make the namespace and its way out. `folder` takes slirp4netns's messages.
    pub async fn create(
        host: &Host,
        subnet: Subnet,
        hostname: &str,
        folder: &Path,
    ) -> Result<Self, NetworkError> {
        let holder = Holder::start(host, hostname).await?;
        let slirp = start_slirp(host, subnet, holder.pid(), folder).await?;
        let file = holder.namespace("net").map_err(NetworkError::HolderGone)?;
        let network = Self {
            subnet,
            slirp,
            namespace: Namespace {
                file: Arc::new(file),
                address: subnet.pod(),
                sockets: host.sockets.clone(),
            },
            holder,
            rules: Mutex::default(),
            nft: host.tools.nft.clone(),
            nsenter: host.tools.nsenter.clone(),
        };
        // Containers have no capability, and still listen on 80 as they do in images.
        network
            .inside(
                "/bin/sh",
                &[
                    "-c",
                    "echo 0 > /proc/sys/net/ipv4/ip_unprivileged_port_start",
                ],
                "",
            )
            .await?;
        Ok(network)
    }

    /// The way into the pod's namespaces.
    pub fn enter(&self) -> io::Result<Entrance> {
        self.holder.enter(&["user", "net", "uts", "ipc"])
    }

    /// The handle for sockets.
    pub fn namespace(&self) -> Namespace {
        self.namespace.clone()
    }

    /// Listen inside of the pod's network.
    pub async fn listen(&self, address: IpAddr, port: u16) -> io::Result<TcpListener> {
        self.namespace.listen(SocketAddr::new(address, port)).await
    }

    /// Replace the rules with an nftables script. Nothing happens where `nft` is missing, which
    /// the node has said at its start.
    pub async fn apply_rules(&self, script: &str) -> Result<(), NetworkError> {
        let Some(nft) = &self.nft else { return Ok(()) };
        if *lock(&self.rules) == script {
            return Ok(());
        }
        self.inside(&nft.display().to_string(), &["-f", "-"], script)
            .await?;
        script.clone_into(&mut lock(&self.rules));
        Ok(())
    }

    async fn inside(
        &self,
        program: &str,
        arguments: &[&str],
        input: &str,
    ) -> Result<(), NetworkError> {
        let spawn = |source| NetworkError::Spawn {
            program: "nsenter",
            source,
        };
        let entrance = self.holder.enter(&["user", "net"]);
        let entrance = entrance.map_err(NetworkError::HolderGone)?;
        let mut child = Command::new(&self.nsenter)
            .args(&entrance.arguments)
            .arg(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(spawn)?;
        if let Some(mut stdin) = child.stdin.take() {
            // A program that refuses its input says why on its standard error.
            let _ = stdin.write_all(input.as_bytes()).await;
        }
        let output = timed("nsenter", child.wait_with_output()).await?;
        if output.status.success() {
            return Ok(());
        }
        Err(NetworkError::Refused {
            program: "nsenter",
            message: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        })
    }

    /// End its processes and wait until they are gone.
    pub async fn close(self) {
        tokio::join!(self.slirp.end(), self.holder.end());
    }
}

impl Namespace {
    /// The pod's address.
    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// Connect to a port of the pod.
    pub async fn connect(&self, port: u16) -> io::Result<TcpStream> {
        let socket = self.socket().await?;
        let stream = socket.connect((self.address, port).into()).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// Listen inside of the pod's network.
    pub async fn listen(&self, address: SocketAddr) -> io::Result<TcpListener> {
        let socket = self.socket().await?;
        socket.bind(address)?;
        socket.listen(128)
    }

    async fn socket(&self) -> io::Result<TcpSocket> {
        let file = self.file.clone();
        self.sockets
            .run(move || {
                let home = File::open("/proc/thread-self/ns/net")?;
                let network = Some(LinkNameSpaceType::Network);
                move_into_link_name_space(file.as_fd(), network)?;
                let socket = TcpSocket::new_v4();
                // Failing to return would put the next socket into a stranger's network.
                if let Err(error) = move_into_link_name_space(home.as_fd(), network) {
                    tracing::error!(%error, "the socket thread cannot leave a pod's network");
                    std::process::abort();
                }
                socket
            })
            .await
    }
}

/// The process id that `bwrap --info-fd` tells; none where it ended before.
pub(crate) async fn read_child_pid(info: io::PipeReader) -> io::Result<Option<i32>> {
    let mut receiver = tokio::net::unix::pipe::Receiver::from_owned_fd(info.into())?;
    let mut text = String::new();
    receiver.read_to_string(&mut text).await?;
    let info: Value = serde_json::from_str(&text).unwrap_or_default();
    Ok(info["child-pid"]
        .as_i64()
        .and_then(|pid| i32::try_from(pid).ok()))
}

async fn start_slirp(
    host: &Host,
    subnet: Subnet,
    pid: i32,
    folder: &Path,
) -> Result<OwnChild, NetworkError> {
    let program = "slirp4netns";
    let spawn = |source| NetworkError::Spawn { program, source };
    let (ready, ready_writer) = io::pipe().map_err(spawn)?;
    let log_file = folder.join("slirp4netns.log");
    let log = File::create(&log_file).map_err(spawn)?;
    let mut command = match &host.tools.unshare {
        None => Command::new(&host.tools.slirp),
        Some(unshare) => {
            // Its sandbox takes mounts away, which would spread to the whole machine's.
            let mut command = Command::new(unshare);
            command.args(["--mount", "--propagation", "private", "--"]);
            command.arg(&host.tools.slirp);
            command
        }
    };
    // It ends when its standard input closes, which happens even where this process is killed.
    command
        .args([
            "--configure",
            "--mtu=65520",
            "--disable-host-loopback",
            "--enable-sandbox",
        ])
        .args(["--exit-fd=0", "--ready-fd=3"])
        .arg(format!("--cidr={}", subnet.cidr()))
        .args([&pid.to_string(), "tap0"])
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(log)
        .kill_on_drop(true)
        .fd_mappings(vec![FdMapping {
            parent_fd: ready_writer.into(),
            child_fd: 3,
        }])
        .map_err(|source| spawn(io::Error::other(source)))?;
    let child = host.spawner.run(move || command.spawn()).await;
    let child = OwnChild::new(child.map_err(spawn)?);
    let mut receiver =
        tokio::net::unix::pipe::Receiver::from_owned_fd(ready.into()).map_err(spawn)?;
    let mut byte = [0];
    if timed(program, receiver.read(&mut byte)).await? == 1 {
        return Ok(child);
    }
    let message = std::fs::read_to_string(&log_file).unwrap_or_default();
    Err(NetworkError::Refused {
        program,
        message: message.trim().to_owned(),
    })
}

pub(crate) async fn timed<T>(
    program: &'static str,
    step: impl Future<Output = io::Result<T>>,
) -> Result<T, NetworkError> {
    match tokio::time::timeout(PATIENCE, step).await {
        Ok(done) => done.map_err(|source| NetworkError::Spawn { program, source }),
        Err(_) => Err(NetworkError::Refused {
            program,
            message: format!("no answer within {} s", PATIENCE.as_secs()),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pod_has_half_of_a_24() {
        assert_eq!(Subnet::new(0).cidr(), "10.42.0.0/25");
        assert_eq!(Subnet::new(3).cidr(), "10.42.1.128/25");
        assert_eq!(Subnet::new(3).pod(), Ipv4Addr::new(10, 42, 1, 228));
        assert_eq!(Subnet::new(511).dns(), Ipv4Addr::new(10, 42, 255, 131));
    }
}
