//! What is known about the preview, and can be copied.

use catalyst_model::views::PreviewDetail;
use leptos::prelude::*;

use crate::components::{
    copy::CopyButton,
    text::{Ago, Cut},
};

/// The card of facts.
#[component]
pub(super) fn Facts(detail: RwSignal<PreviewDetail>) -> impl IntoView {
    let runs = Memo::new(move |_| detail.with(|d| d.runs.clone()));
    let commit = Memo::new(move |_| detail.with(|d| d.summary.commit.clone()));
    let updated = Memo::new(move |_| detail.with(|d| d.summary.updated_at));
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
                    <code>{move || view! { <Cut name=commit.get() /> }}</code>
                    <CopyButton text=commit what="the commit" />
                </dd>
                <dt>"Cluster"</dt>
                <dd>{cluster}</dd>
                <dt>"Changed"</dt>
                <dd>
                    <Ago at=updated />
                </dd>
                <dt>"Kept until"</dt>
                <dd>"the pull request is closed"</dd>
            </dl>
        </section>
    }
    .into_any()
}
