//! What GitHub delivered, and what Catalyst made of it.

use catalyst_model::views::DeliveryView;
use leptos::prelude::*;
use leptos_meta::Title;

use crate::{
    api::list_deliveries,
    components::{
        failure::FailurePage,
        icons::{Glyph, Icon},
        placeholder::{Empty, SkeletonRows},
        text::{Ago, Cut},
    },
    format,
    status::Tone,
};

/// How many are shown.
const SHOWN: u32 = 200;

/// `/deliveries`
#[component]
pub(crate) fn DeliveriesPage() -> impl IntoView {
    let deliveries = Resource::new(|| (), |()| list_deliveries(SHOWN));
    let refresh = move |event: leptos::ev::MouseEvent| {
        event.prevent_default();
        deliveries.refetch();
    };
    view! {
        <Title text="Deliveries" />
        <header class="page-head">
            <div>
                <h1>"Deliveries"</h1>
                <p class="lede">"What GitHub delivered lately, what was decided, and why."</p>
            </div>
            <a class="button" href="/deliveries" on:click=refresh>
                <Icon glyph=Glyph::Refresh />
                "Refresh"
            </a>
        </header>
        <Transition fallback=|| view! { <SkeletonRows what="deliveries" rows=10 /> }>
            {move || Suspend::new(async move {
                match deliveries.await {
                    Ok(list) if list.is_empty() => view! { <NoDeliveries /> }.into_any(),
                    Ok(list) => view! { <DeliveryTable list /> }.into_any(),
                    Err(error) => {
                        let again = Callback::new(move |()| deliveries.refetch());
                        view! { <FailurePage error again /> }.into_any()
                    }
                }
            })}
        </Transition>
    }
}

#[component]
fn NoDeliveries() -> impl IntoView {
    view! {
        <Empty glyph=Glyph::Inbox title="Nothing was delivered yet">
            <p>
                "Point a webhook of GitHub (JSON, with the secret in GITHUB_WEBHOOK_SECRET) at this address of Catalyst:"
            </p>
            <pre class="command">
                <code>"/api/github/webhook"</code>
            </pre>
            <p>"Or let the demo deliver a pull request:"</p>
            <pre class="command">
                <code>"catalyst demo open"</code>
            </pre>
        </Empty>
    }
}

/// Deliveries, newest first.
#[component]
pub(crate) fn DeliveryTable(list: Vec<DeliveryView>) -> impl IntoView {
    view! {
        <div class="card table-card">
            <table class="deliveries" role="table">
                <thead role="rowgroup">
                    <tr role="row">
                        <th role="columnheader" scope="col">"Decision"</th>
                        <th role="columnheader" scope="col">"Event"</th>
                        <th role="columnheader" scope="col">"Why"</th>
                        <th role="columnheader" scope="col">"Delivery"</th>
                        <th role="columnheader" scope="col">"Received"</th>
                    </tr>
                </thead>
                <tbody role="rowgroup">
                    {list.into_iter().map(|delivery| view! { <Delivery delivery /> }).collect_view()}
                </tbody>
            </table>
        </div>
    }
    .into_any()
}

#[component]
fn Delivery(delivery: DeliveryView) -> impl IntoView {
    let (tone, glyph, word) = verdict(&delivery);
    let event = match &delivery.action {
        Some(action) => format!("{} · {action}", delivery.event),
        None => delivery.event.clone(),
    };
    let about = match (delivery.repository, delivery.number) {
        (Some(repository), Some(number)) => Some(format!("{repository} #{number}")),
        (repository, _) => repository,
    };
    let tries =
        (delivery.attempts > 1).then(|| format::count(delivery.attempts as usize, "try", "tries"));
    view! {
        <tr role="row">
            <td role="cell" class="col-decision">
                <span class=format!("pill {}", tone.class())>
                    <Icon glyph />
                    {word}
                </span>
            </td>
            <td role="cell" class="col-event">
                <div class="row-title">{event}</div>
                <div class="row-sub">{about}</div>
            </td>
            <td role="cell" class="col-why">
                {delivery.reason}
                {delivery.error.map(|error| view! { <span class="row-error">{error}</span> })}
                {tries.map(|tries| view! { <span class="row-sub">{tries}</span> })}
            </td>
            <td role="cell" class="col-delivery">
                <code>
                    <Cut name=delivery.id />
                </code>
            </td>
            <td role="cell" class="col-age">
                <Ago at=delivery.received_at />
            </td>
        </tr>
    }
    .into_any()
}

fn verdict(delivery: &DeliveryView) -> (Tone, Glyph, &'static str) {
    if delivery.error.is_some() && delivery.processed_at.is_some() {
        return (Tone::Bad, Glyph::Cross, "Given up");
    }
    match delivery.decision.as_deref() {
        Some("deploy") => (Tone::Ready, Glyph::Check, "Deploy"),
        Some("tear down") => (Tone::Quiet, Glyph::Trash, "Tear down"),
        Some("block") => (Tone::Warn, Glyph::Hand, "Block"),
        Some("skip") => (Tone::Quiet, Glyph::Minus, "Skip"),
        Some(_) => (Tone::Quiet, Glyph::Check, "Noted"),
        None if delivery.error.is_some() => (Tone::Bad, Glyph::Refresh, "Trying again"),
        None => (Tone::Busy, Glyph::Ring, "Waiting"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;

    #[test]
    fn a_delivery_that_failed_is_told_from_one_that_is_tried_again() {
        let mut delivery = fixtures::delivery();
        assert_eq!(verdict(&delivery).2, "Deploy");
        delivery.error = Some("cluster unreachable".into());
        delivery.decision = None;
        delivery.processed_at = None;
        assert_eq!(verdict(&delivery).2, "Trying again");
        delivery.processed_at = Some(delivery.received_at);
        assert_eq!(verdict(&delivery).2, "Given up");
    }
}
