//! What passes share: the cluster, the settings, and how long to wait after an error.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use catalyst_crd::{Environment, EnvironmentStatus};
use kube::ResourceExt;

use tokio::sync::watch;

use crate::cache::Cluster;
use crate::network::Enforcement;
use crate::settings::OperatorSettings;

/// A pass that takes longer is given up, so that a hanging request blocks nobody else.
pub(crate) const PASS_LIMIT: Duration = Duration::from_secs(60);

const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(300);
const CONFLICT_WAIT: Duration = Duration::from_millis(200);

/// What every pass over an Environment has at hand.
pub(crate) struct Context {
    pub cluster: Cluster,
    pub settings: OperatorSettings,
    pub backoff: Backoff,
    pub written: Written,
    /// Whether policies are enforced, once that is known.
    pub enforcement: watch::Receiver<Option<Enforcement>>,
}

/// The last status written on each Environment, for passes that come before the cache shows it.
#[derive(Default)]
pub(crate) struct Written {
    /// By uid: the version that was seen, and what was written on it.
    statuses: Mutex<HashMap<String, (Option<String>, EnvironmentStatus)>>,
}

impl Written {
    /// The status before this pass: as seen, unless nothing new was seen since the last write.
    pub fn before(&self, environment: &Environment) -> Option<EnvironmentStatus> {
        let all = self.statuses.lock().unwrap_or_else(PoisonError::into_inner);
        match all.get(&environment.uid().unwrap_or_default()) {
            Some((seen, status)) if *seen == environment.resource_version() => Some(status.clone()),
            _ => environment.status.clone(),
        }
    }

    /// This status was written on the Environment as it was seen.
    pub fn remember(&self, environment: &Environment, status: &EnvironmentStatus) {
        let mut all = self.statuses.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = (environment.resource_version(), status.clone());
        all.insert(environment.uid().unwrap_or_default(), seen);
    }

    /// The Environment with this uid is gone.
    pub fn forget(&self, uid: Option<&str>) {
        let mut all = self.statuses.lock().unwrap_or_else(PoisonError::into_inner);
        all.remove(uid.unwrap_or_default());
    }
}

/// How often each object's passes have failed in a row.
#[derive(Default)]
pub(crate) struct Backoff {
    failures: Mutex<HashMap<String, u32>>,
}

impl Backoff {
    /// How long to wait after one more failure of this object: twice as long each time.
    pub fn wait_after(&self, object: &str, error: &crate::Error) -> Duration {
        if error.is_conflict() {
            return CONFLICT_WAIT;
        }
        let mut all = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let failures = all.entry(object.to_owned()).or_default();
        *failures += 1;
        backoff(*failures)
    }

    /// A pass over this object came to its end.
    pub fn succeeded(&self, object: &str) {
        self.failures
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(object);
    }
}

fn backoff(failures: u32) -> Duration {
    FIRST_WAIT
        .saturating_mul(1 << (failures - 1).min(16))
        .min(LONGEST_WAIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_limit() {
        let seconds: Vec<_> = (1..=11).map(|n| backoff(n).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(backoff(u32::MAX), LONGEST_WAIT);
    }
}
