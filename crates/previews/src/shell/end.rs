//! Why a shell ended, in words.

use std::time::Duration;

/// Why a shell ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShellEnd {
    /// The shell program ended by itself, with this exit code.
    Exited(i32),
    /// It could not be started, in the cluster's words.
    NotRun(String),
    /// The connection to the container broke off: the container ended, say.
    Broken(String),
    /// The person closed it, or their connection was lost.
    Left,
    /// They may not use it any more.
    Revoked,
    /// Whether they still may could not be found out.
    Unverified,
    /// They signed out.
    SignedOut,
    /// Nothing was typed or printed for this long.
    Idle(Duration),
    /// It was open for as long as any shell may be.
    Expired(Duration),
    /// Catalyst stops.
    Stopping,
    /// More was sent than may be under way.
    TooMuch,
}

impl ShellEnd {
    /// A sentence for the person whose shell it was.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Exited(0) => "The shell ended.".to_owned(),
            Self::Exited(code) => format!("The shell ended with exit code {code}."),
            Self::NotRun(why) => format!("The shell could not be started: {why}"),
            Self::Broken(why) => format!("The connection to the container broke off: {why}"),
            Self::Left => "The shell was closed.".to_owned(),
            Self::Revoked => "You may not use this shell any more: your rights to the preview were taken away, or it was removed.".to_owned(),
            Self::Unverified => "The shell was closed because your rights could not be checked just now. Try again.".to_owned(),
            Self::SignedOut => "You signed out.".to_owned(),
            Self::Idle(after) => format!("Nothing happened for {}, so the shell was closed.", span(*after)),
            Self::Expired(after) => format!("A shell stays open for {} at most.", span(*after)),
            Self::Stopping => "Catalyst is being stopped or updated. Reconnect in a moment.".to_owned(),
            Self::TooMuch => "The browser sent more than it may at once, so the shell was closed.".to_owned(),
        }
    }

    /// One word for the audit log.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Exited(_) => "exited",
            Self::NotRun(_) => "not run",
            Self::Broken(_) => "broken off",
            Self::Left => "left",
            Self::Revoked => "revoked",
            Self::Unverified => "unverified",
            Self::SignedOut => "signed out",
            Self::Idle(_) => "idle",
            Self::Expired(_) => "expired",
            Self::Stopping => "stopping",
            Self::TooMuch => "too much",
        }
    }
}

/// A length of time as people say it.
fn span(time: Duration) -> String {
    let (count, unit) = match time.as_secs() {
        seconds if seconds >= 3600 && seconds.is_multiple_of(3600) => (seconds / 3600, "hour"),
        seconds if seconds >= 60 => (seconds / 60, "minute"),
        seconds => (seconds, "second"),
    };
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_said_in_their_largest_whole_unit() {
        let said = |seconds| span(Duration::from_secs(seconds));
        assert_eq!(said(8 * 3600), "8 hours");
        assert_eq!(said(3600), "1 hour");
        assert_eq!(said(5400), "90 minutes");
        assert_eq!(said(60), "1 minute");
        assert_eq!(said(1), "1 second");
    }

    #[test]
    fn no_end_is_told_without_words() {
        for end in [
            ShellEnd::Exited(0),
            ShellEnd::Exited(3),
            ShellEnd::NotRun("no such program".to_owned()),
            ShellEnd::Idle(Duration::from_secs(60)),
            ShellEnd::Revoked,
        ] {
            assert!(end.words().len() > 10 && !end.word().is_empty(), "{end:?}");
        }
        assert!(ShellEnd::Exited(3).words().contains("exit code 3"));
    }
}
