//! What whoever runs Catalyst can choose about previews.

use std::time::Duration;

use catalyst_cluster::ServiceAccountName;
use catalyst_model::usage::Resources;
use url::Url;

use crate::redact::Redactor;
use crate::secrets::Keyring;
use crate::shell::ShellLimits;

/// The settings of the use cases. [`PreviewSettings::default`] is what runs in production.
#[derive(Debug, Clone)]
pub struct PreviewSettings {
    /// Where people reach the dashboard: what comments and commit statuses link to.
    pub dashboard_url: Option<Url>,
    /// Whether a project may be cloned from a directory of this machine (`file://`).
    pub allow_local_repositories: bool,
    /// The hosts that a project may be cloned from over https; the last one is the GitHub that is used.
    pub git_hosts: Vec<String>,
    /// The label that keeps a pull request from having a preview.
    pub no_preview_label: String,
    /// Whether a draft has no preview until it is ready for review.
    pub skip_drafts: bool,
    /// Whether no other process works with the store: what is claimed in it when this one starts was
    /// claimed by one that was killed, and is taken up at once instead of when the claim runs out.
    pub alone: bool,
    /// How many deliveries are worked off at the same time.
    pub workers: usize,
    /// For how long a worker holds a delivery without a sign of life before another takes it.
    pub lease: Duration,
    /// How often a delivery, a deployment or a removal is tried by itself before it is given up.
    pub tries: u32,
    /// The wait after the first try that failed; doubled after each further one.
    pub first_wait: Duration,
    /// How long the cluster may take to remove a preview before that counts as a try that failed.
    pub removal_patience: Duration,
    /// The shortest time between two edits of one pull request's comment.
    pub comment_pause: Duration,
    /// How old an Environment of ours is at least that counts as one that nobody wants: a younger
    /// one may belong to a preview that was written down a moment ago.
    pub orphan_age: Duration,
    /// How often store, cluster and GitHub are compared.
    pub sweep_every: Duration,
    /// Whether the personal access token that Catalyst acts with may be handed to previews of
    /// Projects that ask for it. It is good for all that its owner may do, not for one repository.
    pub git_token_pat_mode: bool,
    /// How much is kept of the logs of containers whose pods are gone.
    pub kept_logs: KeptLogs,
    /// How long shells may stay open, and how many.
    pub shells: ShellLimits,
    /// What previews' secrets are encrypted with; none: none can be kept.
    pub keyring: Option<Keyring>,
    /// The service account of the operator, which alone is handed previews' secrets.
    pub operator_account: Option<ServiceAccountName>,
    /// How often each cluster is asked what previews use.
    pub usage_every: Duration,
    /// How much a preview may use before it is marked, where its Project sets no quota.
    pub usage_warning: Resources,
    /// For how long a preview that was made by hand is kept.
    pub manual_ttl: Duration,
    /// How long before its end people are told.
    pub manual_warning: Duration,
    /// How many previews that were made by hand a team may have at a time.
    pub manual_per_team: u32,
    /// After how long without a push or a deployment a pull request's preview is removed; none for
    /// never. The next push brings it back.
    pub idle_ttl: Option<Duration>,
    /// After how long without a push a preview counts as stale, and people are told.
    pub stale_after: Duration,
    /// The secrets that no text may show.
    pub redactor: Redactor,
    /// The logins on GitHub of those who run this Catalyst: they see all teams.
    pub operators: Vec<String>,
    /// Sentences for the operators' page on what does not work as it should on this machine.
    pub notices: Vec<String>,
}

/// How much is kept of the logs of containers whose pods are gone: of each its last megabyte.
#[derive(Debug, Clone, Copy)]
pub struct KeptLogs {
    /// Logs of one preview; the oldest go first.
    pub per_preview: u32,
    /// Bytes of all, compressed.
    pub bytes: u64,
    /// Days.
    pub days: u16,
}

impl Default for KeptLogs {
    fn default() -> Self {
        Self {
            per_preview: 40,
            bytes: 1024 * 1024 * 1024,
            days: 30,
        }
    }
}

impl Default for PreviewSettings {
    fn default() -> Self {
        Self {
            dashboard_url: None,
            allow_local_repositories: false,
            git_hosts: vec!["github.com".to_owned()],
            no_preview_label: "no-preview".to_owned(),
            skip_drafts: false,
            alone: false,
            workers: 8,
            lease: Duration::from_secs(15),
            tries: 4,
            first_wait: Duration::from_secs(2),
            removal_patience: Duration::from_secs(120),
            comment_pause: Duration::from_secs(2),
            orphan_age: Duration::from_secs(30),
            sweep_every: Duration::from_secs(300),
            git_token_pat_mode: false,
            kept_logs: KeptLogs::default(),
            shells: ShellLimits::default(),
            keyring: None,
            operator_account: None,
            usage_every: Duration::from_secs(15),
            usage_warning: Resources {
                cpu_millicores: 500,
                memory_mib: 512,
            },
            manual_ttl: Duration::from_secs(24 * 3600),
            manual_warning: Duration::from_secs(3 * 3600),
            manual_per_team: 20,
            idle_ttl: Some(Duration::from_secs(14 * 24 * 3600)),
            stale_after: Duration::from_secs(7 * 24 * 3600),
            redactor: Redactor::default(),
            operators: Vec::new(),
            notices: Vec::new(),
        }
    }
}

impl PreviewSettings {
    /// Whether the settings name this login on GitHub as an operator's.
    pub(crate) fn names_operator(&self, login: &str) -> bool {
        self.operators
            .iter()
            .any(|operator| operator.eq_ignore_ascii_case(login))
    }

    /// The wait after this many failed tries: 2 s, 4 s, 8 s … by default, never over 5 minutes.
    #[must_use]
    pub fn wait_after(&self, failed_tries: u32) -> Duration {
        let doublings = failed_tries.saturating_sub(1).min(16);
        self.first_wait
            .saturating_mul(1 << doublings)
            .min(Duration::from_secs(300))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_and_end_at_five_minutes() {
        let settings = PreviewSettings::default();
        let waits: Vec<u64> = (1..=9).map(|n| settings.wait_after(n).as_secs()).collect();
        assert_eq!(waits, [2, 4, 8, 16, 32, 64, 128, 256, 300]);
        assert_eq!(settings.wait_after(u32::MAX).as_secs(), 300);
    }
}
