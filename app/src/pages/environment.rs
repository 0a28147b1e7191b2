//! One Environment of a project: how far it is, what runs, or what is missing.

use catalyst_model::{
    platform::EnvironmentPage as Shown,
    state::Phase,
    views::{ConditionView, ContainerView, PodView},
};
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_params_map;

use super::project::{href, phase_tone};
use crate::{
    api::get_environment,
    components::{
        failure::FailurePage,
        placeholder::SkeletonPage,
        text::{Ago, Cut},
    },
    error::AppErrorKind,
    format,
    pages::not_found::Missing,
    pages::preview::{
        href_of,
        pods::{container_tone, state_in_words},
    },
    status::Tone,
};

/// `/projects/{slug}/env/{envSlug}`
#[component]
pub(crate) fn EnvironmentPage() -> impl IntoView {
    let params = use_params_map();
    let at = Memo::new(move |_| {
        params.with(|p| {
            (
                p.get("slug").unwrap_or_default(),
                p.get("env").unwrap_or_default(),
            )
        })
    });
    let environment = Resource::new(move || at.get(), |(slug, name)| get_environment(slug, name));
    view! {
        <Title text=move || at.get().1 />
        <Transition fallback=|| view! { <SkeletonPage what="the environment" /> }>
            {move || Suspend::new(async move {
                match environment.await {
                    Ok(shown) => view! { <Environment shown /> }.into_any(),
                    Err(error) if error.kind == AppErrorKind::NotFound => {
                        let name = at.get_untracked().1;
                        view! {
                            <Missing
                                what="Environment"
                                name
                                causes=vec![
                                    "its pull request was closed, and it was removed with it",
                                    "it has not been made yet: a pull request gets one a moment after it was opened",
                                    "it was removed with kubectl, or its project was",
                                    "its project belongs to a team that you are not in",
                                ]
                            />
                        }
                            .into_any()
                    }
                    Err(error) => {
                        let again = Callback::new(move |()| environment.refetch());
                        view! { <FailurePage error again /> }.into_any()
                    }
                }
            })}
        </Transition>
    }
}

#[component]
fn Environment(shown: Shown) -> impl IntoView {
    let Shown {
        project,
        brief,
        conditions,
        pods,
        secrets,
    } = shown;
    let tone = phase_tone(brief.phase);
    let failed = matches!(brief.phase, Phase::Failed | Phase::Degraded);
    let heading = brief.branch.clone().unwrap_or_else(|| brief.name.clone());
    let running = pods.iter().filter(|pod| pod.status == "Running").count();
    let url = brief.url.clone();
    view! {
        <nav class="crumbs" aria-label="Breadcrumb">
            <ol>
                <li>
                    <a href="/projects">"Projects"</a>
                </li>
                <li>
                    <a href=href(&project)>{project.clone()}</a>
                </li>
                <li aria-current="page">{brief.name.clone()}</li>
            </ol>
        </nav>
        <header class="page-head">
            <div>
                <h1>"Preview environment"</h1>
                <p class="lede">
                    <strong>{heading}</strong>
                    " "
                    <span class=format!("pod-status {}", tone.class())>{brief.phase.as_str()}</span>
                </p>
            </div>
            <div class="actions">
                {brief
                    .preview
                    .clone()
                    .map(|id| {
                        view! {
                            <a class="button" href=href_of(&id)>
                                "Logs and history"
                            </a>
                        }
                    })}
                {url
                    .clone()
                    .map(|url| {
                        view! {
                            <a class="button primary" href=url rel="external noopener" target="_blank">
                                "Open preview"
                            </a>
                        }
                    })}
            </div>
        </header>
        <section class="card" aria-labelledby="facts-title">
            <h2 class="card-head" id="facts-title">
                "Environment"
            </h2>
            <dl class="facts">
                <dt>"URL"</dt>
                <dd>
                    {match url {
                        Some(url) => {
                            view! {
                                <a href=url.clone() rel="external noopener" target="_blank">
                                    {url.clone()}
                                </a>
                            }
                                .into_any()
                        }
                        None => view! { <span class="none">"not yet"</span> }.into_any(),
                    }}
                </dd>
                <dt>"Namespace"</dt>
                <dd>
                    <code>
                        <Cut name=brief.namespace.clone() />
                    </code>
                </dd>
                <dt>"Pods"</dt>
                <dd>{format!("{running} of {} running", pods.len())}</dd>
                <dt>"Type"</dt>
                <dd>{brief.kind.clone()}</dd>
                {brief
                    .commit
                    .clone()
                    .map(|sha| {
                        view! {
                            <dt>"Commit"</dt>
                            <dd>
                                <code title=sha.clone()>{format::short_commit(&sha)}</code>
                            </dd>
                        }
                    })}
                <dt>"Secrets"</dt>
                <dd>
                    {match secrets.is_empty() {
                        true => view! { <span class="none">"none"</span> }.into_any(),
                        false => secrets.join(", ").into_any(),
                    }}
                </dd>
            </dl>
        </section>
        <Conditions conditions failed />
        <Pods pods preview=brief.preview />
    }
    .into_any()
}

#[component]
fn Conditions(conditions: Vec<ConditionView>, failed: bool) -> impl IntoView {
    let row = move |it: ConditionView| {
        let tone = match it.status.as_str() {
            "True" => Tone::Ready,
            "False" if failed => Tone::Bad,
            _ => Tone::Busy,
        };
        view! {
            <li class="platform-row">
                <span class=format!("beacon {}", tone.class()) aria-hidden="true"></span>
                <span class="platform-name">{it.kind}</span>
                <span class="platform-phase">{it.status}</span>
                <span class="platform-sub">
                    {it.reason} {(!it.message.is_empty()).then(|| format!(": {}", it.message))} " "
                    <Ago at=it.since />
                </span>
            </li>
        }
    };
    let list = match conditions.is_empty() {
        true => view! { <p class="card plain-card none">"The operator has not looked at it yet."</p> }.into_any(),
        false => view! { <ul class="card platform-list">{conditions.into_iter().map(row).collect_view()}</ul> }
            .into_any(),
    };
    view! {
        <section aria-labelledby="conditions-title">
            <h2 class="section-head" id="conditions-title">
                "Conditions"
            </h2>
            {list}
        </section>
    }
    .into_any()
}

#[component]
fn Pods(
    pods: Vec<PodView>,
    /// The preview on whose page shells are opened.
    preview: Option<String>,
) -> impl IntoView {
    let container = |it: ContainerView, shell: Option<String>| {
        let words = state_in_words(&it);
        let restarts = format::count(it.restarts as usize, "restart", "restarts");
        view! {
            <li class="container">
                <span class=format!("beacon {}", container_tone(&it).class()) aria-hidden="true"></span>
                <span class="container-name">
                    {it.name} {it.init.then(|| view! { " " <span class="tag">"init"</span> })}
                </span>
                <span class="container-state">{format!("{words} · {restarts} · {}", it.image)}</span>
                {shell.map(|href| view! { <a class="quiet-link" href=href>"Shell"</a> })}
            </li>
        }
    };
    let shell = move |pod: &PodView, it: &ContainerView| {
        let preview = preview.as_ref()?;
        let opens = it.state == "running" && pod.is_projects_own(it);
        let (pod, name) = (format::encode(&pod.name), format::encode(&it.name));
        opens.then(|| format!("{}?shell={pod}/{name}", href_of(preview)))
    };
    let pod = move |it: PodView| {
        let containers = it.containers.clone().into_iter();
        let containers = containers.map(|one| {
            let shell = shell(&it, &one);
            container(one, shell)
        });
        let containers = containers.collect_view();
        view! {
            <li class="pod">
                <div class="pod-head">
                    <code>
                        <Cut name=it.name />
                    </code>
                    <span class="pod-status">{it.status}</span>
                </div>
                <ul class="containers">{containers}</ul>
            </li>
        }
    };
    let list = match pods.is_empty() {
        true => view! { <p class="plain-card none">"No pods."</p> }.into_any(),
        false => {
            view! { <ul class="pods">{pods.into_iter().map(pod).collect_view()}</ul> }.into_any()
        }
    };
    view! {
        <section class="card after-card" aria-labelledby="pods-title">
            <h2 class="card-head" id="pods-title">
                "Pods and containers"
            </h2>
            {list}
        </section>
    }
    .into_any()
}
