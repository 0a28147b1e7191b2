//! Small pieces of text: times, names that are cut, commits.

use chrono::{DateTime, Utc};
use leptos::prelude::*;

use crate::{format, session::use_clock};

/// How long ago something was; the exact time in its title.
#[component]
pub(crate) fn Ago(#[prop(into)] at: Signal<DateTime<Utc>>) -> impl IntoView {
    let clock = use_clock();
    let text = Memo::new(move |_| format::ago(at.get(), clock.now()));
    view! {
        <time datetime=move || at.get().to_rfc3339() title=move || format::exact(at.get())>
            {text}
        </time>
    }
}

/// How old something is; the exact time in its title.
#[component]
pub(crate) fn Age(at: DateTime<Utc>) -> impl IntoView {
    let clock = use_clock();
    let text = Memo::new(move |_| format::age(at, clock.now()));
    view! {
        <time datetime=at.to_rfc3339() title=format::exact(at)>
            {text}
        </time>
    }
}

/// How long until something is; the exact time in its title.
#[component]
pub(crate) fn Until(#[prop(into)] at: Signal<DateTime<Utc>>) -> impl IntoView {
    let clock = use_clock();
    let text = Memo::new(move |_| format::until(at.get(), clock.now()));
    view! {
        <time datetime=move || at.get().to_rfc3339() title=move || format::exact(at.get())>
            {text}
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
