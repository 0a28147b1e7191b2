//! Asks whether to delete a preview, where there are no scripts to ask in a dialog.

use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_params_map;

use super::preview::{header::DeleteQuestion, href};
use crate::{
    api::get_preview,
    components::{failure::FailurePage, placeholder::SkeletonPage},
    error::{AppError, AppErrorKind},
    pages::not_found::MissingPreview,
};

/// `/preview-environments/{id}/delete`
#[component]
pub(crate) fn DeletePage() -> impl IntoView {
    let params = use_params_map();
    let id = Memo::new(move |_| params.with(|p| p.get("id").unwrap_or_default()));
    let preview = Resource::new(move || id.get(), get_preview);
    view! {
        <Title text="Delete a preview" />
        <Transition fallback=|| view! { <SkeletonPage what="the preview" /> }>
            {move || Suspend::new(async move {
                match preview.await {
                    Ok(detail) if detail.allowed.delete => {
                        let page = href(&detail.summary);
                        view! {
                            <div class="card dialog-page">
                                <h1>"Delete this preview?"</h1>
                                <DeleteQuestion summary=detail.summary>
                                    <a class="button" href=page>
                                        "Keep it"
                                    </a>
                                </DeleteQuestion>
                            </div>
                        }
                            .into_any()
                    }
                    Ok(detail) => view! { <FailurePage error=not_now(&detail.summary.title) /> }.into_any(),
                    Err(error) if error.kind == AppErrorKind::NotFound => {
                        view! { <MissingPreview id=id.get_untracked() /> }.into_any()
                    }
                    Err(error) => view! { <FailurePage error /> }.into_any(),
                }
            })}
        </Transition>
    }
}

fn not_now(title: &str) -> AppError {
    AppError {
        kind: AppErrorKind::Forbidden,
        message: format!("You cannot delete “{title}”"),
    }
}
