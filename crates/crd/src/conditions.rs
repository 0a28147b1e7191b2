//! The conditions of an Environment: what a person or a program reads to learn why.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;

/// The types of condition that the operator writes on Environments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConditionType {
    /// The namespace with its quota, limits, policy and routing is in place.
    NamespaceReady,
    /// The source is fetched, and it is known how to run it (or its image is built).
    BuildReady,
    /// The newest commit's workload is up.
    DeploymentReady,
    /// Something answers at the URL; the message names the commit. It stays true while a newer
    /// commit is on its way or has failed.
    Available,
    /// All of it: the newest commit answers at the URL.
    Ready,
    /// Whether the cluster enforces the network policy that keeps it apart. Written where that has
    /// been tried out; it changes nothing in the others.
    NetworkIsolated,
}

impl ConditionType {
    /// Every type that is always written, in that order.
    pub const ALL: [Self; 5] = [
        Self::NamespaceReady,
        Self::BuildReady,
        Self::DeploymentReady,
        Self::Available,
        Self::Ready,
    ];

    /// The word in `type`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NamespaceReady => "NamespaceReady",
            Self::BuildReady => "BuildReady",
            Self::DeploymentReady => "DeploymentReady",
            Self::Available => "Available",
            Self::Ready => "Ready",
            Self::NetworkIsolated => "NetworkIsolated",
        }
    }
}

/// Sets the condition of `new.type_`, keeping `lastTransitionTime` where `status` stays the same.
pub fn set_condition(conditions: &mut Vec<Condition>, new: Condition) {
    match conditions.iter_mut().find(|c| c.type_ == new.type_) {
        Some(old) if old.status == new.status => {
            let since = old.last_transition_time.clone();
            *old = Condition {
                last_transition_time: since,
                ..new
            };
        }
        Some(old) => *old = new,
        None => conditions.push(new),
    }
}

/// A condition as of `now`.
#[must_use]
pub fn condition(
    kind: ConditionType,
    status: Option<bool>,
    reason: &str,
    message: impl Into<String>,
    generation: Option<i64>,
    now: Timestamp,
) -> Condition {
    Condition {
        type_: kind.as_str().to_owned(),
        status: match status {
            Some(true) => "True",
            Some(false) => "False",
            None => "Unknown",
        }
        .to_owned(),
        reason: reason.to_owned(),
        message: message.into(),
        observed_generation: generation,
        last_transition_time: Time(now),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_keeps_its_time_until_its_status_changes() {
        let at = |s: i64| Timestamp::from_second(s).unwrap();
        let ready = |status, reason, s| {
            condition(
                ConditionType::Ready,
                Some(status),
                reason,
                "",
                Some(1),
                at(s),
            )
        };
        let mut conditions = Vec::new();
        set_condition(&mut conditions, ready(false, "Deploying", 1));
        set_condition(&mut conditions, ready(false, "StillDeploying", 2));
        assert_eq!(conditions[0].last_transition_time, Time(at(1)));
        assert_eq!(conditions[0].reason, "StillDeploying");
        set_condition(&mut conditions, ready(true, "Ready", 3));
        assert_eq!(conditions[0].last_transition_time, Time(at(3)));
        assert_eq!(conditions.len(), 1);
    }
}
