//! How long things are kept, and what they may use.

use std::time::Duration;

use catalyst_model::quantity;
use catalyst_model::usage::Resources;
use catalyst_previews::{PreviewSettings, ShellLimits};
use clap::Args;

use super::Secret;

/// Shells in previews.
#[derive(Debug, Clone, Args)]
pub struct ShellSettings {
    /// Minutes without a keystroke or output after which a shell is closed.
    #[arg(long, env = "CATALYST_SHELL_IDLE_MINUTES", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=1440))]
    pub shell_idle_minutes: u16,

    /// Minutes that a shell may stay open in all.
    #[arg(long, env = "CATALYST_SHELL_TOTAL_MINUTES", default_value_t = 480, value_parser = clap::value_parser!(u16).range(1..=10_080))]
    pub shell_total_minutes: u16,
}

impl ShellSettings {
    /// The limits that the use cases keep.
    #[must_use]
    pub fn limits(&self) -> ShellLimits {
        let minutes = |count: u16| Duration::from_secs(60 * u64::from(count));
        ShellLimits {
            idle: minutes(self.shell_idle_minutes),
            total: minutes(self.shell_total_minutes),
            ..ShellLimits::default()
        }
    }
}

/// For how long previews are kept, and when they are marked.
#[derive(Debug, Clone, Args)]
pub struct Keeping {
    /// For how long a preview that was made by hand is kept, as in 24h, 90m or 2d.
    #[arg(long, env = "CATALYST_MANUAL_TTL", default_value = "24h", value_parser = duration)]
    pub manual_ttl: Duration,

    /// How many previews that were made by hand a team may have at a time.
    #[arg(long, env = "CATALYST_MANUAL_PER_TEAM", default_value_t = 20)]
    pub manual_per_team: u32,

    /// Days without a push or a deployment after which a pull request's preview is removed; the
    /// next push brings it back. 0: never.
    #[arg(long, env = "CATALYST_IDLE_TTL_DAYS", default_value_t = 14)]
    pub idle_ttl_days: u16,

    /// Days without a push after which a preview counts as stale, and people are told.
    #[arg(long, env = "CATALYST_STALE_DAYS", default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..))]
    pub stale_days: u16,

    /// The CPU that a preview may use before it is marked, where its Project sets no quota.
    #[arg(long, env = "CATALYST_WARN_CPU", default_value = "500m", value_parser = cpu)]
    pub warn_cpu: u64,

    /// The memory that a preview may use before it is marked, where its Project sets no quota.
    #[arg(long, env = "CATALYST_WARN_MEMORY", default_value = "512Mi", value_parser = memory)]
    pub warn_memory: u64,

    /// Seconds between two questions to a cluster about what previews use.
    #[arg(long, env = "CATALYST_USAGE_SECONDS", default_value_t = 15, value_parser = clap::value_parser!(u16).range(1..=3600))]
    pub usage_seconds: u16,
}

impl Keeping {
    /// The use cases' settings with these.
    #[must_use]
    pub fn apply(&self, settings: PreviewSettings) -> PreviewSettings {
        let days = |days: u16| Duration::from_secs(u64::from(days) * 86_400);
        PreviewSettings {
            manual_ttl: self.manual_ttl,
            // Nobody is told from the very beginning.
            manual_warning: settings.manual_warning.min(self.manual_ttl / 4),
            manual_per_team: self.manual_per_team,
            idle_ttl: Some(days(self.idle_ttl_days)).filter(|ttl| !ttl.is_zero()),
            stale_after: days(self.stale_days),
            usage_warning: Resources {
                cpu_millicores: self.warn_cpu,
                memory_mib: self.warn_memory,
            },
            usage_every: Duration::from_secs(self.usage_seconds.into()),
            ..settings
        }
    }
}

/// What previews' secrets are kept with, and who is handed them.
#[derive(Debug, Clone, Args)]
pub struct SecretSettings {
    /// What previews' secrets are encrypted with: 64 hexadecimal digits, as `openssl rand -hex 32`
    /// prints them. With the embedded cluster one is made up and kept in the data folder
    /// [default: none, and no secrets can be kept].
    #[arg(long, env = "TOKEN_ENCRYPTION_KEY", hide_env_values = true)]
    pub token_encryption_key: Option<Secret>,

    /// The key from before: what is encrypted with it is encrypted anew at the start.
    #[arg(
        long,
        env = "TOKEN_ENCRYPTION_KEY_PREVIOUS",
        hide_env_values = true,
        requires = "token_encryption_key"
    )]
    pub token_encryption_key_previous: Option<Secret>,

    /// The service account of the operator, in Catalyst's own namespace: it alone is handed
    /// previews' secrets.
    #[arg(
        long,
        env = "CATALYST_OPERATOR_ACCOUNT",
        default_value = "catalyst-operator"
    )]
    pub operator_account: String,
}

/// Reads a time such as `24h`: a whole number of seconds, minutes, hours or days.
fn duration(text: &str) -> Result<Duration, String> {
    let unit = match text.chars().next_back() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3600,
        Some('d') => 86_400,
        _ => 0,
    };
    let number = text.get(..text.len().saturating_sub(1));
    let number = number.and_then(|number| number.parse::<u32>().ok());
    match number.map(|number| u64::from(number) * unit) {
        Some(seconds) if (1..=366 * 86_400).contains(&seconds) => Ok(Duration::from_secs(seconds)),
        _ => Err("expected a time of at most a year, such as 24h, 90m or 2d".to_owned()),
    }
}

fn cpu(text: &str) -> Result<u64, String> {
    quantity::millicores(text)
        .filter(|amount| *amount > 0)
        .ok_or_else(|| "expected CPU as Kubernetes writes it, such as 500m or 2".to_owned())
}

fn memory(text: &str) -> Result<u64, String> {
    quantity::mebibytes(text)
        .filter(|amount| *amount > 0)
        .ok_or_else(|| "expected memory as Kubernetes writes it, such as 512Mi or 1Gi".to_owned())
}

#[cfg(test)]
mod keeping_tests {
    use super::*;

    #[test]
    fn times_have_a_unit_and_an_end() {
        for (text, seconds) in [("90s", 90), ("90m", 5400), ("24h", 86_400), ("2d", 172_800)] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in [
            "",
            "h",
            "24",
            "0h",
            "-1h",
            "1.5h",
            "24 h",
            "400d",
            "9999999999h",
            "2w",
            "é",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn amounts_are_kubernetes_own() {
        assert_eq!(cpu("0.5"), Ok(500));
        assert_eq!(memory("1Gi"), Ok(1024));
        assert!(cpu("0").is_err() && cpu("lots").is_err() && memory("").is_err());
    }
}
