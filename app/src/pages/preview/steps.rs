//! The way from a push to an answering URL, step by step.

use catalyst_model::views::{PreviewDetail, Step, StepState};
use leptos::prelude::*;

use crate::{
    components::icons::{Glyph, LiveIcon},
    format,
    session::{Clock, use_clock},
};

/// The timeline: always the same steps, so that nothing moves while they change.
#[component]
pub(super) fn Steps(detail: RwSignal<PreviewDetail>) -> impl IntoView {
    let count = detail.with_untracked(|d| d.steps.len());
    let step = move |index: usize| {
        let step = Memo::new(move |_| detail.with(|d| d.steps.get(index).cloned()));
        view! { <StepView step /> }
    };
    view! {
        <ol class="card steps" aria-label="Steps of the newest deployment">
            {(0..count).map(step).collect_view()}
        </ol>
    }
    .into_any()
}

#[component]
fn StepView(step: Memo<Option<Step>>) -> impl IntoView {
    let clock = use_clock();
    let state =
        Memo::new(move |_| step.with(|s| s.as_ref().map_or(StepState::Waiting, |s| s.state)));
    let name =
        Memo::new(move |_| step.with(|s| s.as_ref().map(|s| s.name.clone()).unwrap_or_default()));
    let said = Memo::new(move |_| {
        step.with(|s| {
            s.as_ref()
                .and_then(|s| s.detail.as_deref().map(format::with_short_commits))
        })
    });
    let took = Memo::new(move |_| step.with(|s| s.as_ref().and_then(|s| took(s, clock))));
    let class = move || match state.get() {
        StepState::Waiting => "step waiting",
        StepState::Running => "step running",
        StepState::Done => "step done",
        StepState::Failed => "step failed",
    };
    let glyph = Signal::derive(move || match state.get() {
        StepState::Waiting => Glyph::Minus,
        StepState::Running => Glyph::Ring,
        StepState::Done => Glyph::Check,
        StepState::Failed => Glyph::Cross,
    });
    let word = move || match state.get() {
        StepState::Waiting => "not begun",
        StepState::Running => "going on",
        StepState::Done => "done",
        StepState::Failed => "failed",
    };
    let current = move || (state.get() == StepState::Running).then_some("step");
    view! {
        <li class=class aria-current=current>
            <span class="step-node">
                <LiveIcon glyph />
            </span>
            <span class="step-name">
                {name} <span class="unseen">{move || format!(": {}", word())}</span>
            </span>
            <span class="step-time">{move || took.get().unwrap_or_default()}</span>
            <span class="step-detail" title=move || said.get().unwrap_or_default()>
                {move || said.get().unwrap_or_default()}
            </span>
        </li>
    }
    .into_any()
}

/// How long it took, or has taken so far.
fn took(step: &Step, clock: Clock) -> Option<String> {
    let started = step.started_at?;
    let ended = match (step.finished_at, step.state) {
        (Some(finished), _) => finished,
        (None, StepState::Running) => {
            let seconds = (clock.now() - started).num_seconds().max(0);
            // Tenths of a second would flicker.
            return Some(
                format::duration(chrono::TimeDelta::seconds(seconds)).replace(".0 s", " s"),
            );
        }
        (None, _) => return None,
    };
    Some(format::duration(ended - started))
}
