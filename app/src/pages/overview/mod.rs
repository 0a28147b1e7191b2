//! What those who run Catalyst look at.

mod attention;
mod clusters;
mod teams;

use std::time::Duration;

use catalyst_model::views::{FailedCleanup, OperationsView};
use leptos::{prelude::*, task::spawn_local};
use leptos_meta::Title;

use super::deliveries::DeliveryTable;
use crate::{
    api::{RetryCleanup, read_operations},
    components::{
        failure::{ActionFailure, FailurePage},
        icons::{Glyph, Icon},
        placeholder::SkeletonPage,
        text::{Ago, Cut},
    },
    format,
    live::{self, Connection, Message},
    pages::{list::LiveMark, preview::href_of},
};
use attention::Attention;
use clusters::Clusters;
use teams::Teams;

/// The pause between two readings.
const PAUSE: Duration = Duration::from_secs(1);

/// `/overview`
#[component]
pub(crate) fn OverviewPage() -> impl IntoView {
    let first = Resource::new(|| (), |()| read_operations());
    let shown = RwSignal::new(OperationsView::default());
    let connection = follow(shown);
    view! {
        <Title text="Overview" />
        <header class="page-head">
            <div>
                <h1>"Overview"</h1>
                <p class="lede">"All teams, all previews." <LiveMark connection /></p>
            </div>
        </header>
        <Transition fallback=|| view! { <SkeletonPage what="the overview" /> }>
            {move || Suspend::new(async move {
                match first.await {
                    Ok(read) => {
                        shown.set(read);
                        view! { <Operations shown /> }.into_any()
                    }
                    Err(error) => {
                        let again = Callback::new(move |()| first.refetch());
                        view! { <FailurePage error again /> }.into_any()
                    }
                }
            })}
        </Transition>
    }
}

/// Reads the figures anew whenever a preview changes.
fn follow(shown: RwSignal<OperationsView>) -> ReadSignal<Connection> {
    let reload = live::throttle(PAUSE, move || {
        spawn_local(async move {
            // Where it fails, the next news try again.
            if let Ok(read) = read_operations().await {
                shown.try_set(read);
            }
        });
    });
    let url = || Some("/api/preview-environments/stream".to_owned());
    live::listen(url, move |message| match message {
        Message::Open | Message::Data(_) | Message::Failure(_) => reload(),
    })
}

#[component]
fn Operations(shown: RwSignal<OperationsView>) -> impl IntoView {
    let notices = Memo::new(move |_| shown.with(|o| o.notices.clone()));
    let cleanups = Memo::new(move |_| shown.with(|o| o.failed_cleanups.clone()));
    let deliveries = Memo::new(move |_| shown.with(|o| o.failed_deliveries.clone()));
    let calm = move || cleanups.with(Vec::is_empty) && deliveries.with(Vec::is_empty);
    view! {
        <Figures shown />
        {move || {
            let notices = notices.get().into_iter();
            notices
                .map(|notice| {
                    view! {
                        <p class="notice warn">
                            <Icon glyph=Glyph::Alert />
                            <span>{notice}</span>
                        </p>
                    }
                })
                .collect_view()
        }}
        <Clusters shown />
        <Show when=move || !cleanups.with(Vec::is_empty)>
            <Cleanups cleanups />
        </Show>
        <Show when=move || !deliveries.with(Vec::is_empty)>
            <section aria-labelledby="failed-deliveries">
                <h2 class="section-head" id="failed-deliveries">
                    "Deliveries that were given up"
                </h2>
                {move || view! { <DeliveryTable list=deliveries.get() /> }}
            </section>
        </Show>
        <Show when=calm>
            <p class="notice ready">
                <Icon glyph=Glyph::Check />
                <span>
                    <strong>"Nothing needs you."</strong>
                    " No removal and no delivery was given up."
                </span>
            </p>
        </Show>
        <Attention shown />
        <Teams shown />
    }
    .into_any()
}

#[component]
fn Figures(shown: RwSignal<OperationsView>) -> impl IntoView {
    let count = move |read: fn(&OperationsView) -> u32| shown.with(read).to_string();
    let median = move || {
        shown.with(|o| o.median_seconds_to_ready).map_or_else(
            || "–".to_owned(),
            |seconds| {
                let millis = (seconds * 1000.0).clamp(0.0, 1e12) as i64;
                format::duration(chrono::TimeDelta::milliseconds(millis))
            },
        )
    };
    let figure = |value: Signal<String>, label: &'static str, href: Option<&'static str>| {
        let number = match href {
            Some(href) => view! {
                <a class="stretched" href=href rel=href.starts_with('#').then_some("external")>
                    {value}
                </a>
            }
            .into_any(),
            None => value.into_any(),
        };
        view! {
            <div class="figure">
                <dt>{label}</dt>
                <dd>{number}</dd>
            </div>
        }
    };
    let of = move |read: fn(&OperationsView) -> u32| Signal::derive(move || count(read));
    view! {
        <dl class="card figures">
            {figure(of(|o| o.counts.running), "ready", Some("/preview-environments?status=ready"))}
            {figure(
                of(|o| o.counts.in_progress),
                "in progress",
                Some("/preview-environments?status=in-progress"),
            )}
            {figure(of(|o| o.counts.failed), "failed", Some("/preview-environments?status=failed"))}
            {figure(
                of(|o| o.counts.blocked),
                "need approval",
                Some("/preview-environments?status=approval"),
            )}
            {figure(
                of(|o| o.counts.over_quota),
                "over quota",
                Some("/preview-environments?status=over-quota"),
            )}
            {figure(of(|o| o.stale_count), "stale", Some("#stale"))}
            {figure(of(|o| o.queued_deliveries), "deliveries waiting", Some("/deliveries"))}
            {figure(Signal::derive(median), "median to ready, 24 h", None)}
        </dl>
    }
    .into_any()
}

#[component]
fn Cleanups(cleanups: Memo<Vec<FailedCleanup>>) -> impl IntoView {
    let retry = ServerAction::<RetryCleanup>::new();
    let failure = Signal::derive(move || retry.value().get().and_then(Result::err));
    view! {
        <section aria-labelledby="failed-cleanups">
            <h2 class="section-head" id="failed-cleanups">
                "Removals that were given up"
            </h2>
            <ActionFailure error=failure />
            <ul class="card cleanups">
                <For each=move || cleanups.get() key=|c| (c.id.clone(), c.at) let(cleanup)>
                    <Cleanup cleanup retry />
                </For>
            </ul>
        </section>
    }
    .into_any()
}

#[component]
fn Cleanup(cleanup: FailedCleanup, retry: ServerAction<RetryCleanup>) -> impl IntoView {
    let tries = format::count(cleanup.attempts as usize, "try", "tries");
    view! {
        <li class="cleanup">
            <div class="cleanup-text">
                <div class="row-title">
                    <a href=href_of(&cleanup.id)>{cleanup.pull_request}</a>
                    <code>
                        <Cut name=cleanup.namespace />
                    </code>
                </div>
                <p class="row-error">{cleanup.error}</p>
                <p class="row-sub">
                    <span>{tries} ", the last one " <Ago at=cleanup.at /></span>
                </p>
            </div>
            <ActionForm action=retry>
                <input type="hidden" name="id" value=cleanup.id />
                <button type="submit" class="button" disabled=retry.pending()>
                    <Icon glyph=Glyph::Refresh />
                    "Try again"
                </button>
            </ActionForm>
        </li>
    }
    .into_any()
}
