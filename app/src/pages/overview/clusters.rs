//! What each cluster has, and what is taken of it.

use catalyst_model::{
    usage::Capacity,
    views::{ClusterOverview, OperationsView},
};
use leptos::prelude::*;

use crate::{
    components::{
        icons::{Glyph, Icon},
        usage::{Bar, Kind},
    },
    format,
};

/// A card for each cluster.
#[component]
pub(super) fn Clusters(shown: RwSignal<OperationsView>) -> impl IntoView {
    let clusters = Memo::new(move |_| shown.with(|o| o.clusters.clone()));
    view! {
        <section aria-labelledby="clusters">
            <h2 class="section-head" id="clusters">
                "Clusters"
            </h2>
            <ul class="clusters">
                {move || {
                    let clusters = clusters.get().into_iter();
                    clusters.map(|cluster| view! { <Cluster cluster /> }).collect_view()
                }}
            </ul>
        </section>
    }
    .into_any()
}

#[component]
fn Cluster(cluster: ClusterOverview) -> impl IntoView {
    let nodes = cluster.capacity.as_ref().map(nodes);
    view! {
        <li class="card cluster">
            <div class="cluster-head">
                <h3>{cluster.name.clone()}</h3>
                {nodes.map(|nodes| view! { <span class="head-note">{nodes}</span> })}
            </div>
            {cluster
                .capacity
                .clone()
                .map(|capacity| {
                    view! {
                        <div class="cluster-figures">
                            <Amounts kind=Kind::Cpu capacity=capacity.clone() cluster=cluster.clone() />
                            <Amounts kind=Kind::Memory capacity cluster=cluster.clone() />
                        </div>
                    }
                })}
            {cluster
                .trouble
                .map(|trouble| {
                    view! {
                        <p class="cluster-trouble">
                            <Icon glyph=Glyph::Alert />
                            <span>{trouble}</span>
                        </p>
                    }
                })}
        </li>
    }
    .into_any()
}

fn nodes(capacity: &Capacity) -> String {
    let nodes = format::count(capacity.nodes as usize, "node", "nodes");
    match capacity.unavailable_nodes {
        0 => nodes,
        out => format!("{nodes}, {out} not taking pods"),
    }
}

/// One bar: what is used, and behind it what is asked for.
#[component]
fn Amounts(kind: Kind, capacity: Capacity, cluster: ClusterOverview) -> impl IntoView {
    let whole = kind.of(&capacity.allocatable);
    let requested = kind.of(&capacity.requested);
    let used = capacity.used.as_ref().map(|used| kind.of(used));
    let previews = cluster.previews.as_ref().map(|used| kind.of(used));
    let tight = requested.saturating_mul(10) >= whole.saturating_mul(9);
    let parts = [
        Some(("bar-requested", requested)),
        used.map(|used| ("bar-part", used)),
    ];
    let mut parts: Vec<_> = parts.into_iter().flatten().collect();
    parts.sort_by_key(|(_, amount)| std::cmp::Reverse(*amount));
    view! {
        <div class="amounts" class:over=tight>
            <p class="resource-line">
                <span class="resource-name">{kind.label()}</span>
                <span class="resource-figure">{kind.amount(whole)} " allocatable"</span>
            </p>
            <Bar parts whole />
            <dl class="amounts-list">
                <div>
                    <dt>
                        <span class="swatch requested" aria-hidden="true"></span>
                        "Requested"
                    </dt>
                    <dd>{kind.amount(requested)}</dd>
                </div>
                <div>
                    <dt>
                        <span class="swatch used" aria-hidden="true"></span>
                        "Used"
                    </dt>
                    <dd>{used.map_or_else(|| "not known".to_owned(), |used| kind.amount(used))}</dd>
                </div>
                <div>
                    <dt>"By previews"</dt>
                    <dd>
                        {previews.map_or_else(|| "not known".to_owned(), |used| kind.amount(used))}
                    </dd>
                </div>
            </dl>
            {tight
                .then(|| {
                    view! {
                        <p class="resource-note">
                            "Nearly all of it is asked for: new previews may have to wait."
                        </p>
                    }
                })}
        </div>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;
    use catalyst_model::usage::Resources;

    fn rendered(cluster: ClusterOverview) -> String {
        Owner::new().with(|| view! { <Cluster cluster /> }.to_html())
    }

    fn resources(cpu_millicores: u64, memory_mib: u64) -> Resources {
        Resources {
            cpu_millicores,
            memory_mib,
        }
    }

    fn cluster() -> ClusterOverview {
        ClusterOverview {
            name: "eu".into(),
            capacity: Some(Capacity {
                nodes: 2,
                unavailable_nodes: 1,
                allocatable: resources(4000, 8192),
                requested: resources(3700, 1024),
                used: Some(resources(900, 700)),
            }),
            previews: Some(resources(300, 200)),
            trouble: None,
        }
    }

    #[test]
    fn a_cluster_shows_what_it_has_and_what_is_taken() {
        let html = rendered(cluster());
        for text in [
            "2 nodes, 1 not taking pods",
            "4 cores",
            "3.7 cores",
            "900m",
            "300m",
            "8 GiB",
        ] {
            assert!(html.contains(text), "{text}: {html}");
        }
        assert_eq!(html.matches("Nearly all of it is asked for").count(), 1);
    }

    #[test]
    fn what_a_cluster_does_not_measure_is_not_known_rather_than_zero() {
        let mut blind = cluster();
        blind.capacity = blind.capacity.map(|it| Capacity { used: None, ..it });
        blind.previews = None;
        blind.trouble = Some("Cluster eu has no metrics server.".into());
        let html = rendered(blind);
        assert_eq!(html.matches("not known").count(), 4, "{html}");
        assert!(html.contains("has no metrics server"), "{html}");
    }
}
