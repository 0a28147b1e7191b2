//! A button that puts a text on the clipboard.

use std::time::Duration;

use leptos::prelude::*;

use super::icons::{Glyph, LiveIcon};
use crate::live;

/// How long the button says what came of it.
const SAID: Duration = Duration::from_millis(1600);

#[derive(Clone, Copy, PartialEq)]
enum State {
    Idle,
    Copied,
    Refused,
}

/// Copies `text` when pressed. Hidden where there are no scripts.
#[component]
pub(crate) fn CopyButton(
    /// What is copied, read at the press.
    #[prop(into)]
    text: Signal<String>,
    /// What is copied, for the label: "Copy the URL".
    what: &'static str,
) -> impl IntoView {
    let state = RwSignal::new(State::Idle);
    let press = move |_| {
        live::copy(&text.get_untracked(), move |worked| {
            state.try_set(if worked {
                State::Copied
            } else {
                State::Refused
            });
            set_timeout(
                move || {
                    state.try_set(State::Idle);
                },
                SAID,
            );
        });
    };
    let glyph = Signal::derive(move || match state.get() {
        State::Idle => Glyph::Copy,
        State::Copied => Glyph::Check,
        State::Refused => Glyph::Cross,
    });
    let said = move || match state.get() {
        State::Idle => "",
        State::Copied => "Copied",
        State::Refused => "The browser did not allow it",
    };
    view! {
        <button
            type="button"
            class="icon-button scripted"
            class:done=move || state.get() == State::Copied
            aria-label=format!("Copy {what}")
            title=format!("Copy {what}")
            on:click=press
        >
            <LiveIcon glyph=glyph />
            <span class="unseen" role="status">
                {said}
            </span>
        </button>
    }
    .into_any()
}
