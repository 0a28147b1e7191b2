//! Parts of a page that change.
//!
//! A closure in a view is a type of its own, for which all that draws, takes over and redraws it is compiled
//! once more. These are the same type wherever they stand, which keeps what browsers load small.

use leptos::prelude::*;

/// What is shown, anew whenever what it reads changes.
pub(crate) fn changing<V: IntoView + 'static>(view: impl Fn() -> V + Send + 'static) -> AnyView {
    let view: Box<dyn FnMut() -> AnyView + Send> = Box::new(move || view().into_any());
    view.into_any()
}

/// A text, likewise. It counts its users rather than belonging to an owner: what shows it may look at it once more
/// after its owner is gone, when the whole of a page is drawn anew.
pub(crate) fn text<T: Into<String>>(
    text: impl Fn() -> T + Send + Sync + 'static,
) -> ArcSignal<String> {
    ArcSignal::derive(move || text().into())
}

/// A text or none, likewise: an attribute that is there at times.
pub(crate) fn maybe<T: Into<String>>(
    text: impl Fn() -> Option<T> + Send + Sync + 'static,
) -> ArcSignal<Option<String>> {
    ArcSignal::derive(move || text().map(Into::into))
}
