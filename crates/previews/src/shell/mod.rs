//! A shell in a preview's container, for a member of the team that owns it.
//!
//! [`Previews::shell`] decides; what it returns is opened once somebody is connected, and carried
//! by [`Shell::carry`] until either side ends it, the rights go, or a limit is reached. Each shell
//! is written into the audit log twice: before it begins, and when it has ended.

mod carry;
mod end;
mod flow;
mod open;

use std::time::Duration;

pub use carry::{FromViewer, ToViewer};
pub use catalyst_cluster::TerminalSize;
pub use end::ShellEnd;
pub use flow::WINDOW;
pub(crate) use open::OpenShells;
pub use open::{Shell, ShellRequest, ShellTicket};

/// How long the process waits for its shells to end when it stops.
pub(crate) const FAREWELL: Duration = Duration::from_secs(5);

/// How long shells may stay open, and how many.
#[derive(Debug, Clone)]
pub struct ShellLimits {
    /// One in which nothing is typed or printed for this long is closed.
    pub idle: Duration,
    /// None stays open longer than this.
    pub total: Duration,
    /// How many one person may have open at a time.
    pub per_person: usize,
    /// How many this process carries at a time.
    pub per_process: usize,
    /// How often the rights are looked at again.
    pub recheck: Duration,
    /// How long that look may take before the shell is closed for want of an answer. With
    /// `recheck`, this bounds how long a shell outlives the rights to it.
    pub recheck_patience: Duration,
}

impl Default for ShellLimits {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(30 * 60),
            total: Duration::from_secs(8 * 60 * 60),
            per_person: 50,
            per_process: 500,
            recheck: Duration::from_secs(2),
            recheck_patience: Duration::from_secs(2),
        }
    }
}
