//! Teams, and who belongs to them.

pub(crate) mod list;
pub(crate) mod team;

use catalyst_model::state::Role;
use leptos::prelude::*;

/// What a role lets one do, beside its word.
const fn explained(role: Role) -> &'static str {
    match role {
        Role::Owner => "owner: also makes and unmakes owners",
        Role::Admin => "admin: also deletes previews and manages members",
        Role::Member => "member: sees and retries previews",
    }
}

/// Options of a select, one a role.
#[component]
fn RoleOptions(roles: Vec<Role>, chosen: Role) -> impl IntoView {
    roles
        .into_iter()
        .map(|role| {
            view! {
                <option value=role.as_str() selected={role == chosen}>
                    {role.as_str()}
                </option>
            }
        })
        .collect_view()
}
