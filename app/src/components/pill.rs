//! A state by word, colour and shape.

use leptos::prelude::*;

use super::{changing::text, icons::LiveIcon};
use crate::status::Badge;

/// A state that changes while one looks at it.
#[component]
pub(crate) fn LivePill(#[prop(into)] badge: Signal<Badge>) -> impl IntoView {
    view! {
        <span class=text(move || format!("pill {}", badge.get().tone.class()))>
            <LiveIcon glyph=Signal::derive(move || badge.get().glyph) />
            {text(move || badge.get().word)}
        </span>
    }
}
