//! The bar above the lines. Without scripts it is a form that asks for the page anew.

use catalyst_model::views::{LogQuery, PreviewDetail};
use leptos::prelude::*;

use super::{
    lines::Buffer,
    search::Search,
    settings::{LogSettings, SINCE, Source, TAILS, address, automatic, begun},
};
use crate::{
    components::{
        copy::CopyButton,
        icons::{Glyph, Icon, LiveIcon},
    },
    format,
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
    maximised: RwSignal<bool>,
) -> impl IntoView {
    let id = detail.with_untracked(|d| d.summary.id.clone());
    let download = move || {
        let query = LogQuery {
            tail_lines: 100_000,
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
    let size = move || match maximised.get() {
        true => "Leave full screen",
        false => "Full screen",
    };
    let glyph = Signal::derive(move || match maximised.get() {
        true => Glyph::Shrink,
        false => Glyph::Expand,
    });
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
                <button
                    type="button"
                    class="icon-button scripted"
                    aria-label=size
                    title=size
                    aria-pressed=move || maximised.get().to_string()
                    on:click=move |_| maximised.update(|on| *on = !*on)
                >
                    <LiveIcon glyph />
                </button>
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
            Some(source) => begun(d, &source),
            None => automatic(d).map(|(_, restarts)| restarts),
        }) > Some(0)
    });
    view! {
        <form class="log-bar" method="get" action=action>
            <input type="hidden" name="chosen" value="yes" />
            <Sources detail settings />
            <Tails settings />
            <Since settings />
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
    let pods = Memo::new(move |_| detail.with(pods));
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
        let group = |PodLogs {
                         label,
                         pod,
                         containers,
                     }: PodLogs| {
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
            view! { <optgroup label=label>{options}</optgroup> }
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

/// A pod whose containers have logs.
#[derive(Clone, PartialEq)]
struct PodLogs {
    label: String,
    pod: String,
    /// Each with whether it runs before the others, to its end.
    containers: Vec<(String, bool)>,
}

/// The pods that there are, then those that are gone, each by its name and what it is for.
fn pods(detail: &PreviewDetail) -> Vec<PodLogs> {
    let label = |pod: &str, job: Option<&str>, gone: bool| {
        let job = match job {
            Some("inspect") => " (looks at the source)",
            Some("build") => " (build)",
            Some("restore") => " (loads a dump)",
            Some("seed") => " (seed)",
            Some(_) => " (Catalyst's own)",
            None => "",
        };
        let gone = if gone { ", gone" } else { "" };
        format!("{pod}{job}{gone}")
    };
    let mut pods: Vec<PodLogs> = detail
        .pods
        .iter()
        .map(|pod| PodLogs {
            label: label(&pod.name, pod.job.as_deref(), false),
            pod: pod.name.clone(),
            containers: pod
                .containers
                .iter()
                .map(|it| (it.name.clone(), it.init))
                .collect(),
        })
        .collect();
    for log in &detail.kept_logs {
        if detail.pods.iter().any(|pod| pod.name == log.pod) {
            continue;
        }
        let container = (log.container.clone(), log.init);
        match pods.iter_mut().find(|pod| pod.pod == log.pod) {
            Some(pod) => pod.containers.push(container),
            None => pods.push(PodLogs {
                label: label(&log.pod, log.job.as_deref(), true),
                pod: log.pod.clone(),
                containers: vec![container],
            }),
        }
    }
    pods
}

#[component]
fn Since(settings: LogSettings) -> impl IntoView {
    let choose = move |event| {
        if let Ok(since) = event_target_value(&event).parse() {
            settings.since.set(since);
        }
    };
    let option = move |(seconds, name): (u32, &'static str)| {
        view! {
            <option value=seconds.to_string() selected=move || settings.since.get() == seconds>
                {name}
            </option>
        }
    };
    view! {
        <label class="field">
            <span class="unseen">"Since when"</span>
            <select name="since" prop:value=move || settings.since.get().to_string() on:change=choose>
                {SINCE.into_iter().map(option).collect_view()}
            </select>
        </label>
    }
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
                {format!("{} lines", format::grouped(tail))}
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
        let count = search.count();
        if search.pattern.with(Result::is_err) {
            return "not a pattern".to_owned();
        }
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
            <button
                type="button"
                class="mini"
                title="Regular expression"
                aria-label="Regular expression"
                aria-pressed=move || search.regex.get().to_string()
                on:click=move |_| search.regex.update(|on| *on = !*on)
            >
                ".*"
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
