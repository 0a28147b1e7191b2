//! The previews that someone should look at: failed, over quota, stale.

use catalyst_model::views::{OperationsView, PreviewSummary};
use leptos::prelude::*;

use crate::{
    components::{
        icons::{Glyph, Icon},
        text::{Ago, Cut},
        usage::Kind,
    },
    format,
    pages::preview::href,
    status::badge,
};

/// Three lists; each says so where it is empty.
#[component]
pub(super) fn Attention(shown: RwSignal<OperationsView>) -> impl IntoView {
    let failing = Memo::new(move |_| shown.with(|o| (o.counts.failed, o.failing.clone())));
    let over = Memo::new(move |_| shown.with(|o| (o.counts.over_quota, o.over_quota.clone())));
    let stale = Memo::new(move |_| shown.with(|o| (o.stale_count, o.stale.clone())));
    let days = Memo::new(move |_| shown.with(|o| o.stale_days));
    let old = move || {
        format!(
            "No push for {}",
            format::count(days.get() as usize, "day", "days")
        )
    };
    view! {
        <div class="attention">
            <List
                id="failing"
                title=Signal::stored("Failing".to_owned())
                previews=failing
                none="Nothing has failed."
                says=Says::Message
            />
            <List
                id="over-quota"
                title=Signal::stored("Over quota".to_owned())
                previews=over
                none="None uses more than it is meant to."
                says=Says::Usage
            />
            <List
                id="stale"
                title=Signal::derive(old)
                previews=stale
                none="All were pushed to lately."
                says=Says::Push
            />
        </div>
    }
    .into_any()
}

/// What is said of each preview of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Says {
    Message,
    Usage,
    Push,
}

#[component]
fn List(
    id: &'static str,
    title: Signal<String>,
    /// How many there are in all, and the first of them.
    previews: Memo<(u32, Vec<PreviewSummary>)>,
    none: &'static str,
    says: Says,
) -> impl IntoView {
    let count = move || previews.with(|(count, _)| *count);
    let rows = move || {
        let (_, previews) = previews.get();
        previews
            .into_iter()
            .map(|preview| view! { <Row preview says /> })
            .collect_view()
    };
    let title_id = format!("{id}-title");
    view! {
        <section class="card" id=id aria-labelledby=title_id.clone()>
            <h2 class="card-head" id=title_id.clone()>
                {title}
                <span class="head-note">{count}</span>
            </h2>
            <Show
                when=move || previews.with(|(_, previews)| !previews.is_empty())
                fallback=move || {
                    view! {
                        <p class="calm">
                            <Icon glyph=Glyph::Check />
                            {none}
                        </p>
                    }
                }
            >
                <ul class="attention-list">{rows}</ul>
            </Show>
        </section>
    }
    .into_any()
}

#[component]
fn Row(preview: PreviewSummary, says: Says) -> impl IntoView {
    let tone = badge(&preview).tone.class();
    let text = match says {
        Says::Message => preview.message.clone().unwrap_or_default().into_any(),
        Says::Push => view! { "pushed " <Ago at=preview.pushed_at /> }.into_any(),
        Says::Usage => used(&preview).into_any(),
    };
    let origin = match preview.number {
        Some(number) => format!("{}#{number}", preview.repository),
        None => preview.repository.clone(),
    };
    view! {
        <li class="attention-row">
            <span class=format!("beacon {tone}") aria-hidden="true"></span>
            <div class="attention-text">
                <a href=href(&preview)>{preview.title.clone()}</a>
                <p class="row-sub">
                    <Cut name=origin />
                </p>
                <p class="row-sub attention-says">{text}</p>
            </div>
        </li>
    }
    .into_any()
}

/// What it uses too much of.
fn used(preview: &PreviewSummary) -> String {
    let Some(usage) = &preview.usage else {
        return String::new();
    };
    let over = [Kind::Cpu, Kind::Memory]
        .into_iter()
        .filter(|kind| kind.exceeded(usage));
    let said = over.map(|kind| {
        format!(
            "{} {} of {}",
            kind.label(),
            kind.amount(kind.of(&usage.used)),
            kind.amount(kind.limit(usage))
        )
    });
    said.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;

    #[test]
    fn only_what_is_too_much_is_told() {
        let mut preview = fixtures::ready();
        preview.usage = Some(fixtures::usage(700, 180));
        assert_eq!(used(&preview), "CPU 700m of 500m");
        preview.usage = Some(fixtures::usage(700, 1536));
        assert_eq!(
            used(&preview),
            "CPU 700m of 500m, Memory 1.5 GiB of 512 MiB"
        );
    }
}
