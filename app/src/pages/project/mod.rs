//! A project's platform: how it is run, what runs of it, and its secrets.

mod run;
mod secrets;

use catalyst_model::{
    platform::{EnvironmentBrief, ProjectPlatform, SourceView, TemplateView},
    state::Phase,
};
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_params_map;

use crate::{
    api::get_platform,
    components::{
        failure::FailurePage,
        icons::{Glyph, Icon},
        placeholder::SkeletonPage,
        text::Cut,
    },
    error::AppErrorKind,
    format,
    pages::not_found::Missing,
    status::Tone,
};
use run::Run;
use secrets::Secrets;

/// Where a project's page is.
pub(crate) fn href(slug: &str) -> String {
    format!("/projects/{}/platform", format::encode(slug))
}

/// Where an Environment's page is.
pub(crate) fn environment_href(slug: &str, name: &str) -> String {
    format!(
        "/projects/{}/env/{}",
        format::encode(slug),
        format::encode(name)
    )
}

/// The tone and the word of a phase.
pub(crate) fn phase_tone(phase: Phase) -> Tone {
    match phase {
        Phase::Ready => Tone::Ready,
        Phase::Failed | Phase::Degraded => Tone::Bad,
        Phase::Pending | Phase::Building | Phase::Deploying => Tone::Busy,
    }
}

/// `/projects/{slug}/platform`
#[component]
pub(crate) fn ProjectPage() -> impl IntoView {
    let params = use_params_map();
    let slug = Memo::new(move |_| params.with(|p| p.get("slug").unwrap_or_default()));
    let platform = Resource::new(move || slug.get(), get_platform);
    view! {
        <Title text=move || format!("{} platform", slug.get()) />
        <Transition fallback=|| view! { <SkeletonPage what="the project" /> }>
            {move || Suspend::new(async move {
                match platform.await {
                    Ok(read) => {
                        let reload = Callback::new(move |()| platform.refetch());
                        view! { <Platform platform=read reload /> }.into_any()
                    }
                    Err(error) if error.kind == AppErrorKind::NotFound => {
                        view! {
                            <Missing
                                what="Project"
                                name=slug.get_untracked()
                                causes=vec![
                                    "it was removed, or is called otherwise",
                                    "it belongs to a team that you are not in",
                                ]
                            />
                        }
                            .into_any()
                    }
                    Err(error) => {
                        let again = Callback::new(move |()| platform.refetch());
                        view! { <FailurePage error again /> }.into_any()
                    }
                }
            })}
        </Transition>
    }
}

#[component]
fn Platform(platform: ProjectPlatform, reload: Callback<()>) -> impl IntoView {
    let ready = platform
        .environments
        .iter()
        .filter(|it| it.phase == Phase::Ready)
        .count();
    let of_kind = |development: bool| {
        let all = platform.environments.iter();
        all.filter(|it| (it.kind == "development") == development)
            .count()
    };
    let (development, deployment) = (of_kind(true), of_kind(false));
    let slug = platform.slug.clone();
    let figure = |value: usize, label: &'static str| {
        view! {
            <div class="figure">
                <dt>{label}</dt>
                <dd>{value}</dd>
            </div>
        }
    };
    let problem = platform.problem.clone().map(|problem| {
        view! {
            <p class="notice bad">
                <Icon glyph=Glyph::Alert />
                <span>{problem}</span>
            </p>
        }
    });
    view! {
        <nav class="crumbs" aria-label="Breadcrumb">
            <ol>
                <li>
                    <a href="/projects">"Projects"</a>
                </li>
                <li aria-current="page">{platform.name.clone()}</li>
            </ol>
        </nav>
        <header class="page-head">
            <div>
                <h1>"Platform configuration"</h1>
                <p class="lede">
                    {format!("Project {} of team {}.", platform.name, platform.team)}
                </p>
            </div>
            <div class="head-tools">
                <a
                    class="button primary"
                    href=format!(
                        "/preview-environments/new?of={}/{}",
                        platform.team,
                        platform.name,
                    )
                >
                    <Icon glyph=Glyph::Plus />
                    "Create preview"
                </a>
            </div>
        </header>
        {problem}
        <dl class="card figures">
            {figure(deployment, "deployment environments")}
            {figure(development, "development environments")} {figure(ready, "ready")}
        </dl>
        <section aria-labelledby="environments-title">
            <h2 class="section-head" id="environments-title">
                "Environments"
            </h2>
            <Environments slug=slug.clone() environments=platform.environments.clone() />
        </section>
        <Run platform=platform.clone() reload />
        <section aria-labelledby="templates-title">
            <h2 class="section-head" id="templates-title">
                "Templates"
            </h2>
            <Templates templates=platform.templates.clone() />
        </section>
        <section aria-labelledby="repositories-title">
            <h2 class="section-head" id="repositories-title">
                "Repositories"
            </h2>
            <Sources sources=platform.sources.clone() installation=platform.installation.clone() />
        </section>
        <Secrets platform reload />
    }
    .into_any()
}

#[component]
fn Environments(slug: String, environments: Vec<EnvironmentBrief>) -> impl IntoView {
    if environments.is_empty() {
        return view! {
            <p class="card plain-card none">
                "No environments now. Each open pull request gets one."
            </p>
        }
        .into_any();
    }
    let row = move |it: EnvironmentBrief| {
        let page = environment_href(&slug, &it.name);
        let tone = phase_tone(it.phase);
        view! {
            <li class="platform-row" data-namespace=it.namespace.clone()>
                <span class=format!("beacon {}", tone.class()) aria-hidden="true"></span>
                <a class="platform-name" href=page>
                    {it.name}
                </a>
                <span class="tag">{it.kind}</span>
                <span class="platform-phase">{it.phase.as_str()}</span>
                <span class="platform-sub">
                    {it.branch.map(|branch| view! { <code>{branch}</code> })} " "
                    {it.commit.map(|sha| view! { <code>{format::short_commit(&sha)}</code> })}
                </span>
                {it
                    .url
                    .map(|url| {
                        view! {
                            <a class="quiet-link" href=url rel="external noopener" target="_blank">
                                "Open"
                            </a>
                        }
                    })}
            </li>
        }
    };
    view! { <ul class="card platform-list">{environments.into_iter().map(row).collect_view()}</ul> }
        .into_any()
}

#[component]
fn Templates(templates: Vec<TemplateView>) -> impl IntoView {
    if templates.is_empty() {
        return view! {
            <p class="card plain-card none">
                "The Project names no templates: how a repository is run is found out from the repository itself."
            </p>
        }
        .into_any();
    }
    let one = |it: TemplateView| {
        view! {
            <li class="platform-template">
                <div class="platform-template-head">
                    <h3>{it.name}</h3>
                    <span class="tag">{it.kind}</span>
                </div>
                {match it.configuration {
                    Some(yaml) => {
                        view! {
                            <pre class="command" tabindex="0">
                                <code>{yaml}</code>
                            </pre>
                        }
                            .into_any()
                    }
                    None => {
                        view! { <p class="none">"As the repository itself says."</p> }.into_any()
                    }
                }}
            </li>
        }
    };
    view! { <ul class="card platform-list">{templates.into_iter().map(one).collect_view()}</ul> }
        .into_any()
}

#[component]
fn Sources(sources: Vec<SourceView>, installation: Option<String>) -> impl IntoView {
    let row = |it: SourceView| {
        view! {
            <li class="platform-row">
                <span class="platform-name">{it.name}</span>
                <span class="platform-sub">
                    <code>
                        <Cut name=it.url />
                    </code>
                    " at "
                    <code>{it.branch}</code>
                </span>
            </li>
        }
    };
    let read_by = match installation.as_deref() {
        Some("pat") => "Private ones are read with Catalyst's personal access token.".to_owned(),
        Some(id) => format!("Private ones are read through installation {id} of the GitHub App."),
        None => "They have to be public: the Project names no installation of the GitHub App."
            .to_owned(),
    };
    view! {
        <ul class="card platform-list">{sources.into_iter().map(row).collect_view()}</ul>
        <p class="hint">{read_by}</p>
    }
    .into_any()
}
