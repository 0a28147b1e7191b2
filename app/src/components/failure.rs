//! What is shown in the place of something that could not be shown.

use leptos::prelude::*;

use super::{
    changing::changing,
    icons::{Glyph, Icon},
};
use crate::{
    error::{AppError, AppErrorKind},
    request,
};

/// A panel whose content could not be read, with what to do about it.
#[component]
pub(crate) fn FailurePanel(
    error: AppError,
    /// Reads the content anew; without it, the page is to be reloaded.
    #[prop(optional, into)]
    again: Option<Callback<()>>,
) -> impl IntoView {
    view! {
        <div class="card empty" role="alert">
            <span class="empty-icon bad">
                <Icon glyph=Glyph::Alert />
            </span>
            <h2>{error.message}</h2>
            <p>{error.kind.advice()}</p>
            <div class="actions">
                {(error.kind == AppErrorKind::SignedOut)
                    .then(|| {
                        view! {
                            <a class="button primary" href="/sign-in" rel="external">
                                "Sign in"
                            </a>
                        }
                    })}
                {again
                    .map(|again| {
                        view! {
                            <button
                                type="button"
                                class="button scripted"
                                on:click=move |_| again.run(())
                            >
                                <Icon glyph=Glyph::Refresh />
                                "Try again"
                            </button>
                        }
                    })}
            </div>
        </div>
    }
    .into_any()
}

/// As [`FailurePanel`], where it stands for the whole page: the page's status says so too.
#[component]
pub(crate) fn FailurePage(
    error: AppError,
    #[prop(optional, into)] again: Option<Callback<()>>,
) -> impl IntoView {
    request::set_page_status(error.kind.status());
    view! { <FailurePanel error again=again.unwrap_or_else(|| Callback::new(|()| live_reload())) /> }
}

fn live_reload() {
    // The page is still there if this fails, and so is the button.
    let _ = window().location().reload();
}

/// What came of an action, where it failed.
#[component]
pub(crate) fn ActionFailure(
    /// The action's error, if its last run had one.
    #[prop(into)]
    error: Signal<Option<AppError>>,
) -> impl IntoView {
    view! {
        <div role="alert" class="action-failure">
            {changing(move || {
                error
                    .get()
                    .map(|error| {
                        view! {
                            <p class="notice bad">
                                <Icon glyph=Glyph::Alert />
                                <span>
                                    <strong>{error.message} "."</strong>
                                    " "
                                    {error.kind.advice()}
                                </span>
                            </p>
                        }
                    })
            })}
        </div>
    }
    .into_any()
}
