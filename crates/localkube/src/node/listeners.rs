//! Connections to pods that share this machine's network: only to what the pod itself listens on.
//!
//! There all pods have one address, and of two that want a port the second gets none. What answers
//! on it may be another pod, or any program of this machine, so that a connection counts as one to
//! the pod only where the listening socket is held by one of its processes.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use procfs::net::TcpState;
use procfs::process::{FDTarget, all_processes};
use rustix::process::Pid;
use tokio::net::TcpStream;

/// The processes of a container, by what they have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Family {
    /// A process namespace of their own, as `/proc/<pid>/ns/pid` names it.
    Namespace(PathBuf),
    /// A process that they all descend from.
    Below(Pid),
}

impl Family {
    /// Those in the process namespace of a process.
    pub fn of_namespace(pid: Pid) -> io::Result<Self> {
        namespace(pid.as_raw_nonzero().get()).map(Self::Namespace)
    }

    fn has(&self, pid: i32) -> bool {
        match self {
            // A process that just ended is nobody's.
            Self::Namespace(own) => namespace(pid).is_ok_and(|other| other == *own),
            Self::Below(first) => descends(pid, first.as_raw_nonzero().get()),
        }
    }
}

fn namespace(pid: i32) -> io::Result<PathBuf> {
    std::fs::read_link(format!("/proc/{pid}/ns/pid"))
}

fn descends(mut pid: i32, first: i32) -> bool {
    while pid > 0 && pid != first {
        let stat = procfs::process::Process::new(pid).and_then(|process| process.stat());
        pid = stat.map_or(0, |stat| stat.ppid);
    }
    pid == first
}

/// Connect to a port of this machine that one of the families listens on.
pub(crate) async fn connect(port: u16, families: Vec<Family>) -> io::Result<TcpStream> {
    let refused = |why| io::Error::new(io::ErrorKind::ConnectionRefused, why);
    let (sockets, own) = tokio::task::spawn_blocking(move || {
        let sockets = listening(port)?;
        let own = hold_all(&families, &sockets)?;
        Ok::<_, io::Error>((sockets, own))
    })
    .await
    .map_err(io::Error::other)??;
    if sockets.is_empty() {
        return Err(refused("nothing listens on the port"));
    }
    if !own {
        return Err(refused("another program of this machine has the port"));
    }
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    // The same sockets as before: it was one of them that took the connection.
    if listening(port)? != sockets {
        return Err(refused("the port has changed hands"));
    }
    Ok(stream)
}

/// The sockets that a connection to `127.0.0.1` and this port may reach.
fn listening(port: u16) -> io::Result<BTreeSet<u64>> {
    let mut all = procfs::net::tcp().map_err(io::Error::other)?;
    // A kernel without IPv6 has no such table.
    all.extend(procfs::net::tcp6().unwrap_or_default());
    let reached = |address: IpAddr| address.is_unspecified() || address == Ipv4Addr::LOCALHOST;
    Ok(all
        .into_iter()
        .filter(|socket| socket.state == TcpState::Listen && socket.local_address.port() == port)
        .filter(|socket| reached(socket.local_address.ip().to_canonical()))
        .map(|socket| socket.inode)
        .collect())
}

/// Whether processes of the families hold all of the sockets.
fn hold_all(families: &[Family], sockets: &BTreeSet<u64>) -> io::Result<bool> {
    let mut missing = sockets.clone();
    for process in all_processes().map_err(io::Error::other)?.flatten() {
        if !families.iter().any(|family| family.has(process.pid)) {
            continue;
        }
        // It may end while it is looked at.
        for file in process.fd().into_iter().flatten().flatten() {
            if let FDTarget::Socket(inode) = file.target {
                missing.remove(&inode);
            }
        }
    }
    Ok(missing.is_empty())
}
