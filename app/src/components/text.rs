//! Small pieces of text: times, names that are cut, commits.

use chrono::{DateTime, Utc};
use leptos::prelude::*;

use super::changing::text;
use crate::{format, session::use_clock};

/// A text that follows the clock, and is drawn only when it says something else.
fn ticking(words: impl Fn() -> String + Send + Sync + 'static) -> Signal<String> {
    Memo::new(move |_| words()).into()
}

/// How long ago something was; the exact time in its title.
#[component]
pub(crate) fn Ago(#[prop(into)] at: Signal<DateTime<Utc>>) -> impl IntoView {
    let clock = use_clock();
    let words = ticking(move || format::ago(at.get(), clock.now()));
    view! {
        <time datetime=text(move || format::machine(at.get())) title=text(move || format::exact(at.get()))>
            {words}
        </time>
    }
}

/// How old something is; the exact time in its title.
#[component]
pub(crate) fn Age(at: DateTime<Utc>) -> impl IntoView {
    let clock = use_clock();
    let words = ticking(move || format::age(at, clock.now()));
    view! {
        <time datetime=format::machine(at) title=format::exact(at)>
            {words}
        </time>
    }
}

/// How long until something is; the exact time in its title.
#[component]
pub(crate) fn Until(#[prop(into)] at: Signal<DateTime<Utc>>) -> impl IntoView {
    let clock = use_clock();
    let words = ticking(move || format::until(at.get(), clock.now()));
    view! {
        <time datetime=text(move || format::machine(at.get())) title=text(move || format::exact(at.get()))>
            {words}
        </time>
    }
}

/// A long name on one line: cut in its middle where there is no room, whole in its title.
#[component]
pub(crate) fn Cut(#[prop(into)] name: String) -> impl IntoView {
    let (start, end) = format::split_for_cutting(&name);
    let (start, end) = (start.to_owned(), end.to_owned());
    view! {
        <span class="cut" title=name>
            <span>{start}</span>
            <span>{end}</span>
        </span>
    }
}

/// A commit's first digits, the whole in the title.
#[component]
pub(crate) fn Commit(#[prop(into)] sha: String) -> impl IntoView {
    let short = format::short_commit(&sha);
    view! { <code title=sha>{short}</code> }
}
