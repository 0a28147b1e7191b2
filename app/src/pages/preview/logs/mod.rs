//! The log panel: the lines that there are, then those that come.

mod ansi;
mod controls;
mod lines;
mod search;
mod settings;

use std::time::Duration;

use catalyst_model::{state::PreviewStatus, views::PreviewDetail};
use leptos::{prelude::*, task::spawn_local};
use wasm_bindgen::JsCast;

use super::notice::{Notice, reason};
use crate::{
    api::{LogLine, read_logs},
    components::icons::{Glyph, Icon},
    error::{AppError, AppErrorKind},
    live::{self, Connection, Message},
};
use controls::{Controls, Head};
use lines::{Block, Buffer, Level, Line, level};
use search::Search;
pub(crate) use settings::{LogSettings, Source, has_begun};
use settings::{address, automatic, begun};

/// Lines that come within this time are drawn together.
const GATHER: Duration = Duration::from_millis(60);

/// Blocks this far out of view are drawn already, in pixels.
const AHEAD: i32 = 1600;

/// This near to the end counts as being there, in pixels.
const NEAR: i32 = 40;

/// What there is to say about the lines.
#[derive(Debug, Clone, PartialEq)]
enum State {
    /// They are being read.
    Reading,
    /// These are all there are at the moment.
    Shown,
    /// Nothing has run yet.
    Waiting,
    /// They could not be read.
    Failed(AppError),
}

/// The panel, with the reason of a failure right above the lines that prove it.
#[component]
pub(super) fn LogPanel(
    detail: RwSignal<PreviewDetail>,
    /// The lines that the page came with.
    lines: Option<Result<Vec<LogLine>, AppError>>,
    settings: LogSettings,
) -> impl IntoView {
    let (state, lines) = match lines {
        Some(Ok(lines)) => (State::Shown, lines),
        Some(Err(error)) if error.kind != AppErrorKind::NotFound => {
            (State::Failed(error), Vec::new())
        }
        Some(Err(_)) | None => (State::Waiting, Vec::new()),
    };
    let state = RwSignal::new(state);
    let buffer = Buffer::new(lines);
    let search = Search::new(buffer);
    let scroller = NodeRef::<leptos::html::Div>::new();
    let at_end = RwSignal::new(true);
    let maximised = RwSignal::new(false);
    let connection = read(detail, settings, buffer, state);
    keep_at_end(buffer, scroller, at_end);
    show_hits(search, buffer);
    let drawing = StoredValue::new(false);
    let draw_soon = move || {
        if drawing.try_get_value() == Some(false) {
            drawing.set_value(true);
            request_animation_frame(move || {
                drawing.try_set_value(false);
                draw_near(buffer, scroller);
            });
        }
    };
    Effect::new(move |_| {
        buffer.version.track();
        settings.wrap.track();
        maximised.track();
        draw_soon();
    });
    let reason = Memo::new(move |_| detail.with(reason));
    let class = move || {
        let mut class = "log-view".to_owned();
        let still = detail.with(|d| {
            let ended = d.summary.deleted_at.is_some() || d.summary.blocked.is_some();
            ended && d.kept_logs.is_empty()
        });
        for (on, name) in [
            (still, " still"),
            (settings.wrap.get(), " wrapped"),
            (settings.timestamps.get(), " timed"),
        ] {
            if on {
                class.push_str(name);
            }
        }
        class
    };
    view! {
        <section
            class="card logs"
            class:maximised=maximised
            id="logs"
            tabindex="-1"
            aria-labelledby="logs-title"
        >
            {move || reason.get().map(|notice| view! { <Reason notice /> })}
            <Head detail settings buffer connection maximised />
            <Controls detail settings search />
            <div class="log-frame">
                <div
                    class=class
                    node_ref=scroller
                    tabindex="0"
                    role="log"
                    aria-live="off"
                    aria-label="Log lines"
                    on:scroll=move |_| {
                        if let Some(view) = scroller.get_untracked() {
                            at_end.set(distance_to_end(&view) <= NEAR);
                        }
                        draw_soon();
                    }
                >
                    <For
                        each=move || buffer.blocks.get()
                        key=|block| block.number
                        let(block)
                    >
                        <BlockView block search />
                    </For>
                    <EmptyNote detail buffer state />
                </div>
                <Show when=move || !at_end.get()>
                    <button
                        type="button"
                        class="button small to-end scripted"
                        on:click=move |_| {
                            at_end.set(true);
                            scroll_to_end(scroller);
                        }
                    >
                        <Icon glyph=Glyph::Down />
                        "Newest lines"
                    </button>
                </Show>
            </div>
        </section>
    }
    .into_any()
}

#[component]
fn Reason(notice: Notice) -> impl IntoView {
    view! {
        <div class="reason">
            <Icon glyph=Glyph::Cross />
            <p>
                <strong>{notice.headline}</strong>
                " "
                {notice.text}
            </p>
        </div>
    }
}

/// What is read at the moment: it is read anew whenever this changes.
#[derive(Clone, PartialEq)]
struct Asked {
    url: String,
    query: catalyst_model::views::LogQuery,
    /// The run of the container: a new one has a log of its own.
    run: Option<(Source, u32)>,
}

/// Keeps the buffer filled: from the stream while following, else once for each change of what
/// is asked for.
fn read(
    detail: RwSignal<PreviewDetail>,
    settings: LogSettings,
    buffer: Buffer,
    state: RwSignal<State>,
) -> ReadSignal<Connection> {
    let id = detail.with_untracked(|d| d.summary.id.clone());
    let run = Memo::new(move |_| {
        detail.with(|d| match settings.source.get() {
            Some(source) => begun(d, &source).map(|restarts| (source, restarts)),
            None => automatic(d),
        })
    });
    // A chosen container may be gone, as after a push; then ours to choose again.
    Effect::new(move |_| {
        let gone = detail.with(|d| {
            let exists = |source: &Source| {
                let kept = d.kept_logs.iter().map(|log| &log.pod);
                let mut pods = d.pods.iter().map(|pod| &pod.name).chain(kept);
                pods.any(|pod| *pod == source.pod)
            };
            !d.pods.is_empty() && settings.source.get().is_some_and(|source| !exists(&source))
        });
        if gone {
            settings.source.set(None);
        }
    });
    let asked = {
        let id = id.clone();
        Memo::new(move |_| {
            let query = detail.with(|d| settings.query(d));
            Asked {
                url: address(&id, &query),
                query,
                run: run.get(),
            }
        })
    };
    let read_once = move |asked: Asked| {
        let id = id.clone();
        spawn_local(async move {
            let answer = read_logs(id, asked.query).await;
            match answer {
                Ok(lines) => {
                    buffer.begin_anew();
                    for line in lines {
                        buffer.push(line);
                    }
                    buffer.flush();
                    state.try_set(State::Shown);
                }
                Err(error) if error.kind == AppErrorKind::NotFound => {
                    state.try_set(State::Waiting);
                }
                Err(error) => {
                    state.try_set(State::Failed(error));
                }
            }
        });
    };
    Effect::watch(
        move || asked.get(),
        move |now, before, _| {
            let chosen_anew = before.is_some_and(|before| {
                (
                    &before.query.pod,
                    &before.query.container,
                    before.query.previous,
                ) != (&now.query.pod, &now.query.container, now.query.previous)
            });
            if chosen_anew {
                buffer.clear();
                state.set(State::Reading);
            }
            if before.is_some() && now.run.is_none() {
                state.set(State::Waiting);
            } else if before.is_some() && !now.query.follow {
                read_once(now.clone());
            }
        },
        true,
    );
    let gather = move |line: LogLine| {
        if buffer.push(line) {
            set_timeout(move || buffer.flush(), GATHER);
        }
    };
    let url = move || {
        let asked = asked.get();
        (asked.query.follow && asked.run.is_some()).then_some(asked.url)
    };
    live::listen(url, move |message| match message {
        Message::Open => {
            buffer.begin_anew();
            state.try_set(State::Shown);
        }
        Message::Data(data) => {
            if let Ok(lines) = serde_json::from_str::<Vec<LogLine>>(&data) {
                lines.into_iter().for_each(gather);
            }
        }
        Message::Failure(data) => {
            let message = serde_json::from_str::<serde_json::Value>(&data)
                .ok()
                .and_then(|failure| Some(failure.pointer("/data/message")?.as_str()?.to_owned()))
                .unwrap_or_else(|| "The log broke off".to_owned());
            state.try_set(State::Failed(AppError {
                kind: AppErrorKind::Unavailable,
                message,
            }));
        }
    })
}

/// While the end is in view, it stays in view.
fn keep_at_end(buffer: Buffer, scroller: NodeRef<leptos::html::Div>, at_end: RwSignal<bool>) {
    Effect::new(move |_| {
        buffer.version.track();
        if at_end.get_untracked() {
            request_animation_frame(move || scroll_to_end(scroller));
        }
    });
}

fn scroll_to_end(scroller: NodeRef<leptos::html::Div>) {
    if let Some(view) = scroller.try_get_untracked().flatten() {
        view.set_scroll_top(view.scroll_height());
    }
}

fn distance_to_end(view: &web_sys::HtmlElement) -> i32 {
    view.scroll_height() - view.client_height() - view.scroll_top()
}

/// Draws the blocks that are in view or near it, and no others.
fn draw_near(buffer: Buffer, scroller: NodeRef<leptos::html::Div>) {
    let Some(view) = scroller.try_get_untracked().flatten() else {
        return;
    };
    let (top, height) = (view.scroll_top(), view.client_height());
    let (from, to) = (top - AHEAD, top + height + AHEAD);
    let mut element = view.first_element_child();
    let blocks = buffer.blocks.try_get_untracked().unwrap_or_default();
    // All are measured before any changes, so that the browser lays the page out once.
    let mut measured = Vec::with_capacity(blocks.len());
    for block in &blocks {
        let Some(here) = element else { break };
        element = here.next_element_sibling();
        let here: web_sys::HtmlElement = here.unchecked_into();
        measured.push((block, here.offset_top(), here.offset_height()));
    }
    for (block, at, height) in measured {
        block.set_near(at < to && at + height > from, || height);
    }
}

/// Brings the hit that is looked at into view, and marks its line.
fn show_hits(search: Search, buffer: Buffer) {
    Effect::new(move |before: Option<Option<String>>| {
        let line = search.current().map(|number| format!("line-{number}"));
        let element = |id: &String| document().get_element_by_id(id);
        if let Some(marked) = before.flatten().as_ref().and_then(element) {
            let _ = marked.class_list().remove_1("current");
        }
        if let (Some(number), Some(line)) = (search.current(), line.clone()) {
            // It may be far out of view, and so not there yet.
            buffer.draw(number);
            request_animation_frame(move || {
                let Some(marked) = document().get_element_by_id(&line) else {
                    return;
                };
                let _ = marked.class_list().add_1("current");
                let options = web_sys::ScrollIntoViewOptions::new();
                options.set_block(web_sys::ScrollLogicalPosition::Center);
                marked.scroll_into_view_with_scroll_into_view_options(&options);
            });
        }
        line
    });
}

#[component]
fn BlockView(block: Block, search: Search) -> impl IntoView {
    let (lines, near) = (block.lines.clone(), block.near.clone());
    view! {
        <div class="log-block" style:height=move || block.kept_free()>
            <Show when=move || near.get()>
                <For
                    each={
                        let lines = lines.clone();
                        move || lines.get()
                    }
                    key=|line| line.number
                    let(line)
                >
                    <LineView line search />
                </For>
            </Show>
        </div>
    }
    .into_any()
}

#[component]
fn LineView(line: Line, search: Search) -> impl IntoView {
    let (element, time, spans) = (line.element(), line.time(), line.spans());
    let class = match level(&spans) {
        Level::Plain => "line",
        Level::Warning => "line warning",
        Level::Error => "line error",
    };
    let text = move || {
        let pattern = search.pattern.get().ok().flatten();
        let pieces = spans.iter().flat_map(|span| {
            let classes = span.style.classes();
            let pieces = match &pattern {
                Some(pattern) => pattern.split(&span.text),
                None => vec![(span.text.as_str(), false)],
            };
            pieces
                .into_iter()
                .map(move |(text, hit)| (text.to_owned(), hit, classes.clone()))
        });
        pieces
            .map(|(text, hit, classes)| match (hit, classes.is_empty()) {
                (true, _) => view! { <mark class=classes>{text}</mark> }.into_any(),
                (false, false) => view! { <span class=classes>{text}</span> }.into_any(),
                (false, true) => text.into_any(),
            })
            .collect::<Vec<_>>()
    };
    view! {
        <div class=class id=element>
            <span class="line-time" aria-hidden="true">
                {time}
            </span>
            <span class="line-text">{text}</span>
        </div>
    }
    .into_any()
}

/// What stands in the place of lines.
#[component]
fn EmptyNote(
    detail: RwSignal<PreviewDetail>,
    buffer: Buffer,
    state: RwSignal<State>,
) -> impl IntoView {
    let note = Memo::new(move |_| {
        let none = buffer.blocks.with(Vec::is_empty);
        match state.get() {
            State::Failed(error) => Some(format!("{}. {}", error.message, error.kind.advice())),
            State::Reading => Some("Reading…".to_owned()),
            State::Shown if none => Some("Nothing has been written yet.".to_owned()),
            State::Waiting if none => Some(detail.with(waiting_for).to_owned()),
            State::Shown | State::Waiting => None,
        }
    });
    move || {
        note.get()
            .map(|note| view! { <p class="log-note">{note}</p> })
    }
}

fn waiting_for(detail: &PreviewDetail) -> &'static str {
    let preview = &detail.summary;
    if preview.deleted_at.is_some() {
        return "No log of it was kept: it was removed before that was done, or too long ago.";
    }
    if preview.blocked.is_some() {
        return "Nothing runs until it is approved, so there is nothing to read.";
    }
    match preview.status {
        PreviewStatus::Failed => "No container ran, so there is nothing to read.",
        PreviewStatus::Deleting => "It is being removed; there is nothing left to read.",
        _ => "Lines appear here as soon as a container starts.",
    }
}
