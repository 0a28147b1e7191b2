//! Starting a failed preview anew from its row.

use leptos::{prelude::*, server_fn::ServerFn};

use crate::{
    api::{RetryPreview, retry_preview},
    error::AppError,
};

/// The action of all rows.
#[derive(Clone, Copy)]
pub(crate) struct Retry {
    action: Action<String, Result<(), AppError>>,
    /// Why the last one failed.
    pub(crate) failure: Signal<Option<AppError>>,
}

/// What the rows share. Sending is loaded when it is asked for: most visits do without.
pub(crate) fn use_retry() -> Retry {
    let action = Action::new(|id: &String| send(id.clone()));
    let before = SharedValue::new(failed_before).into_inner();
    let value = action.value();
    Retry {
        action,
        failure: Signal::derive(move || match value.get() {
            Some(result) => result.err(),
            None => before.clone(),
        }),
    }
}

#[lazy]
async fn send(id: String) -> Result<(), AppError> {
    retry_preview(id).await
}

/// What came of a form that was sent without JavaScript: its answer leads back to the page and says it in
/// the address.
#[cfg(feature = "ssr")]
fn failed_before() -> Option<AppError> {
    let before = ServerAction::<RetryPreview>::new().value();
    before.get_untracked().and_then(Result::err)
}

#[cfg(not(feature = "ssr"))]
fn failed_before() -> Option<AppError> {
    None
}

/// The button of a row.
#[component]
pub(crate) fn RetryForm(id: String, retry: Retry) -> impl IntoView {
    let sent = {
        let id = id.clone();
        let (pending, input) = (retry.action.pending(), retry.action.input());
        move || pending.get() && input.with(|sent| sent.as_ref() == Some(&id))
    };
    let send = {
        let id = id.clone();
        move |event: leptos::ev::SubmitEvent| {
            event.prevent_default();
            retry.action.dispatch(id.clone());
        }
    };
    view! {
        <div class="raised">
            <form method="post" action=RetryPreview::url() on:submit=send>
                <input type="hidden" name="id" value=id />
                <button type="submit" class="button small" disabled=sent>
                    "Retry"
                </button>
            </form>
        </div>
    }
    .into_any()
}
