//! The pods of a preview and their containers.

use catalyst_model::views::{ContainerView, PodView, PreviewDetail};
use leptos::prelude::*;

use super::{
    href,
    logs::{LogSettings, Source, has_begun},
    shell::Shells,
};
use crate::{
    components::text::{Age, Cut},
    format,
    status::Tone,
};

/// The card of pods; none while there are none.
#[component]
pub(super) fn Pods(
    detail: RwSignal<PreviewDetail>,
    settings: LogSettings,
    shells: Shells,
) -> impl IntoView {
    let pods = Memo::new(move |_| detail.with(|d| d.pods.clone()));
    let page = detail.with_untracked(|d| href(&d.summary));
    view! {
        <Show when=move || pods.with(|pods| !pods.is_empty())>
            <section class="card" aria-labelledby="pods-title">
                <h2 class="card-head" id="pods-title">
                    "Pods"
                    <span class="head-note">{move || pods.with(Vec::len)}</span>
                </h2>
                <ul class="pods">
                    {
                        let page = page.clone();
                        move || {
                            let pods = pods.get().into_iter();
                            pods.map(|pod| view! { <Pod pod page=page.clone() settings shells /> }).collect_view()
                        }
                    }
                </ul>
            </section>
        </Show>
    }
    .into_any()
}

#[component]
fn Pod(pod: PodView, page: String, settings: LogSettings, shells: Shells) -> impl IntoView {
    let here = pod.clone();
    let container = move |container: ContainerView| {
        let source = Source {
            pod: here.name.clone(),
            container: container.name.clone(),
        };
        let shells = here.takes_shell(&container).then_some(shells);
        view! { <Container container source page=page.clone() settings shells /> }
    };
    let status_class = format!("pod-status {}", pod_tone(&pod.status).class());
    view! {
        <li class="pod">
            <div class="pod-head">
                <code>
                    <Cut name=pod.name />
                </code>
                <span class=status_class>{pod.status}</span>
            </div>
            <div class="pod-sub">
                {pod.commit.map(|sha| view! { <code>{format::short_commit(&sha)}</code> })}
                {pod.created_at.map(|at| view! { <Age at /> })}
                {pod
                    .used
                    .map(|used| {
                        view! {
                            <span class="pod-used">
                                {format::cpu(used.cpu_millicores)} " · "
                                {format::memory(used.memory_mib)}
                            </span>
                        }
                    })}
            </div>
            <ul class="containers">{pod.containers.into_iter().map(container).collect_view()}</ul>
        </li>
    }
    .into_any()
}

#[component]
fn Container(
    container: ContainerView,
    source: Source,
    page: String,
    settings: LogSettings,
    /// Where a shell is opened; none where there is nothing to open one in.
    shells: Option<Shells>,
) -> impl IntoView {
    let tone = container_tone(&container);
    let state = state_in_words(&container);
    let link = format!("{page}?source={}#logs", format::encode(&source.to_string()));
    let shell = shells.map(|shells| {
        let source = source.clone();
        let label = format!("Shell in {}", source.container);
        view! {
            <button
                type="button"
                class="quiet-link scripted"
                aria-label=label
                on:click=move |_| shells.open(source.clone())
            >
                "Shell"
            </button>
        }
    });
    let show = move |event: leptos::ev::MouseEvent| {
        event.prevent_default();
        settings.show(source.clone());
    };
    let started = has_begun(&container);
    view! {
        <li class="container">
            <span class=format!("beacon {}", tone.class()) aria-hidden="true"></span>
            <span class="container-name" title=container.image>
                {container.name}
            </span>
            <span class="container-state">
                {state}
                {(container.restarts > 0)
                    .then(|| {
                        let count = format::count(container.restarts as usize, "restart", "restarts");
                        format!(" · {count}")
                    })}
            </span>
            {shell}
            {started
                .then(|| {
                    view! {
                        <a class="quiet-link" href=link on:click=show rel="external">
                            "Logs"
                        </a>
                    }
                })}
        </li>
    }
    .into_any()
}

fn pod_tone(status: &str) -> Tone {
    match status.strip_prefix("Init:").unwrap_or(status) {
        "Running" | "Succeeded" | "Completed" => Tone::Ready,
        "Pending" | "ContainerCreating" | "PodInitializing" => Tone::Busy,
        "Terminating" => Tone::Quiet,
        progress if progress.contains('/') => Tone::Busy,
        _ => Tone::Bad,
    }
}

pub(crate) fn container_tone(container: &ContainerView) -> Tone {
    match (container.state.as_str(), container.exit_code) {
        ("running", _) if container.ready || container.init => Tone::Ready,
        ("running", _) => Tone::Busy,
        ("terminated", Some(0)) => Tone::Quiet,
        ("terminated", _) => Tone::Bad,
        _ if container.restarts > 0 => Tone::Bad,
        _ => Tone::Quiet,
    }
}

pub(crate) fn state_in_words(container: &ContainerView) -> String {
    let reason = container.reason.as_deref();
    match (container.state.as_str(), container.exit_code) {
        ("running", _) if container.ready || container.init => "running".to_owned(),
        ("running", _) => "running, not ready yet".to_owned(),
        ("terminated", Some(0)) => "done".to_owned(),
        ("terminated", Some(code)) => match reason {
            Some(reason) if reason != "Error" => format!("{reason}, exited with {code}"),
            _ => format!("exited with {code}"),
        },
        (_, _) => match reason {
            Some("PodInitializing" | "ContainerCreating") | None => "waiting".to_owned(),
            Some(reason) => reason.to_owned(),
        },
    }
}
