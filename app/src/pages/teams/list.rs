//! One's teams.

use catalyst_model::access::TeamView;
use leptos::prelude::*;
use leptos_meta::Title;

use crate::{
    api::{CreateTeam, list_teams},
    components::{
        failure::{ActionFailure, FailurePage},
        icons::{Glyph, Icon},
        placeholder::{Empty, SkeletonRows},
    },
    format,
    session::Session,
};

/// `/teams`
#[component]
pub(crate) fn TeamsPage() -> impl IntoView {
    let create = ServerAction::<CreateTeam>::new();
    let teams = Resource::new(move || create.version().get(), |_| list_teams());
    let operator = expect_context::<Session>()
        .viewer
        .is_some_and(|viewer| viewer.operator);
    view! {
        <Title text="Teams" />
        <header class="page-head">
            <div>
                <h1>"Teams"</h1>
                <p class="lede">
                    "A project belongs to a team. Its previews are seen by those who belong to it, and by nobody else."
                </p>
            </div>
        </header>
        <Transition fallback=|| view! { <SkeletonRows what="teams" rows=3 /> }>
            {move || Suspend::new(async move {
                match teams.await {
                    Ok(teams) if teams.is_empty() => view! { <NoTeams operator /> }.into_any(),
                    Ok(teams) => view! { <TeamTable teams /> }.into_any(),
                    Err(error) => {
                        let again = Callback::new(move |()| teams.refetch());
                        view! { <FailurePage error again /> }.into_any()
                    }
                }
            })}
        </Transition>
        {operator.then(|| view! { <NewTeam create /> })}
    }
}

#[component]
fn NoTeams(operator: bool) -> impl IntoView {
    view! {
        <Empty glyph=Glyph::People title="You belong to no team yet">
            {if operator {
                view! { <p>"Make the first one below, then add its owner."</p> }.into_any()
            } else {
                view! {
                    <p>
                        "An owner or admin of a team adds you by your login on GitHub. Ask yours, or whoever runs this Catalyst; then reload this page."
                    </p>
                }
                    .into_any()
            }}
        </Empty>
    }
}

#[component]
fn TeamTable(teams: Vec<TeamView>) -> impl IntoView {
    view! {
        <div class="card table-card">
            <table class="people" role="table">
                <thead role="rowgroup">
                    <tr role="row">
                        <th role="columnheader" scope="col">"Team"</th>
                        <th role="columnheader" scope="col">"Your role"</th>
                        <th role="columnheader" scope="col">"Members"</th>
                        <th role="columnheader" scope="col">"Projects"</th>
                    </tr>
                </thead>
                <tbody role="rowgroup">
                    {teams.into_iter().map(|team| view! { <Row team /> }).collect_view()}
                </tbody>
            </table>
        </div>
    }
}

#[component]
fn Row(team: TeamView) -> impl IntoView {
    let page = format!("/teams/{}", format::encode(&team.name));
    view! {
        <tr role="row">
            <td role="cell">
                <a class="row-title" href=page>
                    {team.name}
                </a>
            </td>
            <td role="cell">
                {match team.role {
                    Some(role) => view! { <span class="tag">{role.as_str()}</span> }.into_any(),
                    None => view! { <span class="none">"none; you see it as operator"</span> }.into_any(),
                }}
            </td>
            <td role="cell" class="num">
                {format::count(team.members as usize, "member", "members")}
                {(team.owners == 0)
                    .then(|| view! { <span class="row-error">"It has no owner yet"</span> })}
            </td>
            <td role="cell" class="num">
                {format::count(team.projects as usize, "project", "projects")}
            </td>
        </tr>
    }
}

#[component]
fn NewTeam(create: ServerAction<CreateTeam>) -> impl IntoView {
    let failure = Signal::derive(move || create.value().get().and_then(Result::err));
    view! {
        <section class="card form-card" aria-labelledby="new-team">
            <h2 id="new-team">"Make a team"</h2>
            <ActionFailure error=failure />
            <ActionForm action=create>
                <div class="form-line">
                    <label class="input">
                        <span>"Name"</span>
                        <input
                            type="text"
                            name="name"
                            required
                            maxlength="40"
                            pattern="[a-z]([a-z0-9]|-(?=[a-z0-9]))*"
                            title="Lower-case letters, digits and single hyphens"
                            autocomplete="off"
                        />
                    </label>
                    <button type="submit" class="button primary" disabled=create.pending()>
                        <Icon glyph=Glyph::People />
                        "Make team"
                    </button>
                </div>
            </ActionForm>
        </section>
    }
}
