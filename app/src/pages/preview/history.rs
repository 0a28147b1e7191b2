//! Every deployment of the pull request.

use catalyst_model::views::{DeploymentResult, DeploymentView, PreviewDetail};
use leptos::prelude::*;

use crate::{
    components::{
        icons::{Glyph, Icon},
        text::{Ago, Commit},
    },
    format,
    status::Tone,
};

/// Deployments beyond these are folded away.
const SHOWN: usize = 5;

/// The card of deployments, newest first.
#[component]
pub(super) fn Deployments(detail: RwSignal<PreviewDetail>) -> impl IntoView {
    let deployments = Memo::new(move |_| {
        detail.with(|d| (d.deployments.clone(), d.summary.serving_commit.clone()))
    });
    view! {
        <section class="card" aria-labelledby="deployments-title">
            <h2 class="card-head" id="deployments-title">
                "Deployments"
                <span class="head-note">{move || deployments.with(|(all, _)| all.len())}</span>
            </h2>
            {move || {
                let (mut shown, serving) = deployments.get();
                if shown.is_empty() {
                    return view! { <p class="card-note">"None has begun yet."</p> }.into_any();
                }
                let folded = shown.split_off(shown.len().min(SHOWN));
                view! {
                    <List deployments=shown serving=serving.clone() />
                    {(!folded.is_empty())
                        .then(|| {
                            view! {
                                <details class="more">
                                    <summary>{format!("{} earlier", folded.len())}</summary>
                                    <List deployments=folded serving />
                                </details>
                            }
                        })}
                }
                    .into_any()
            }}
        </section>
    }
    .into_any()
}

#[component]
fn List(deployments: Vec<DeploymentView>, serving: Option<String>) -> impl IntoView {
    let mut found = false;
    let row = |deployment: DeploymentView| {
        let serves = !found
            && deployment.result == DeploymentResult::Ready
            && serving.as_ref() == Some(&deployment.commit);
        found |= serves;
        view! { <Deployment deployment serves /> }
    };
    view! { <ol class="deployments">{deployments.into_iter().map(row).collect::<Vec<_>>()}</ol> }
}

#[component]
fn Deployment(deployment: DeploymentView, serves: bool) -> impl IntoView {
    let (tone, glyph, word) = match deployment.result {
        DeploymentResult::Deploying => (Tone::Busy, Glyph::Ring, "under way"),
        DeploymentResult::Ready => (Tone::Ready, Glyph::Check, "ready"),
        DeploymentResult::Failed => (Tone::Bad, Glyph::Cross, "failed"),
        DeploymentResult::Superseded => (Tone::Quiet, Glyph::Minus, "replaced"),
        DeploymentResult::Cancelled => (Tone::Quiet, Glyph::Minus, "cancelled"),
    };
    let took = deployment
        .finished_at
        .map(|finished| format!(" in {}", format::duration(finished - deployment.started_at)))
        .filter(|_| deployment.result == DeploymentResult::Ready);
    view! {
        <li class=format!("deployment {}", tone.class())>
            <Icon glyph />
            <span class="deployment-text">
                <Commit sha=deployment.commit />
                " "
                {word}
                {took}
                {(deployment.attempt > 1).then(|| format!(", attempt {}", deployment.attempt))}
                {serves.then(|| view! { <span class="tag">"serving"</span> })}
                {deployment
                    .message
                    .map(|message| view! { <span class="deployment-note">{message}</span> })}
            </span>
            <span class="when">
                <Ago at=deployment.started_at />
            </span>
        </li>
    }
    .into_any()
}
