//! Icons, drawn inline so that they take their text's colour and cost no request.

use leptos::prelude::*;

use super::changing::text;

/// An icon, on a grid of 16 by 16.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Glyph {
    Alert,
    Box,
    Check,
    Clock,
    Copy,
    Cross,
    Down,
    Download,
    Expand,
    Gauge,
    Hand,
    Inbox,
    Key,
    Minus,
    Monitor,
    Moon,
    Out,
    Paste,
    People,
    Plus,
    Previews,
    Refresh,
    Ring,
    Search,
    Shrink,
    SignOut,
    Sort,
    Sun,
    Trash,
    Up,
}

impl Glyph {
    const fn path(self) -> &'static str {
        match self {
            Self::Alert => {
                "M8 5v3.5M8 11h.01M7.1 2.6 1.9 11.7a1 1 0 0 0 .9 1.5h10.4a1 1 0 0 0 .9-1.5L8.9 2.6a1 1 0 0 0-1.8 0"
            }
            Self::Box => "m8 1.8 5.5 3v6.4L8 14.2l-5.5-3V4.8zM2.7 5 8 7.9 13.3 5M8 8v6",
            Self::Check => "m3.5 8.5 3 3 6-7",
            Self::Clock => "M8 4.5V8l2.3 1.5M14 8A6 6 0 1 1 2 8a6 6 0 0 1 12 0",
            Self::Copy => {
                "M5.5 5.5v-2a1 1 0 0 1 1-1h6a1 1 0 0 1 1 1v6a1 1 0 0 1-1 1h-2M3.5 5.5h6a1 1 0 0 1 1 1v6a1 1 0 0 1-1 1h-6a1 1 0 0 1-1-1v-6a1 1 0 0 1 1-1"
            }
            Self::Cross => "m4 4 8 8M12 4l-8 8",
            Self::Down => "m4 6 4 4 4-4",
            Self::Download => "M8 2.5v7.5M4.8 7 8 10.2 11.2 7M3 13.5h10",
            Self::Expand => "M9.5 2.5h4v4M6.5 13.5h-4v-4M13.2 2.8 9.5 6.5M2.8 13.2l3.7-3.7",
            Self::Gauge => "M3 13V8.5M8 13V3M13 13V6.5",
            Self::Hand => "M8 4.5v4M8 11.3h.01M5.3 1.8h5.4l3.5 3.5v5.4l-3.5 3.5H5.3l-3.5-3.5V5.3z",
            Self::Inbox => "M2 9h3.5l1 2h3l1-2H14M2 9l2-5.8h8L14 9v4H2z",
            Self::Key => {
                "M7.6 8.4 13 3M10.8 5.2l2 2M6.2 13.2a2.9 2.9 0 1 0 0-5.8 2.9 2.9 0 0 0 0 5.8"
            }
            Self::Minus => "M4 8h8",
            Self::Monitor => "M2 3h12v8H2zM5.5 13.5h5M8 11v2.5",
            Self::Moon => "M13.5 9.8A6 6 0 0 1 6.2 2.5a5.8 5.8 0 1 0 7.3 7.3",
            Self::Out => "M6.5 3.5h-3v9h9v-3M9.5 2.5h4v4M13.2 2.8 7.5 8.5",
            Self::Paste => "M5.5 3h-2v10.5h9V3h-2M6 2h4v2.5H6z",
            Self::People => {
                "M6 7.6a2.3 2.3 0 1 0 0-4.6 2.3 2.3 0 0 0 0 4.6M1.8 13c0-2.2 1.7-3.6 4.2-3.6s4.2 1.4 4.2 3.6M10.6 3.2a2.2 2.2 0 0 1 0 4.2M11.8 9.6c1.5.4 2.4 1.6 2.4 3.4"
            }
            Self::Plus => "M8 3.5v9M3.5 8h9",
            Self::Previews => {
                "M2 4.5a1.5 1.5 0 0 1 1.5-1.5h9A1.5 1.5 0 0 1 14 4.5v7a1.5 1.5 0 0 1-1.5 1.5h-9A1.5 1.5 0 0 1 2 11.5zM2 6.5h12"
            }
            Self::Refresh => {
                "M13 3v3.5H9.5M3 13V9.5h3.5M12.7 6.3A5 5 0 0 0 3.9 5M3.3 9.7A5 5 0 0 0 12.1 11"
            }
            Self::Ring => "M8 2.5a5.5 5.5 0 1 1-5.5 5.5",
            Self::Search => "m10.5 10.5 3 3M12 7A5 5 0 1 1 2 7a5 5 0 0 1 10 0",
            Self::Shrink => "M13.5 6.5h-4v-4M2.5 9.5h4v4M9.8 6.2l3.7-3.7M6.2 9.8l-3.7 3.7",
            Self::SignOut => "M6.5 13.5h-3v-11h3M10 5l3 3-3 3M13 8H6.5",
            Self::Sort => "m5 6.5 3-3 3 3M5 9.5l3 3 3-3",
            Self::Sun => {
                "M8 1.5v1.3M8 13.2v1.3M1.5 8h1.3M13.2 8h1.3M3.4 3.4l.9.9M11.7 11.7l.9.9M3.4 12.6l.9-.9M11.7 4.3l.9-.9M10.8 8a2.8 2.8 0 1 1-5.6 0 2.8 2.8 0 0 1 5.6 0"
            }
            Self::Trash => {
                "M2.5 4.5h11M6 4.5v-2h4v2M4 4.5l.7 9h6.6l.7-9M6.7 7.2l.2 3.8M9.3 7.2l-.2 3.8"
            }
            Self::Up => "m4 10 4-4 4 4",
        }
    }
}

/// An icon; decoration only, what it means is said in words beside it.
#[component]
pub(crate) fn Icon(glyph: Glyph) -> impl IntoView {
    view! {
        <svg class="icon" viewBox="0 0 16 16" aria-hidden="true" focusable="false">
            <path d=glyph.path() />
        </svg>
    }
}

/// An icon that changes.
#[component]
pub(crate) fn LiveIcon(#[prop(into)] glyph: Signal<Glyph>) -> impl IntoView {
    view! {
        <svg class="icon" viewBox="0 0 16 16" aria-hidden="true" focusable="false">
            <path d=text(move || glyph.get().path()) />
        </svg>
    }
}

/// Catalyst's mark: branches that meet in one bright point.
#[component]
pub(crate) fn Mark() -> impl IntoView {
    view! {
        <svg class="mark" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
            <rect class="mark-ground" width="24" height="24" rx="7" />
            <path class="mark-line" d="M7 6.5v11M7 12h4.5a4 4 0 0 0 4-4v-.5" />
            <circle class="mark-dot" cx="7" cy="6.5" r="2" />
            <circle class="mark-dot" cx="7" cy="17.5" r="2" />
            <circle class="mark-spark" cx="16.5" cy="6.5" r="2.8" />
        </svg>
    }
}
