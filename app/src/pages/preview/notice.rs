//! What one must know before anything else: why it does not work, and what still does.

use catalyst_model::{
    state::PreviewStatus,
    views::{PreviewDetail, PreviewSource, StepState},
};
use leptos::prelude::*;

use crate::{
    components::{
        icons::{Glyph, Icon},
        text::{Ago, Until},
    },
    format,
    session::use_clock,
    status::{Tone, still_serving},
};

/// A notice: in which tone, what it says first, and what follows.
#[derive(Clone, PartialEq)]
pub(super) struct Notice {
    pub(super) tone: Tone,
    pub(super) glyph: Glyph,
    pub(super) headline: String,
    pub(super) text: String,
}

/// The notices above the steps. A failure is told beside its log lines instead.
#[component]
pub(super) fn Notices(
    detail: RwSignal<PreviewDetail>,
    /// Why the page's own stream cannot go on.
    problem: RwSignal<Option<String>>,
) -> impl IntoView {
    let notice = Memo::new(move |_| detail.with(notice_of));
    let clock = use_clock();
    let ending = Memo::new(move |_| {
        detail.with(|d| {
            let at = d.summary.expires_at.filter(|_| d.summary.expires_soon(clock.now()))?;
            let then = match d.summary.source {
                PreviewSource::PullRequest => {
                    "Nothing was pushed to it for a while; the next push brings it back, and “Keep longer” begins its time anew."
                }
                PreviewSource::Manual => "“Keep longer” begins its time anew.",
            };
            Some((at, then))
        })
    });
    let removed = Memo::new(move |_| detail.with(|d| d.summary.deleted_at));
    view! {
        {move || notice.get().map(|notice| view! { <Banner notice /> })}
        {move || {
            ending
                .get()
                .map(|(at, then)| {
                    view! {
                        <p class="notice warn">
                            <Icon glyph=Glyph::Clock />
                            <span>
                                <strong>"This preview is removed " <Until at=Signal::stored(at) /> ","</strong>
                                " on "
                                <time datetime=format::machine(at)>{format::exact(at)}</time>
                                ". "
                                {then}
                            </span>
                        </p>
                    }
                })
        }}
        {move || {
            removed
                .get()
                .map(|at| {
                    view! {
                        <p class="notice quiet">
                            <Icon glyph=Glyph::Clock />
                            <span>
                                <strong>"This preview was removed " <Ago at /> "."</strong>
                                " Nothing of it runs; what follows is its history."
                            </span>
                        </p>
                    }
                })
        }}
        {move || {
            problem
                .get()
                .map(|problem| {
                    let notice = Notice {
                        tone: Tone::Warn,
                        glyph: Glyph::Alert,
                        headline: "This page is not up to date.".to_owned(),
                        text: problem,
                    };
                    view! { <Banner notice /> }
                })
        }}
    }
    .into_any()
}

/// A notice across the page.
#[component]
pub(super) fn Banner(notice: Notice) -> impl IntoView {
    view! {
        <p class=format!("notice {}", notice.tone.class())>
            <Icon glyph=notice.glyph />
            <span>
                <strong>{notice.headline}</strong>
                " "
                {notice.text}
            </span>
        </p>
    }
    .into_any()
}

fn notice_of(detail: &PreviewDetail) -> Option<Notice> {
    let preview = &detail.summary;
    if preview.deleted_at.is_some() {
        return None;
    }
    if let Some(why) = &preview.blocked {
        let commit = format::short_commit(&preview.commit);
        let text = match detail.allowed.approve {
            true => format!(
                "{} Read the changes on GitHub first; approving lets {commit} run, and no later commit.",
                sentence(why)
            ),
            false => format!(
                "{} An owner or admin of the team can approve it.",
                sentence(why)
            ),
        };
        return Some(Notice {
            tone: Tone::Warn,
            glyph: Glyph::Hand,
            headline: "Nothing runs yet.".to_owned(),
            text,
        });
    }
    match preview.status {
        PreviewStatus::Deleting => Some(Notice {
            tone: Tone::Quiet,
            glyph: Glyph::Ring,
            headline: "This preview is being removed.".to_owned(),
            text: preview.message.clone().unwrap_or_default(),
        }),
        PreviewStatus::Pending | PreviewStatus::Deploying => {
            still_serving(preview).map(|serving| Notice {
                tone: Tone::Busy,
                glyph: Glyph::Ring,
                headline: format!("{} is on its way.", format::short_commit(&preview.commit)),
                text: format!(
                    "{} is still being served until it is ready.",
                    format::short_commit(serving)
                ),
            })
        }
        PreviewStatus::Running | PreviewStatus::Failed => None,
    }
}

/// Why the newest commit does not run, in a headline and what is known; none unless it failed.
pub(super) fn reason(detail: &PreviewDetail) -> Option<Notice> {
    if detail.summary.status != PreviewStatus::Failed || detail.summary.deleted_at.is_some() {
        return None;
    }
    let failed = detail
        .steps
        .iter()
        .find(|step| step.state == StepState::Failed);
    let headline = match failed.map(|step| step.name.as_str()) {
        Some("Queued") => "It could not be queued.",
        Some("Prepared") => "It could not be prepared.",
        Some("Built") => "The build failed.",
        Some("Deployed") => "The deployment failed.",
        Some("Ready") => "It did not become ready.",
        _ => "It could not be brought up.",
    };
    let said = failed.and_then(|step| step.detail.clone());
    let said = detail.summary.message.clone().or(said).unwrap_or_default();
    let mut text = sentence(&said);
    if let Some(serving) = still_serving(&detail.summary) {
        text.push_str(&format!(
            " The previous commit {} is still being served.",
            format::short_commit(serving)
        ));
    }
    Some(Notice {
        tone: Tone::Bad,
        glyph: Glyph::Cross,
        headline: headline.to_owned(),
        text,
    })
}

/// The text with a full stop, so that another sentence may follow.
fn sentence(text: &str) -> String {
    let text = text.trim();
    match text.chars().last() {
        Some('.' | '!' | '?' | '…' | ':') | None => text.to_owned(),
        Some(_) => format!("{text}."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;

    #[test]
    fn a_failure_says_why_and_what_still_works() {
        let notice = reason(&fixtures::failed_detail()).map(|n| (n.headline, n.text));
        let (headline, text) = notice.unwrap_or_default();
        assert_eq!(headline, "The deployment failed.");
        assert!(text.contains("column \"hue\" already exists"), "{text}");
        assert!(
            text.ends_with("The previous commit 9f3c1ab is still being served."),
            "{text}"
        );
    }

    #[test]
    fn a_blocked_fork_names_the_commit_that_approval_is_for() {
        let mut detail = fixtures::blocked_detail();
        let text = |d: &PreviewDetail| notice_of(d).map(|n| n.text).unwrap_or_default();
        assert!(text(&detail).contains("lets e41aa09 run, and no later commit"));
        detail.allowed.approve = false;
        assert!(text(&detail).contains("An owner or admin"));
    }

    #[test]
    fn a_preview_that_works_needs_no_notice() {
        assert!(notice_of(&fixtures::ready_detail()).is_none());
        assert!(reason(&fixtures::ready_detail()).is_none());
    }
}
