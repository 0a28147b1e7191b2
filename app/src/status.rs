//! A preview's state as people see it: one word, one tone, one shape.

use catalyst_model::{
    state::{Phase, PreviewStatus},
    views::{PreviewCounts, PreviewSummary},
};

use crate::components::icons::Glyph;

/// What a state means for the one who looks: which colour it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Ready,
    Busy,
    Bad,
    Warn,
    Quiet,
}

impl Tone {
    /// The tone's class in the style sheet.
    pub(crate) const fn class(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Busy => "busy",
            Self::Bad => "bad",
            Self::Warn => "warn",
            Self::Quiet => "quiet",
        }
    }
}

/// A state as it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Badge {
    pub(crate) word: &'static str,
    pub(crate) tone: Tone,
    pub(crate) glyph: Glyph,
}

/// Which of the list's tabs a preview is counted under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bucket {
    Running,
    InProgress,
    Failed,
    Blocked,
}

/// How a preview's state is shown.
pub(crate) fn badge(preview: &PreviewSummary) -> Badge {
    let badge = |word, tone, glyph| Badge { word, tone, glyph };
    if preview.deleted_at.is_some() {
        return badge("Removed", Tone::Quiet, Glyph::Minus);
    }
    match preview.status {
        PreviewStatus::Deleting => badge("Removing", Tone::Quiet, Glyph::Ring),
        _ if preview.blocked.is_some() => badge("Needs approval", Tone::Warn, Glyph::Hand),
        PreviewStatus::Pending => badge("Queued", Tone::Busy, Glyph::Ring),
        PreviewStatus::Deploying if preview.phase == Some(Phase::Building) => {
            badge("Building", Tone::Busy, Glyph::Ring)
        }
        PreviewStatus::Deploying => badge("Deploying", Tone::Busy, Glyph::Ring),
        PreviewStatus::Running => badge("Ready", Tone::Ready, Glyph::Check),
        PreviewStatus::Failed if preview.phase == Some(Phase::Degraded) => {
            badge("Degraded", Tone::Bad, Glyph::Alert)
        }
        PreviewStatus::Failed => badge("Failed", Tone::Bad, Glyph::Cross),
    }
}

/// The tab a preview is counted under; none for one that is gone or going.
pub(crate) fn bucket(preview: &PreviewSummary) -> Option<Bucket> {
    if preview.deleted_at.is_some() {
        return None;
    }
    match preview.status {
        PreviewStatus::Deleting => None,
        _ if preview.blocked.is_some() => Some(Bucket::Blocked),
        PreviewStatus::Pending | PreviewStatus::Deploying => Some(Bucket::InProgress),
        PreviewStatus::Running => Some(Bucket::Running),
        PreviewStatus::Failed => Some(Bucket::Failed),
    }
}

/// Moves one preview from one tab's count to another's.
pub(crate) fn recount(counts: &mut PreviewCounts, from: Option<Bucket>, to: Option<Bucket>) {
    if from == to {
        return;
    }
    let mut add = |bucket: Option<Bucket>, by: i32| {
        let Some(bucket) = bucket else { return };
        let count = match bucket {
            Bucket::Running => &mut counts.running,
            Bucket::InProgress => &mut counts.in_progress,
            Bucket::Failed => &mut counts.failed,
            Bucket::Blocked => &mut counts.blocked,
        };
        *count = count.saturating_add_signed(by);
    };
    add(from, -1);
    add(to, 1);
}

/// Whether the URL answers with something: the newest commit, or still an earlier one.
pub(crate) fn answers(preview: &PreviewSummary) -> bool {
    preview.deleted_at.is_none()
        && preview.status != PreviewStatus::Deleting
        && (preview.status == PreviewStatus::Running || preview.serving_commit.is_some())
}

/// The earlier commit that is still being served, where that is not the newest one.
pub(crate) fn still_serving(preview: &PreviewSummary) -> Option<&str> {
    preview
        .serving_commit
        .as_deref()
        .filter(|commit| *commit != preview.commit && answers(preview))
}
