//! What is known about the preview, and can be copied.

use catalyst_model::views::{PreviewDetail, PreviewSource};
use chrono::{DateTime, Utc};
use leptos::prelude::*;

use crate::{
    components::{
        copy::CopyButton,
        text::{Ago, Cut, Until},
    },
    format,
};

/// The card of facts.
#[component]
pub(super) fn Facts(detail: RwSignal<PreviewDetail>) -> impl IntoView {
    let runs = Memo::new(move |_| detail.with(|d| d.runs.clone()));
    let commit = Memo::new(move |_| detail.with(|d| d.summary.commit.clone()));
    let updated = Memo::new(move |_| detail.with(|d| d.summary.updated_at));
    let image = Memo::new(move |_| detail.with(|d| d.summary.image.clone()));
    let kept = Memo::new(move |_| detail.with(kept_until));
    let (namespace, cluster) =
        detail.with_untracked(|d| (d.summary.namespace.clone(), d.cluster.clone()));
    view! {
        <section class="card" aria-labelledby="facts-title">
            <h2 class="card-head" id="facts-title">
                "Preview"
            </h2>
            <dl class="facts">
                <dt>"Runs"</dt>
                <dd>{move || runs.get().unwrap_or_else(|| "Not known yet".to_owned())}</dd>
                <dt>"Namespace"</dt>
                <dd class="copied">
                    <code>
                        <Cut name=namespace.clone() />
                    </code>
                    <CopyButton text=Signal::stored(namespace) what="the namespace" />
                </dd>
                <dt>"Commit"</dt>
                <dd class="copied">
                    {move || match commit.get() {
                        sha if sha.is_empty() => {
                            view! { <span class="none">"Not known"</span> }.into_any()
                        }
                        sha => view! {
                            <code>
                                <Cut name=sha />
                            </code>
                            <CopyButton text=commit what="the commit" />
                        }
                        .into_any(),
                    }}
                </dd>
                <dt>"Cluster"</dt>
                <dd>{cluster}</dd>
                <dt>"Changed"</dt>
                <dd>
                    <Ago at=updated />
                </dd>
                {move || image.get().map(|image| view! { <dt>"Image"</dt><dd><code class="breakable">{image}</code></dd> })}
                <dt>"Kept until"</dt>
                <dd>{move || kept.get().map(|kept| view! { <KeptUntil kept /> })}</dd>
            </dl>
        </section>
    }
    .into_any()
}

/// Until when it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    /// Its pull request decides.
    WithPullRequest,
    /// As before, or until then if nothing is pushed.
    WithPullRequestOr(DateTime<Utc>),
    /// Then.
    Until(DateTime<Utc>),
}

/// None for one that is gone or going.
fn kept_until(detail: &PreviewDetail) -> Option<Kept> {
    let preview = &detail.summary;
    if preview.deleted_at.is_some() {
        return None;
    }
    Some(match (preview.source, preview.expires_at) {
        (_, None) => Kept::WithPullRequest,
        (PreviewSource::PullRequest, Some(at)) => Kept::WithPullRequestOr(at),
        (PreviewSource::Manual, Some(at)) => Kept::Until(at),
    })
}

#[component]
fn KeptUntil(kept: Kept) -> impl IntoView {
    match kept {
        Kept::WithPullRequest => "the pull request is closed".into_any(),
        Kept::WithPullRequestOr(at) => view! {
            "the pull request is closed, or nothing is pushed until "
            <time datetime=format::machine(at)>{format::exact(at)}</time>
        }
        .into_any(),
        Kept::Until(at) => view! {
            <time datetime=format::machine(at)>{format::exact(at)}</time>
            " ("
            <Until at=Signal::stored(at) />
            ")"
        }
        .into_any(),
    }
}
