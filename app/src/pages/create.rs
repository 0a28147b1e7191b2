//! Making a preview by hand: of a branch, a commit or an image.

use catalyst_model::views::ProjectView;
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_query_map;

use crate::{
    api::{CreatePreview, list_projects},
    components::{
        failure::{ActionFailure, FailurePage},
        icons::{Glyph, Icon},
        placeholder::{Empty, SkeletonPage},
    },
};

/// `/preview-environments/new`
#[component]
pub(crate) fn CreatePage() -> impl IntoView {
    let projects = Resource::new(|| (), |()| list_projects());
    view! {
        <Title text="Create a preview" />
        <nav class="crumbs" aria-label="Breadcrumb">
            <ol>
                <li>
                    <a href="/preview-environments">"Previews"</a>
                </li>
                <li aria-current="page">"Create"</li>
            </ol>
        </nav>
        <header class="page-head">
            <div>
                <h1>"Create a preview"</h1>
                <p class="lede">
                    "Of a branch, a commit or an image, without a pull request. It is removed after a day, unless you keep it."
                </p>
            </div>
        </header>
        <Transition fallback=|| view! { <SkeletonPage what="the projects" /> }>
            {move || Suspend::new(async move {
                match projects.await {
                    Ok(projects) => view! { <Content projects /> }.into_any(),
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
fn Content(projects: Vec<ProjectView>) -> impl IntoView {
    let usable = |project: &ProjectView| !project.repositories.is_empty();
    match projects.iter().any(usable) {
        true => view! { <Form projects /> }.into_any(),
        false => view! {
            <Empty glyph=Glyph::Box title="No project yet">
                <p>"A preview is made of a project's repository. Make a project first."</p>
                <div class="actions">
                    <a class="button" href="/projects">
                        "See the projects"
                    </a>
                </div>
            </Empty>
        }
        .into_any(),
    }
}

/// One form for all three: which of the fields are shown, the style sheet decides by what is
/// chosen, so that it works without scripts.
#[component]
fn Form(projects: Vec<ProjectView>) -> impl IntoView {
    let create = ServerAction::<CreatePreview>::new();
    let failure = Signal::derive(move || create.value().get().and_then(Result::err));
    let wanted = use_query_map().with_untracked(|query| query.get("of").unwrap_or_default());
    let group = move |project: ProjectView| {
        let of = format!("{}/{}", project.team, project.name);
        let wanted = wanted.clone();
        let options = project.repositories.into_iter().map(move |repository| {
            let value = format!("{of}/{repository}");
            let selected = value == wanted || of == wanted;
            view! {
                <option value=value selected=selected>
                    {repository}
                </option>
            }
        });
        let label = format!("{} / {}", project.team, project.name);
        view! { <optgroup label=label>{options.collect_view()}</optgroup> }
    };
    let choice = |value: &'static str, label: &'static str, text: &'static str| {
        view! {
            <label class="choice">
                <input type="radio" name="what" value=value checked=value == "branch" />
                <span class="choice-label">{label}</span>
                <span class="choice-text">{text}</span>
            </label>
        }
    };
    view! {
        <ActionForm action=create attr:class="card form">
            <div class="field">
                <label for="of">"Repository"</label>
                <select id="of" name="of" required>
                    {projects.into_iter().map(group).collect_view()}
                </select>
            </div>
            <fieldset class="choices">
                <legend>"What to run"</legend>
                {choice("branch", "Branch", "Its newest commit")}
                {choice("commit", "Commit", "That very one")}
                {choice("image", "Image", "As it is, from a registry")}
            </fieldset>
            <div class="field of-commit">
                <label for="commit">"Commit"</label>
                <input
                    id="commit"
                    name="commit"
                    class="mono"
                    placeholder="40 hexadecimal digits"
                    pattern="\\s*[0-9a-fA-F]{40}\\s*"
                    title="The whole commit id: 40 hexadecimal digits"
                    autocomplete="off"
                    spellcheck="false"
                />
            </div>
            <div class="field of-image">
                <label for="image">"Image"</label>
                <input
                    id="image"
                    name="image"
                    class="mono"
                    placeholder="ghcr.io/acme/shop:1.4"
                    autocomplete="off"
                    spellcheck="false"
                />
            </div>
            <div class="field of-image">
                <label for="port">"Port " <span class="optional">"optional"</span></label>
                <input id="port" name="port" class="mono" inputmode="numeric" placeholder="3000" autocomplete="off" />
                <p class="hint">"What the image listens on."</p>
            </div>
            <div class="field">
                <label for="branch">"Branch " <span class="optional">"optional"</span></label>
                <input
                    id="branch"
                    name="branch"
                    class="mono"
                    placeholder="the project’s own"
                    autocomplete="off"
                    spellcheck="false"
                />
                <p class="hint">"Empty: the branch that the project names."</p>
            </div>
            <div class="field">
                <label for="name">"Name " <span class="optional">"optional"</span></label>
                <input
                    id="name"
                    name="name"
                    class="mono"
                    placeholder="dev-calm-otter-07"
                    maxlength="40"
                    autocomplete="off"
                    spellcheck="false"
                />
                <p class="hint">"Part of the address. Empty: one is made up."</p>
            </div>
            <ActionFailure error=failure />
            <div class="actions">
                <button type="submit" class="button primary" disabled=create.pending()>
                    <Icon glyph=Glyph::Plus />
                    "Create preview"
                </button>
                <a class="button" href="/preview-environments">
                    "Cancel"
                </a>
            </div>
        </ActionForm>
    }
    .into_any()
}
