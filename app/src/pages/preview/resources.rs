//! What the preview uses, against what it is meant to use.

use catalyst_model::{usage::PreviewUsage, views::PreviewDetail};
use leptos::prelude::*;

use crate::components::{
    icons::{Glyph, Icon},
    usage::{Bar, Kind, Spark},
};

/// The card of CPU and memory; none where nothing can run any more.
#[component]
pub(super) fn ResourcesCard(detail: RwSignal<PreviewDetail>) -> impl IntoView {
    let usage = Memo::new(move |_| detail.with(|d| d.summary.usage.clone()));
    let unmeasured = Memo::new(move |_| detail.with(|d| d.unmeasured.clone()));
    let present = Memo::new(move |_| detail.with(|d| d.summary.deleted_at.is_none()));
    view! {
        <Show when=move || present.get()>
            <section class="card" aria-labelledby="resources-title">
                <h2 class="card-head" id="resources-title">
                    "Resources"
                    <span class="head-note">"last 30 min"</span>
                </h2>
                <div class="resources">
                    {move || match (usage.get(), unmeasured.get()) {
                        (Some(usage), _) => view! {
                            <Resource kind=Kind::Cpu usage=usage.clone() />
                            <Resource kind=Kind::Memory usage />
                        }
                        .into_any(),
                        (None, Some(why)) => view! { <p class="none">{why}</p> }.into_any(),
                        (None, None) => view! {
                            <p class="none">"Nothing was measured yet: figures follow within a minute of its start."</p>
                        }
                        .into_any(),
                    }}
                </div>
            </section>
        </Show>
    }
    .into_any()
}

#[component]
fn Resource(kind: Kind, usage: PreviewUsage) -> impl IntoView {
    let (used, limit, over) = (
        kind.of(&usage.used),
        kind.limit(&usage),
        kind.exceeded(&usage),
    );
    let course = match kind {
        Kind::Cpu => usage.history.cpu,
        Kind::Memory => usage.history.memory,
    };
    let bar = if over { "bar-over" } else { "bar-part" };
    view! {
        <div class="resource" class:over=over>
            <p class="resource-line">
                <span class="resource-name">
                    {over.then(|| view! { <Icon glyph=Glyph::Alert /> })}
                    {kind.label()}
                </span>
                <span class="resource-figure">
                    <strong>{kind.amount(used)}</strong>
                    " of "
                    {kind.amount(limit)}
                </span>
            </p>
            <Bar parts=vec![(bar, used)] whole=limit />
            <Spark values=course limit over large=true />
            {over
                .then(|| {
                    view! { <p class="resource-note">"More than it is meant to use."</p> }
                })}
        </div>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;

    fn rendered(detail: PreviewDetail) -> String {
        let owner = Owner::new();
        owner.with(|| view! { <ResourcesCard detail=RwSignal::new(detail) /> }.to_html())
    }

    #[test]
    fn figures_stand_beside_their_limits_and_too_much_is_said() {
        let mut detail = fixtures::ready_detail();
        let calm = rendered(detail.clone());
        assert!(calm.contains("96m") && calm.contains("500m"), "{calm}");
        assert!(
            calm.contains("180 MiB") && calm.contains("512 MiB"),
            "{calm}"
        );
        assert!(!calm.contains("More than it is meant to use"), "{calm}");
        detail.summary.usage = Some(fixtures::usage(96, 700));
        let over = rendered(detail);
        assert_eq!(over.matches("More than it is meant to use").count(), 1);
    }

    #[test]
    fn what_is_not_measured_is_said_and_is_no_zero() {
        let mut detail = fixtures::ready_detail();
        detail.summary.usage = None;
        let waiting = rendered(detail.clone());
        assert!(waiting.contains("Nothing was measured yet"), "{waiting}");
        detail.unmeasured = Some("Cluster local has no metrics server.".into());
        let missing = rendered(detail);
        assert!(missing.contains("has no metrics server"), "{missing}");
        assert!(!missing.contains("0m"), "{missing}");
    }
}
