//! Until when previews are kept, and the end of those whose time is over.

use std::time::Duration;

use catalyst_store::Preview;
use chrono::{DateTime, Utc};

use crate::Previews;
use crate::error::Error;
use crate::settings::PreviewSettings;
use catalyst_model::state::PreviewStatus;

/// When a preview is removed by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Expiry {
    pub at: DateTime<Utc>,
    /// From when on people are told.
    pub warning_at: DateTime<Utc>,
}

/// When a preview is removed by itself, unless something happens before. None for one that is not:
/// it goes with its pull request.
pub(crate) fn expiry(preview: &Preview, settings: &PreviewSettings) -> Option<Expiry> {
    if preview.deleted_at.is_some() || preview.status == PreviewStatus::Deleting {
        return None;
    }
    if preview.number.is_none() {
        let at = preview.expires_at?;
        return Some(Expiry {
            at,
            warning_at: at - settings.manual_warning,
        });
    }
    let ttl = settings.idle_ttl?;
    let used_last = preview.last_deployed_at.max(Some(preview.created_at))?;
    let at = preview.expires_at.max(Some(used_last + ttl))?;
    let warned_for = ttl.saturating_sub(settings.stale_after);
    Some(Expiry {
        at,
        warning_at: at - warned_for,
    })
}

impl Previews {
    /// Removes the previews whose time is over. Returns how long until the next one's is, as far
    /// as it is known now.
    pub(crate) async fn remove_expired(&self) -> Result<Option<Duration>, Error> {
        let now = Utc::now();
        let mut next: Option<DateTime<Utc>> = None;
        for preview in self.inner.store.present_previews().await? {
            let Some(Expiry { at, .. }) = expiry(&preview, &self.inner.settings) else {
                continue;
            };
            if at > now {
                next = Some(next.map_or(at, |next| next.min(at)));
                continue;
            }
            tracing::info!(
                component = crate::COMPONENT,
                event = "preview-expired",
                preview = preview.id,
                namespace = preview.namespace
            );
            self.stays_away(&preview).await?;
            let why = match preview.number {
                None => "its time is over",
                Some(_) => "nothing was pushed to it for too long; the next push brings it back",
            };
            self.remove(&preview.id, why).await?;
        }
        Ok(next.map(|at| (at - now).to_std().unwrap_or_default()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::work::tests::preview;

    const DAY: Duration = Duration::from_secs(86_400);

    fn at(days: u32) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + DAY * days
    }

    fn of_pull_request(expires_at: Option<DateTime<Utc>>) -> Preview {
        Preview {
            last_deployed_at: Some(at(1)),
            expires_at,
            ..preview(PreviewStatus::Running)
        }
    }

    #[test]
    fn what_was_made_by_hand_ends_at_its_time() {
        let made = Preview {
            number: None,
            expires_at: Some(at(1)),
            ..preview(PreviewStatus::Failed)
        };
        let settings = PreviewSettings::default();
        let expected = Expiry {
            at: at(1),
            warning_at: at(1) - Duration::from_secs(3 * 3600),
        };
        assert_eq!(expiry(&made, &settings), Some(expected));
        let going = Preview {
            status: PreviewStatus::Deleting,
            ..made
        };
        assert_eq!(expiry(&going, &settings), None);
    }

    #[test]
    fn a_pull_requests_preview_ends_after_two_idle_weeks_and_is_warned_of_after_one() {
        let settings = PreviewSettings::default();
        let ends = |day: u32| {
            Some(Expiry {
                at: at(day),
                warning_at: at(day - 7),
            })
        };
        assert_eq!(expiry(&of_pull_request(None), &settings), ends(15));
        assert_eq!(expiry(&of_pull_request(Some(at(3))), &settings), ends(15));
        assert_eq!(expiry(&of_pull_request(Some(at(20))), &settings), ends(20));
        let never = PreviewSettings {
            idle_ttl: None,
            ..settings
        };
        assert_eq!(expiry(&of_pull_request(None), &never), None);
        assert_eq!(expiry(&of_pull_request(Some(at(20))), &never), None);
    }
}
