//! What the operator counts and measures, for whoever scrapes it.

use std::time::Duration;

use metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};

use crate::Error;

const RECONCILES: &str = "catalyst_reconciles_total";
const RECONCILE_SECONDS: &str = "catalyst_reconcile_duration_seconds";
const RUNNING: &str = "catalyst_reconciles_running";
const ATTEMPTS: &str = "catalyst_environment_attempts_total";
const DEPLOY_SECONDS: &str = "catalyst_environment_deploy_seconds";
const CLEANUP_SECONDS: &str = "catalyst_environment_cleanup_seconds";
const POLICY_ENFORCED: &str = "catalyst_network_policy_enforced";

/// Says what each metric means. To be called once, when a recorder is installed.
pub fn describe() {
    describe_counter!(
        RECONCILES,
        "Passes over an object, by its kind and their result: ok, conflict (somebody wrote first) or error"
    );
    describe_histogram!(RECONCILE_SECONDS, Unit::Seconds, "How long a pass took");
    describe_gauge!(RUNNING, "Passes under way");
    describe_counter!(
        ATTEMPTS,
        "Attempts to bring an Environment up that came to an end, by result: ready or failed"
    );
    describe_histogram!(
        DEPLOY_SECONDS,
        Unit::Seconds,
        "From the operator's first look at what is asked for until it is ready"
    );
    describe_histogram!(
        CLEANUP_SECONDS,
        Unit::Seconds,
        "From an Environment's deletion until its namespace is gone"
    );
    describe_gauge!(
        POLICY_ENFORCED,
        "1 if the cluster was seen to enforce NetworkPolicy, 0 if it was seen not to; absent while that is not known"
    );
}

/// A pass that has begun. It is counted as running for as long as this is kept.
pub(crate) struct Pass {
    kind: &'static str,
    began: std::time::Instant,
}

impl Pass {
    pub fn begin(kind: &'static str) -> Self {
        gauge!(RUNNING, "kind" => kind).increment(1);
        Self {
            kind,
            began: std::time::Instant::now(),
        }
    }

    pub fn end<T>(self, result: &Result<T, Error>) {
        let word = match result {
            Ok(_) => "ok",
            Err(error) if error.is_conflict() => "conflict",
            Err(_) => "error",
        };
        counter!(RECONCILES, "kind" => self.kind, "result" => word).increment(1);
        histogram!(RECONCILE_SECONDS, "kind" => self.kind).record(self.began.elapsed());
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        gauge!(RUNNING, "kind" => self.kind).decrement(1);
    }
}

pub(crate) fn became_ready(took_ms: i64) {
    counter!(ATTEMPTS, "result" => "ready").increment(1);
    histogram!(DEPLOY_SECONDS).record(duration(took_ms));
}

pub(crate) fn failed() {
    counter!(ATTEMPTS, "result" => "failed").increment(1);
}

pub(crate) fn removed(took_ms: i64) {
    histogram!(CLEANUP_SECONDS).record(duration(took_ms));
}

/// Keeps the last figure while it is not known.
pub(crate) fn policy_enforced(enforced: Option<bool>) {
    if let Some(enforced) = enforced {
        gauge!(POLICY_ENFORCED).set(f64::from(u8::from(enforced)));
    }
}

/// A clock that was set back makes no negative time.
fn duration(ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or_default())
}
