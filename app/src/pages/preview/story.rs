//! What the cluster says about the preview: its conditions and events, in words.

use catalyst_model::{
    state::PreviewStatus,
    views::{ConditionView, EventView, PreviewDetail},
};
use leptos::prelude::*;

use crate::{
    components::{
        icons::{Glyph, Icon},
        text::{Ago, Cut},
    },
    format,
    status::Tone,
};

/// Events beyond these are folded away.
const SHOWN: usize = 6;

/// The card with conditions and events.
#[component]
pub(super) fn Story(detail: RwSignal<PreviewDetail>) -> impl IntoView {
    let conditions = Memo::new(move |_| detail.with(|d| (d.conditions.clone(), d.summary.status)));
    let events = Memo::new(move |_| detail.with(|d| d.events.clone()));
    view! {
        <section class="card" aria-labelledby="story-title">
            <h2 class="card-head" id="story-title">
                "What happened"
            </h2>
            {move || {
                let (conditions, status) = conditions.get();
                match conditions.is_empty() && events.with(Vec::is_empty) {
                    true => {
                        view! { <p class="card-note">"The cluster has not reported anything yet."</p> }
                            .into_any()
                    }
                    false => {
                        view! {
                            <ul class="conditions">
                                {conditions
                                    .into_iter()
                                    .map(|condition| view! { <Condition condition status /> })
                                    .collect_view()}
                            </ul>
                        }
                            .into_any()
                    }
                }
            }}
            {move || {
                let mut shown = events.get();
                let folded = shown.split_off(shown.len().min(SHOWN));
                (!shown.is_empty())
                    .then(|| {
                        view! {
                            <h3 class="card-sub">"Events"</h3>
                            <EventList events=shown />
                            {(!folded.is_empty())
                                .then(|| {
                                    view! {
                                        <details class="more">
                                            <summary>{format!("{} earlier", folded.len())}</summary>
                                            <EventList events=folded />
                                        </details>
                                    }
                                })}
                        }
                    })
            }}
        </section>
    }
    .into_any()
}

#[component]
fn Condition(condition: ConditionView, status: PreviewStatus) -> impl IntoView {
    let (tone, glyph) = match (condition.status.as_str(), status) {
        ("True", _) => (Tone::Ready, Glyph::Check),
        ("False", PreviewStatus::Failed) => (Tone::Bad, Glyph::Cross),
        ("False", PreviewStatus::Pending | PreviewStatus::Deploying) => (Tone::Busy, Glyph::Ring),
        _ => (Tone::Quiet, Glyph::Minus),
    };
    let name = condition_name(&condition.kind);
    let message = match condition.message.is_empty() {
        true => condition.reason.clone(),
        false => format::with_short_commits(&condition.message),
    };
    view! {
        <li class=format!("condition {}", tone.class())>
            <Icon glyph />
            <span class="condition-name" title=format!("{}={}", condition.kind, condition.status)>
                {name}
            </span>
            <span class="condition-text" title=condition.reason>
                {message}
            </span>
            <span class="when">
                <Ago at=condition.since />
            </span>
        </li>
    }
    .into_any()
}

/// A condition's type in a person's words.
fn condition_name(kind: &str) -> String {
    match kind {
        "NamespaceReady" => "Namespace",
        "BuildReady" => "Build",
        "DeploymentReady" => "Workload",
        "Available" => "Address",
        "Ready" => "Preview",
        other => other,
    }
    .to_owned()
}

#[component]
fn EventList(events: Vec<EventView>) -> impl IntoView {
    let row = |event: EventView| {
        let class = if event.warning { "event warn" } else { "event" };
        view! {
            <li class=class>
                <span class="when">
                    <Ago at=event.at />
                </span>
                <span class="event-text">
                    {event.warning.then(|| view! { <span class="unseen">"Warning: "</span> })}
                    {event.message} <span class="event-object">
                        {event.reason} " · " <Cut name=event.object />
                        {(event.count > 1).then(|| format!(" · {} times", event.count))}
                    </span>
                </span>
            </li>
        }
    };
    view! { <ul class="events">{events.into_iter().map(row).collect_view()}</ul> }
}
