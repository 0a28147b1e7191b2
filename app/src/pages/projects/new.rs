//! Making a project, for those who run Catalyst.

use catalyst_model::access::TeamView;
use leptos::prelude::*;
use leptos_meta::Title;

use crate::{
    api::{CreateProject, list_teams},
    components::{
        failure::{ActionFailure, FailurePage},
        icons::{Glyph, Icon},
        placeholder::{Empty, SkeletonPage},
    },
    session::Session,
};

/// How previews are run: the preset's name, what it is called here, and what it runs.
const PRESETS: [(&str, &str, &str); 6] = [
    ("custom", "As it is", "Found out from the repository"),
    ("nextjs", "Next.js", "next dev, with PostgreSQL"),
    ("generic-node", "Node.js", "npm start, port 3000"),
    ("python", "Python", "gunicorn, port 8000"),
    ("go", "Go", "go run, port 8080"),
    ("static", "Static files", "nginx, port 80"),
];

/// What names of teams and projects look like.
const NAME: &str = "[a-z]([a-z0-9]|-(?=[a-z0-9]))*";
const NAME_TITLE: &str = "Lower-case letters, digits and single hyphens";

/// `/projects/new`
#[component]
pub(crate) fn NewProjectPage() -> impl IntoView {
    let teams = Resource::new(|| (), |()| list_teams());
    let operator = expect_context::<Session>()
        .viewer
        .is_some_and(|viewer| viewer.operator);
    view! {
        <Title text="Add a project" />
        <nav class="crumbs" aria-label="Breadcrumb">
            <ol>
                <li>
                    <a href="/projects">"Projects"</a>
                </li>
                <li aria-current="page">"Add"</li>
            </ol>
        </nav>
        <header class="page-head">
            <div>
                <h1>"Add a project"</h1>
                <p class="lede">"Its repository's pull requests get previews from then on."</p>
            </div>
        </header>
        {if operator {
            view! {
                <Transition fallback=|| view! { <SkeletonPage what="the teams" /> }>
                    {move || Suspend::new(async move {
                        match teams.await {
                            Ok(teams) => view! { <Form teams /> }.into_any(),
                            Err(error) => {
                                let again = Callback::new(move |()| teams.refetch());
                                view! { <FailurePage error again /> }.into_any()
                            }
                        }
                    })}
                </Transition>
            }
                .into_any()
        } else {
            view! {
                <Empty glyph=Glyph::Box title="Projects are added by those who run this Catalyst">
                    <p>
                        "A project's previews are cloned with Catalyst's own access to GitHub. Ask an operator to add yours."
                    </p>
                    <div class="actions">
                        <a class="button" href="/projects">
                            "See the projects"
                        </a>
                    </div>
                </Empty>
            }
                .into_any()
        }}
    }
}

#[component]
fn Form(teams: Vec<TeamView>) -> impl IntoView {
    let create = ServerAction::<CreateProject>::new();
    let failure = Signal::derive(move || create.value().get().and_then(Result::err));
    let known = teams
        .into_iter()
        .map(|team| view! { <option value=team.name></option> });
    let choice = |(value, label, text): (&'static str, &'static str, &'static str)| {
        view! {
            <label class="choice">
                <input type="radio" name="preset" value=value checked=value == "custom" />
                <span class="choice-label">{label}</span>
                <span class="choice-text">{text}</span>
            </label>
        }
    };
    view! {
        <ActionForm action=create attr:class="card form">
            <div class="field">
                <label for="repository">"Repository on GitHub"</label>
                <input
                    id="repository"
                    name="repository"
                    class="mono"
                    placeholder="acme/storefront"
                    required
                    pattern="\\s*[\\w.\\-]+/[\\w.\\-]+\\s*"
                    title="OWNER/NAME"
                    autocomplete="off"
                    spellcheck="false"
                />
            </div>
            <div class="field">
                <label for="team">"Team"</label>
                <input
                    id="team"
                    name="team"
                    list="teams"
                    placeholder="acme"
                    required
                    maxlength="40"
                    pattern=NAME
                    title=NAME_TITLE
                    autocomplete="off"
                    spellcheck="false"
                />
                <datalist id="teams">{known.collect_view()}</datalist>
                <p class="hint">"Whose members see its previews. A team that does not exist yet is made."</p>
            </div>
            <div class="field">
                <label for="name">"Project"</label>
                <input
                    id="name"
                    name="name"
                    placeholder="storefront"
                    required
                    maxlength="40"
                    pattern=NAME
                    title=NAME_TITLE
                    autocomplete="off"
                    spellcheck="false"
                />
                <p class="hint">"Part of each preview's address."</p>
            </div>
            <fieldset class="choices">
                <legend>"How its previews are run"</legend>
                {PRESETS.into_iter().map(choice).collect_view()}
            </fieldset>
            <div class="field">
                <label for="branch">"Branch " <span class="optional">"optional"</span></label>
                <input id="branch" name="branch" class="mono" placeholder="main" autocomplete="off" spellcheck="false" />
                <p class="hint">"What is run where no commit is named."</p>
            </div>
            <ActionFailure error=failure />
            <div class="actions">
                <button type="submit" class="button primary" disabled=create.pending()>
                    <Icon glyph=Glyph::Plus />
                    "Add project"
                </button>
                <a class="button" href="/projects">
                    "Cancel"
                </a>
            </div>
        </ActionForm>
    }
    .into_any()
}

#[cfg(all(test, feature = "ssr"))]
mod tests {
    use catalyst_previews::Preset;

    use super::PRESETS;

    #[test]
    fn every_preset_is_offered_once() {
        let mut offered = PRESETS.map(|(name, ..)| name);
        let mut known = Preset::ALL.map(Preset::name);
        offered.sort_unstable();
        known.sort_unstable();
        assert_eq!(offered, known);
    }
}
