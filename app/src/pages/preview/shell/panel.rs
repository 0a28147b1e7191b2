//! The panel of shells.

use catalyst_model::views::PreviewDetail;
use leptos::{html, prelude::*};
use send_wrapper::SendWrapper;

use super::{Kind, PROGRAMS, Shells, State, Tab, runtime, tab_id};
use crate::{
    components::icons::{Glyph, Icon, LiveIcon},
    live,
    pages::preview::logs::Source,
};

/// The panel; none while no shell is open.
#[component]
pub(in crate::pages::preview) fn ShellPanel(
    detail: RwSignal<PreviewDetail>,
    shells: Shells,
) -> impl IntoView {
    view! {
        <Show when=move || shells.tabs.with(|tabs| !tabs.is_empty())>
            <Panel detail shells />
        </Show>
    }
    .into_any()
}

#[component]
fn Panel(detail: RwSignal<PreviewDetail>, shells: Shells) -> impl IntoView {
    let maximised = RwSignal::new(false);
    view! {
        <section class="card shells" class:maximised=maximised id="shell" aria-labelledby="shell-title">
            <div class="card-head shell-head">
                <h2 id="shell-title">"Shell"</h2>
                <Tabs shells />
                <span class="grow"></span>
                <Tools shells maximised />
            </div>
            <For each=move || shells.tabs.get() key=|tab| tab.id let(tab)>
                <TerminalView tab shells />
            </For>
            <div class="shell-foot">
                <Status shells />
                <span class="grow"></span>
                <New detail shells />
            </div>
        </section>
    }
    .into_any()
}

#[component]
fn Tabs(shells: Shells) -> impl IntoView {
    let key = move |event: leptos::ev::KeyboardEvent| {
        let back = match event.key().as_str() {
            "ArrowLeft" => true,
            "ArrowRight" => false,
            _ => return,
        };
        event.prevent_default();
        shells.step(back);
    };
    view! {
        <div class="shell-tabs" role="tablist" aria-label="Shells" on:keydown=key>
            <For each=move || shells.tabs.get() key=|tab| tab.id let(tab)>
                <TabButton tab shells />
            </For>
        </div>
    }
    .into_any()
}

#[component]
fn TabButton(tab: Tab, shells: Shells) -> impl IntoView {
    let shown = move || shells.shown.get() == Some(tab.id);
    let source = tab.source.get_value();
    let (title, name) = (source.to_string(), source.container);
    let class = move || match tab.state.with(|state| state.kind) {
        Kind::Open => "beacon ready",
        Kind::Closed => "beacon quiet",
        _ => "beacon busy",
    };
    view! {
        <button
            type="button"
            role="tab"
            class="shell-tab"
            id=tab_id(tab.id)
            title=title
            aria-selected=move || shown().to_string()
            aria-controls=format!("shell-panel-{}", tab.id)
            tabindex=move || if shown() { "0" } else { "-1" }
            on:click=move |_| {
                shells.shown.set(Some(tab.id));
                request_animation_frame(move || tab.with(runtime::Terminal::focus));
            }
        >
            <span class=class aria-hidden="true"></span>
            {name}
        </button>
    }
    .into_any()
}

#[component]
fn Tools(shells: Shells, maximised: RwSignal<bool>) -> impl IntoView {
    let with_current = move |task: fn(&runtime::Terminal)| {
        if let Some(tab) = untrack(|| shells.current()) {
            tab.with(task);
        }
    };
    let size = move || match maximised.get() {
        true => "Leave full screen",
        false => "Full screen",
    };
    let glyph = Signal::derive(move || match maximised.get() {
        true => Glyph::Shrink,
        false => Glyph::Expand,
    });
    view! {
        <div class="toggles">
            <button
                type="button"
                class="icon-button"
                aria-label="Copy what is selected"
                title="Copy what is selected (Ctrl+Shift+C)"
                on:click=move |_| with_current(|terminal| {
                    terminal.copy();
                    terminal.focus();
                })
            >
                <Icon glyph=Glyph::Copy />
            </button>
            <button
                type="button"
                class="icon-button"
                aria-label="Paste"
                title="Paste (Ctrl+Shift+V)"
                on:click=move |_| with_current(runtime::Terminal::paste)
            >
                <Icon glyph=Glyph::Paste />
            </button>
            <button
                type="button"
                class="icon-button"
                aria-label=size
                title=size
                aria-pressed=move || maximised.get().to_string()
                on:click=move |_| {
                    maximised.update(|on| *on = !*on);
                    with_current(runtime::Terminal::focus);
                }
            >
                <LiveIcon glyph />
            </button>
            <button
                type="button"
                class="icon-button"
                id="shell-close"
                aria-label="Close this shell"
                title="Close this shell"
                on:click=move |_| shells.close_current()
            >
                <Icon glyph=Glyph::Cross />
            </button>
        </div>
    }
    .into_any()
}

#[component]
fn TerminalView(tab: Tab, shells: Shells) -> impl IntoView {
    let host = NodeRef::<html::Div>::new();
    let shown = Memo::new(move |_| shells.shown.get() == Some(tab.id));
    Effect::new(move |begun: Option<bool>| {
        let begun = begun.unwrap_or(false);
        if let (false, Some(host)) = (begun, host.get()) {
            start(tab, SendWrapper::new(host));
            return true;
        }
        begun
    });
    Effect::new(move |_| {
        if shown.get() {
            request_animation_frame(move || tab.with(runtime::Terminal::fit));
        }
    });
    view! {
        <div
            class="terminal-frame"
            role="tabpanel"
            id=format!("shell-panel-{}", tab.id)
            aria-labelledby=tab_id(tab.id)
            hidden=move || !shown.get()
        >
            <div class="terminal" node_ref=host></div>
        </div>
    }
    .into_any()
}

/// Loads the terminal and opens it in its place.
fn start(tab: Tab, host: SendWrapper<web_sys::HtmlDivElement>) {
    let told = move |kind: String, words: String| {
        tab.state.try_set(State {
            kind: Kind::read(&kind),
            words,
        });
    };
    runtime::load(move |loaded| {
        let path = tab.path.try_get_value();
        let opened = path
            .filter(|_| loaded)
            .and_then(|path| runtime::open(&host, &path, told, || live::focus("shell-close")));
        match opened {
            Some(terminal) => {
                if let Some(panel) = document().get_element_by_id("shell") {
                    panel.scroll_into_view();
                }
                terminal.focus();
                tab.terminal.try_set_value(Some(SendWrapper::new(terminal)));
            }
            None => {
                tab.state.try_set(State {
                    kind: Kind::Closed,
                    words: "The terminal could not be loaded. Close this shell, and open another."
                        .to_owned(),
                });
            }
        }
    });
}

/// How the shell that is shown is doing, and what can be done about it.
#[component]
fn Status(shells: Shells) -> impl IntoView {
    let state = Memo::new(move |_| shells.current().map(|tab| tab.state.get()));
    let again = move || {
        let state = state.get()?;
        matches!(state.kind, Kind::Closed | Kind::Waiting).then_some(())
    };
    let reconnect = move |_| {
        if let Some(tab) = untrack(|| shells.current()) {
            tab.with(runtime::Terminal::reconnect);
        }
    };
    view! {
        <span class="shell-status" role="status">
            {move || state.get().map(|state| state.words)}
        </span>
        <Show when=move || again().is_some()>
            <button type="button" class="button small" on:click=reconnect>
                <Icon glyph=Glyph::Refresh />
                "Reconnect"
            </button>
        </Show>
        <span class="shell-hint">"Ctrl and . leaves the terminal"</span>
    }
    .into_any()
}

/// What the next shell runs, and where.
#[component]
fn New(detail: RwSignal<PreviewDetail>, shells: Shells) -> impl IntoView {
    let places = Memo::new(move |_| {
        detail.with(|d| {
            let of_pod = d.pods.iter().flat_map(|pod| {
                let fit = pod.containers.iter().filter(|it| pod.takes_shell(it));
                fit.map(|container| Source {
                    pod: pod.name.clone(),
                    container: container.name.clone(),
                })
            });
            of_pod.collect::<Vec<_>>()
        })
    });
    let open = move |event| {
        if let Some(source) = Source::read(&event_target_value(&event)) {
            shells.open(source);
        }
    };
    let option = |source: Source| {
        let name = format!("{} in {}", source.container, source.pod);
        view! { <option value=source.to_string()>{name}</option> }
    };
    let program = |(value, name): (&'static str, &'static str)| {
        view! { <option value=value>{name}</option> }
    };
    view! {
        <label class="field">
            <span class="unseen">"Program of new shells"</span>
            <select
                prop:value=shells.program
                on:change=move |event| shells.program.set(event_target_value(&event))
            >
                {PROGRAMS.into_iter().map(program).collect_view()}
            </select>
        </label>
        <label class="field">
            <span class="unseen">"Open another shell"</span>
            <select prop:value=move || {
                shells.tabs.track();
                ""
            } on:change=open>
                <option value="">"New shell…"</option>
                {move || places.get().into_iter().map(option).collect_view()}
            </select>
        </label>
    }
    .into_any()
}
