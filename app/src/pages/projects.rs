//! The projects of one's teams.

pub(crate) mod new;

use catalyst_model::{names::project_namespace, views::ProjectView};
use leptos::prelude::*;
use leptos_meta::Title;

use crate::{
    api::list_projects,
    components::{
        failure::FailurePage,
        icons::{Glyph, Icon},
        placeholder::{Empty, SkeletonRows},
    },
    format,
    session::Session,
};

/// `/projects`
#[component]
pub(crate) fn ProjectsPage() -> impl IntoView {
    let projects = Resource::new(|| (), |()| list_projects());
    let operator = expect_context::<Session>()
        .viewer
        .is_some_and(|viewer| viewer.operator);
    view! {
        <Title text="Projects" />
        <header class="page-head">
            <div>
                <h1>"Projects"</h1>
                <p class="lede">"Which repositories get previews, and for which team."</p>
            </div>
            {operator
                .then(|| {
                    view! {
                        <div class="head-tools">
                            <a class="button primary" href="/projects/new">
                                <Icon glyph=Glyph::Plus />
                                "Add project"
                            </a>
                        </div>
                    }
                })}
        </header>
        <Transition fallback=|| view! { <SkeletonRows what="projects" rows=3 /> }>
            {move || Suspend::new(async move {
                match projects.await {
                    Ok(projects) if projects.is_empty() => view! { <NoProjects operator /> }.into_any(),
                    Ok(projects) => view! { <Projects projects /> }.into_any(),
                    Err(error) => {
                        let again = Callback::new(move |()| projects.refetch());
                        view! { <FailurePage error again /> }.into_any()
                    }
                }
            })}
        </Transition>
    }
}

#[component]
fn NoProjects(operator: bool) -> impl IntoView {
    view! {
        <Empty glyph=Glyph::Box title="No projects yet">
            <p>"A project says which repository's pull requests become previews, and for which team."</p>
            {if operator {
                view! {
                    <p>
                        "Add the first one here, with " <code>"catalyst project create"</code>
                        ", or as a Project with kubectl."
                    </p>
                }
                    .into_any()
            } else {
                view! { <p>"Those who run this Catalyst add yours."</p> }.into_any()
            }}
        </Empty>
    }
}

#[component]
fn Projects(projects: Vec<ProjectView>) -> impl IntoView {
    view! {
        <ul class="projects">
            {projects.into_iter().map(|project| view! { <Project project /> }).collect_view()}
        </ul>
    }
}

#[component]
fn Project(project: ProjectView) -> impl IntoView {
    let first = project.repositories.first().cloned().unwrap_or_default();
    let previews = format!("/preview-environments?q={}", format::encode(&first));
    let page = super::project::href(&project_namespace(&project.team, &project.name));
    let count = format::count(project.previews as usize, "preview", "previews");
    view! {
        <li class="card project">
            <div class="project-head">
                <h2>
                    <a href=page>{project.name}</a>
                </h2>
                <span class="tag">{project.team}</span>
            </div>
            <ul class="repositories">
                {project.repositories.into_iter().map(|name| view! { <li>{name}</li> }).collect_view()}
            </ul>
            {project
                .problem
                .map(|problem| {
                    view! {
                        <p class="notice bad">
                            <Icon glyph=Glyph::Alert />
                            <span>{problem}</span>
                        </p>
                    }
                })}
            <p class="project-foot">
                {if project.previews > 0 {
                    view! { <a href=previews>{count}</a> }.into_any()
                } else {
                    view! { <span class="none">"No previews now"</span> }.into_any()
                }}
            </p>
        </li>
    }
    .into_any()
}
