//! What each team has, and uses.

use catalyst_model::{
    usage::Resources,
    views::{OperationsView, TeamOverview},
};
use leptos::prelude::*;

use crate::{
    components::usage::{Bar, Kind},
    format,
};

/// A row for each team, and one for all of them.
#[component]
pub(super) fn Teams(shown: RwSignal<OperationsView>) -> impl IntoView {
    let teams = Memo::new(move |_| shown.with(|o| o.teams.clone()));
    view! {
        <Show when=move || !teams.with(Vec::is_empty)>
            <section aria-labelledby="teams">
                <h2 class="section-head" id="teams">
                    "Teams"
                </h2>
                <div class="card table-card scrolls" tabindex="0" role="region" aria-label="Teams, by numbers">
                    <table class="teams">
                        <thead>
                            <tr>
                                <th scope="col">"Team"</th>
                                <th scope="col">"Previews"</th>
                                <th scope="col">"Ready"</th>
                                <th scope="col">"In progress"</th>
                                <th scope="col">"Failed"</th>
                                <th scope="col">"Over quota"</th>
                                <th scope="col">"CPU"</th>
                                <th scope="col">"Memory"</th>
                            </tr>
                        </thead>
                        <tbody>
                            {move || {
                                let teams = teams.get();
                                let whole: Resources = teams.iter().filter_map(|it| it.used).sum();
                                teams
                                    .into_iter()
                                    .map(|team| view! { <Team team whole /> })
                                    .collect_view()
                            }}
                        </tbody>
                    </table>
                </div>
            </section>
        </Show>
    }
    .into_any()
}

#[component]
fn Team(
    team: TeamOverview,
    /// What all teams use together.
    whole: Resources,
) -> impl IntoView {
    let previews = format!("/preview-environments?q={}", format::encode(&team.team));
    let marked = |count: u32| {
        let class = if count > 0 { "count-bad" } else { "none" };
        view! { <td class=class>{count}</td> }
    };
    let share = |kind: Kind| match team.used {
        Some(used) => view! {
            <td class="share">
                <span>{kind.amount(kind.of(&used))}</span>
                <Bar parts=vec![("bar-part", kind.of(&used))] whole=kind.of(&whole) />
            </td>
        }
        .into_any(),
        None => view! { <td class="share none">"not known"</td> }.into_any(),
    };
    view! {
        <tr>
            <th scope="row">
                <a href=previews>{team.team.clone()}</a>
            </th>
            <td>{team.counts.all}</td>
            <td>{team.counts.running}</td>
            <td>{team.counts.in_progress}</td>
            {marked(team.counts.failed)}
            {marked(team.counts.over_quota)}
            {share(Kind::Cpu)}
            {share(Kind::Memory)}
        </tr>
    }
    .into_any()
}
