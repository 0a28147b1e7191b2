//! The bar above the lines. Without scripts it is a form that asks for the page anew.

use catalyst_model::views::{LogQuery, PreviewDetail};
use leptos::prelude::*;

use super::{
    lines::Buffer,
    search::Search,
    settings::{LogSettings, Source, TAILS, address, automatic, begun},
};
use crate::{
    components::{
        copy::CopyButton,
        icons::{Glyph, Icon},
    },
    live::Connection,
    pages::preview::href,
};

/// The panel's title, with what can be done with the lines.
#[component]
pub(super) fn Head(
    detail: RwSignal<PreviewDetail>,
    settings: LogSettings,
    buffer: Buffer,
    connection: ReadSignal<Connection>,
) -> impl IntoView {
    let id = detail.with_untracked(|d| d.summary.id.clone());
    let download = move || {
        let query = LogQuery {
            tail_lines: 10_000,
            timestamps: settings.timestamps.get(),
            follow: false,
            ..detail.with(|d| settings.query(d))
        };
        address(&id, &query)
    };
    let name = detail.with_untracked(|d| format!("{}.log", d.summary.namespace));
    let copied = Signal::derive(move || buffer.text(settings.timestamps.get()));
    let (class, word) = (
        move || match connection.get() {
            Connection::Live => "live-mark on",
            Connection::Broken => "live-mark off",
            Connection::Idle | Connection::Ended => "live-mark",
        },
        move || match connection.get() {
            Connection::Live => "Following",
            Connection::Broken => "Reconnecting",
            Connection::Ended => "Ended",
            Connection::Idle => "",
        },
    );
    view! {
        <div class="card-head log-head">
            <h2 id="logs-title">
                "Logs" <span class=class>{word}</span>
            </h2>
            <div class="toggles">
                <CopyButton text=copied what="the lines" />
                <a
                    class="icon-button"
                    href=download
                    download=name
                    rel="external"
                    aria-label="Download the log"
                    title="Download the log"
                >
                    <Icon glyph=Glyph::Download />
                </a>
            </div>
        </div>
    }
    .into_any()
}

/// What to read and how to show it.
#[component]
pub(super) fn Controls(
    detail: RwSignal<PreviewDetail>,
    settings: LogSettings,
    search: Search,
) -> impl IntoView {
    let action = detail.with_untracked(|d| format!("{}#logs", href(&d.summary)));
    // A container that was never started again has no run before this one.
    let has_previous = Memo::new(move |_| {
        detail.with(|d| match settings.source.get() {
            Some(source) => begun(&d.pods, &source),
            None => automatic(d).map(|(_, restarts)| restarts),
        }) > Some(0)
    });
    view! {
        <form class="log-bar" method="get" action=action>
            <input type="hidden" name="chosen" value="yes" />
            <Sources detail settings />
            <Tails settings />
            <div class="toggles">
                <button
                    type="button"
                    class="toggle scripted"
                    aria-pressed=move || settings.follow.get().to_string()
                    on:click=move |_| settings.follow.update(|on| *on = !*on)
                >
                    "Follow"
                </button>
                <Toggle name="timestamps" label="Times" on=settings.timestamps />
                <Toggle name="wrap" label="Wrap" on=settings.wrap />
                <Show when=move || has_previous.get() || settings.previous.get()>
                    <Toggle name="previous" label="Previous run" on=settings.previous />
                </Show>
            </div>
            <button type="submit" class="button small unscripted">
                "Show"
            </button>
            <span class="grow"></span>
            <SearchField search />
        </form>
    }
    .into_any()
}

/// The containers that have a log.
#[component]
fn Sources(detail: RwSignal<PreviewDetail>, settings: LogSettings) -> impl IntoView {
    let pods = Memo::new(move |_| {
        detail.with(|d| {
            let pods = d.pods.iter().map(|pod| {
                let containers = pod.containers.iter().map(|c| (c.name.clone(), c.init));
                (pod.name.clone(), containers.collect::<Vec<_>>())
            });
            pods.collect::<Vec<_>>()
        })
    });
    let chosen_by_us = Memo::new(move |_| detail.with(automatic));
    let automatic = move || match chosen_by_us.get() {
        Some((source, _)) => format!("Newest ({})", source.container),
        None => "Newest".to_owned(),
    };
    let value = move || {
        settings
            .source
            .get()
            .map(|s| s.to_string())
            .unwrap_or_default()
    };
    let choose = move |event| {
        settings
            .source
            .set(Source::read(&event_target_value(&event)))
    };
    let groups = move || {
        let group = |(pod, containers): (String, Vec<(String, bool)>)| {
            let option = |(container, init): (String, bool)| {
                let source = Source {
                    pod: pod.clone(),
                    container: container.clone(),
                };
                let chosen = {
                    let source = source.clone();
                    move || settings.source.get().as_ref() == Some(&source)
                };
                let label = if init {
                    format!("{container} (before start)")
                } else {
                    container
                };
                view! {
                    <option value=source.to_string() selected=chosen>
                        {label}
                    </option>
                }
            };
            let options = containers.into_iter().map(option).collect_view();
            view! { <optgroup label=pod.clone()>{options}</optgroup> }
        };
        pods.get().into_iter().map(group).collect_view()
    };
    view! {
        <label class="field">
            <span class="unseen">"Container"</span>
            <select name="source" prop:value=value on:change=choose>
                <option value="" selected=move || settings.source.get().is_none()>
                    {automatic}
                </option>
                {groups}
            </select>
        </label>
    }
    .into_any()
}

#[component]
fn Tails(settings: LogSettings) -> impl IntoView {
    let choose = move |event| {
        if let Ok(tail) = event_target_value(&event).parse() {
            settings.tail.set(tail);
        }
    };
    let option = move |tail: u32| {
        view! {
            <option value=tail.to_string() selected=move || settings.tail.get() == tail>
                {format!("{tail} lines")}
            </option>
        }
    };
    view! {
        <label class="field">
            <span class="unseen">"How many lines"</span>
            <select name="tail" prop:value=move || settings.tail.get().to_string() on:change=choose>
                {TAILS.into_iter().map(option).collect_view()}
            </select>
        </label>
    }
}

/// A checkbox that looks like a button.
#[component]
fn Toggle(name: &'static str, label: &'static str, on: RwSignal<bool>) -> impl IntoView {
    view! {
        <label class="toggle">
            <input
                type="checkbox"
                name=name
                value="yes"
                checked=on.get_untracked()
                prop:checked=on
                on:change=move |event| on.set(event_target_checked(&event))
            />
            {label}
        </label>
    }
}

#[component]
fn SearchField(search: Search) -> impl IntoView {
    let typed = move |event| {
        search.at.set(0);
        search.text.set(event_target_value(&event));
    };
    let key = move |event: leptos::ev::KeyboardEvent| {
        if event.key() == "Enter" {
            event.prevent_default();
            search.step(event.shift_key());
        }
    };
    let found = move || {
        let count = search.hits.with(Vec::len);
        let searching = search.text.with(|text| !text.is_empty());
        match (searching, count) {
            (false, _) => String::new(),
            (true, 0) => "none".to_owned(),
            (true, count) => format!("{} of {count}", search.at.get().min(count - 1) + 1),
        }
    };
    view! {
        <div class="log-search scripted" role="search">
            <Icon glyph=Glyph::Search />
            <input
                type="search"
                placeholder="Find"
                aria-label="Find in the lines"
                autocomplete="off"
                spellcheck="false"
                on:input=typed
                on:keydown=key
            />
            <span class="hits" role="status">
                {found}
            </span>
            <button
                type="button"
                class="mini"
                title="Match case"
                aria-label="Match case"
                aria-pressed=move || search.match_case.get().to_string()
                on:click=move |_| search.match_case.update(|on| *on = !*on)
            >
                "Aa"
            </button>
            <button type="button" class="mini" aria-label="Previous hit" on:click=move |_| search.step(true)>
                <Icon glyph=Glyph::Up />
            </button>
            <button type="button" class="mini" aria-label="Next hit" on:click=move |_| search.step(false)>
                <Icon glyph=Glyph::Down />
            </button>
        </div>
    }
    .into_any()
}
