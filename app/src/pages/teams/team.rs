//! One team: who belongs to it, and changing that.

use catalyst_model::access::{MemberView, TeamDetail};
use catalyst_model::state::Role;
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_params_map;

use super::{RoleOptions, explained};
use crate::{
    api::{AddMember, ChangeRole, RemoveMember, get_team},
    components::{
        failure::{ActionFailure, FailurePage},
        icons::{Glyph, Icon},
        placeholder::SkeletonPage,
    },
    error::AppErrorKind,
    request,
};

/// What can be done on the page.
#[derive(Clone, Copy)]
struct Changes {
    add: ServerAction<AddMember>,
    role: ServerAction<ChangeRole>,
    remove: ServerAction<RemoveMember>,
}

/// `/teams/{name}`
#[component]
pub(crate) fn TeamPage() -> impl IntoView {
    let params = use_params_map();
    let name = Memo::new(move |_| params.with(|p| p.get("name").unwrap_or_default()));
    let changes = Changes {
        add: ServerAction::new(),
        role: ServerAction::new(),
        remove: ServerAction::new(),
    };
    let versions = move || {
        (
            changes.add.version().get(),
            changes.role.version().get(),
            changes.remove.version().get(),
        )
    };
    let team = Resource::new(move || (name.get(), versions()), |(name, _)| get_team(name));
    view! {
        <Title text=move || name.get() />
        <Transition fallback=|| view! { <SkeletonPage what="the team" /> }>
            {move || Suspend::new(async move {
                match team.await {
                    Ok(team) => view! { <Team team changes /> }.into_any(),
                    Err(error) if error.kind == AppErrorKind::NotFound => {
                        view! { <MissingTeam name=name.get_untracked() /> }.into_any()
                    }
                    Err(error) => {
                        let again = Callback::new(move |()| team.refetch());
                        view! { <FailurePage error again /> }.into_any()
                    }
                }
            })}
        </Transition>
    }
}

#[component]
fn Team(team: TeamDetail, changes: Changes) -> impl IntoView {
    let failure = Signal::derive(move || {
        let of_role = changes.role.value().get().and_then(Result::err);
        of_role.or_else(|| changes.remove.value().get().and_then(Result::err))
    });
    let without_owner = !team.members.iter().any(|it| it.role == Role::Owner);
    let name = team.name.clone();
    view! {
        <header class="page-head">
            <div>
                <nav class="crumbs" aria-label="Breadcrumb">
                    <a href="/teams">"Teams"</a>
                </nav>
                <h1 class="breakable">{team.name.clone()}</h1>
                <p class="lede">
                    "Members see and retry its previews. Admins also delete them and manage members. Owners also make and unmake owners."
                </p>
            </div>
        </header>
        {without_owner
            .then(|| {
                view! {
                    <p class="notice warn">
                        <Icon glyph=Glyph::Alert />
                        <span>"This team has no owner. Add one, so that it can look after itself."</span>
                    </p>
                }
            })}
        <ActionFailure error=failure />
        {(!team.members.is_empty())
            .then(|| view! { <Members name=name.clone() members=team.members changes /> })}
        {(!team.may_give.is_empty())
            .then(|| view! { <AddForm name=name roles=team.may_give changes /> })}
    }
    .into_any()
}

#[component]
fn Members(name: String, members: Vec<MemberView>, changes: Changes) -> impl IntoView {
    view! {
        <div class="card table-card">
            <table class="people" role="table">
                <thead role="rowgroup">
                    <tr role="row">
                        <th role="columnheader" scope="col">"Member"</th>
                        <th role="columnheader" scope="col">"Role"</th>
                        <th role="columnheader" scope="col">
                            <span class="unseen">"Actions"</span>
                        </th>
                    </tr>
                </thead>
                <tbody role="rowgroup">
                    {members
                        .into_iter()
                        .map(|member| view! { <Member team=name.clone() member changes /> })
                        .collect_view()}
                </tbody>
            </table>
        </div>
    }
    .into_any()
}

#[component]
fn Member(team: String, member: MemberView, changes: Changes) -> impl IntoView {
    let role = member.role;
    let label = format!("Role of {}", member.login);
    let roles: Vec<Role> = Role::ALL
        .into_iter()
        .filter(|it| *it == role || member.may_become.contains(it))
        .collect();
    let (remove, of_whom) = match member.is_you {
        true => ("Leave", "Leave the team".to_owned()),
        false => ("Remove", format!("Remove {}", member.login)),
    };
    let user = member.user.clone();
    let (of_team, of_user) = (team.clone(), member.user.clone());
    let change = (!member.may_become.is_empty()).then(|| {
        view! {
            <ActionForm action=changes.role>
                <div class="inline-form">
                    <input type="hidden" name="team" value=of_team />
                    <input type="hidden" name="user" value=of_user />
                    <span class="field">
                        <select name="role" aria-label=label>
                            <RoleOptions roles chosen=role />
                        </select>
                    </span>
                    <button type="submit" class="button small" disabled=changes.role.pending()>
                        "Change"
                    </button>
                </div>
            </ActionForm>
        }
    });
    view! {
        <tr role="row">
            <td role="cell" class="row-title">
                <span class="breakable">{member.login}</span>
                {member.is_you.then(|| view! { <span class="tag">"you"</span> })}
            </td>
            <td role="cell">
                {match change {
                    Some(form) => form.into_any(),
                    None => {
                        view! {
                            <span class="tag" title=explained(role)>
                                {role.as_str()}
                            </span>
                        }
                            .into_any()
                    }
                }}
            </td>
            <td role="cell" class="col-actions">
                {member
                    .may_remove
                    .then(|| {
                        view! {
                            <ActionForm action=changes.remove>
                                <input type="hidden" name="team" value=team />
                                <input type="hidden" name="user" value=user />
                                <button
                                    type="submit"
                                    class="button small danger"
                                    aria-label=of_whom
                                    disabled=changes.remove.pending()
                                >
                                    {remove}
                                </button>
                            </ActionForm>
                        }
                    })}
            </td>
        </tr>
    }
    .into_any()
}

#[component]
fn AddForm(name: String, roles: Vec<Role>, changes: Changes) -> impl IntoView {
    let failure = Signal::derive(move || changes.add.value().get().and_then(Result::err));
    view! {
        <section class="card form-card" aria-labelledby="add-member">
            <h2 id="add-member">"Add somebody"</h2>
            <ActionFailure error=failure />
            <ActionForm action=changes.add>
                <input type="hidden" name="team" value=name />
                <div class="form-line">
                    <label class="input">
                        <span>"Login on GitHub"</span>
                        <input
                            type="text"
                            name="login"
                            required
                            maxlength="100"
                            autocomplete="off"
                            autocapitalize="none"
                            spellcheck="false"
                        />
                    </label>
                    <label class="input narrow">
                        <span>"Role"</span>
                        <select name="role">
                            <RoleOptions roles chosen=Role::Member />
                        </select>
                    </label>
                    <button type="submit" class="button primary" disabled=changes.add.pending()>
                        <Icon glyph=Glyph::People />
                        "Add to the team"
                    </button>
                </div>
            </ActionForm>
        </section>
    }
    .into_any()
}

/// No team has this name, or none that one may see.
#[component]
fn MissingTeam(name: String) -> impl IntoView {
    request::set_page_status(404);
    view! {
        <Title text="No such team" />
        <div class="card missing">
            <span class="empty-icon">
                <Icon glyph=Glyph::People />
            </span>
            <h1>"No such team"</h1>
            <p>
                "There is no team " <code class="breakable">{name}</code>
                ", or none that you are a member of. An owner or admin of it can add you."
            </p>
            <div class="actions">
                <a class="button primary" href="/teams">
                    "See your teams"
                </a>
            </div>
        </div>
    }
}
