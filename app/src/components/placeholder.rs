//! What stands where there is nothing yet.

use leptos::prelude::*;

use super::icons::{Glyph, Icon};

/// Says that there is nothing, why, and what the next step is.
#[component]
pub(crate) fn Empty(
    glyph: Glyph,
    #[prop(into)] title: String,
    /// What it means, and the next step.
    children: Children,
) -> impl IntoView {
    view! {
        <div class="card empty">
            <span class="empty-icon">
                <Icon glyph />
            </span>
            <h2>{title}</h2>
            {children()}
        </div>
    }
    .into_any()
}

/// Rows of grey bars, as high as the rows that will take their place.
#[component]
pub(crate) fn SkeletonRows(
    /// What is being loaded, for those who do not see it.
    what: &'static str,
    #[prop(default = 6)] rows: usize,
) -> impl IntoView {
    view! {
        <div class="card skeleton-rows" aria-busy="true">
            <span class="unseen" role="status">
                {format!("Loading {what}")}
            </span>
            {(0..rows)
                .map(|_| {
                    view! {
                        <div class="skeleton-row" aria-hidden="true">
                            <span class="bone short"></span>
                            <span class="bone-stack">
                                <span class="bone long"></span>
                                <span class="bone"></span>
                            </span>
                            <span class="bone short"></span>
                        </div>
                    }
                })
                .collect_view()}
        </div>
    }
}

/// Grey blocks in the shape of a page with a header, a wide card and a narrow one.
#[component]
pub(crate) fn SkeletonPage(what: &'static str) -> impl IntoView {
    view! {
        <div class="skeleton-page" aria-busy="true">
            <span class="unseen" role="status">
                {format!("Loading {what}")}
            </span>
            <span class="bone title"></span>
            <span class="bone long"></span>
            <span class="bone-card strip"></span>
            <div class="columns">
                <span class="bone-card tall"></span>
                <span class="bone-card"></span>
            </div>
        </div>
    }
}
