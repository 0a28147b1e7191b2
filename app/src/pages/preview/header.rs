//! The preview's title, state, address and actions.

use catalyst_model::views::{PreviewDetail, PreviewSource, PreviewSummary};
use leptos::prelude::*;

use super::href;
use crate::{
    api::{ApprovePreview, DeletePreview, ExtendPreview, RetryPreview},
    components::{
        copy::CopyButton,
        failure::ActionFailure,
        icons::{Glyph, Icon},
        pill::LivePill,
        text::{Ago, Commit, Cut},
    },
    format, live,
    pages::list::{LiveMark, row::NumberLink},
    session::use_clock,
    status::{answers, badge},
};

/// The head of the page.
#[component]
pub(super) fn Header(
    detail: RwSignal<PreviewDetail>,
    connection: ReadSignal<live::Connection>,
) -> impl IntoView {
    let badge = Memo::new(move |_| detail.with(|d| badge(&d.summary)));
    let title = Memo::new(move |_| detail.with(|d| d.summary.title.clone()));
    view! {
        <nav class="crumbs" aria-label="Breadcrumb">
            <ol>
                <li>
                    <a href="/preview-environments">"Previews"</a>
                </li>
                <li>{detail.with_untracked(|d| format!("{} / {}", d.summary.team, d.summary.project))}</li>
                <li aria-current="page">{detail.with_untracked(|d| crumb(&d.summary))}</li>
            </ol>
            <LiveMark connection />
        </nav>
        <header class="page-head preview-head">
            <div class="preview-title">
                <div class="title-line">
                    <h1>{title}</h1>
                    <LivePill badge />
                </div>
                <Origin detail />
                <Address detail />
            </div>
            <Actions detail />
        </header>
    }
    .into_any()
}

fn crumb(preview: &PreviewSummary) -> String {
    preview
        .number
        .map_or_else(|| preview.namespace.clone(), |number| format!("#{number}"))
}

/// Which pull request, which commit, by whom.
#[component]
fn Origin(detail: RwSignal<PreviewDetail>) -> impl IntoView {
    let commit = Memo::new(move |_| detail.with(|d| d.summary.commit.clone()));
    let branch = Memo::new(move |_| detail.with(|d| d.summary.branch.clone()));
    let created = detail.with_untracked(|d| d.summary.created_at);
    let summary = detail.with_untracked(|d| d.summary.clone());
    let opened = match summary.source {
        PreviewSource::PullRequest => "opened ",
        PreviewSource::Manual => "made ",
    };
    view! {
        <p class="lede origin">
            <span>{summary.repository}</span>
            {match summary.number {
                Some(number) => {
                    view! { <NumberLink number url=summary.pull_request_url /> }.into_any()
                }
                None => view! { <span class="tag">"By hand"</span> }.into_any(),
            }}
            <span class="dot" aria-hidden="true"></span>
            <span class="origin-commit">
                {move || {
                    let sha = commit.get();
                    (!sha.is_empty()).then(|| view! { <Commit sha /> " on " })
                }}
                {move || view! { <Cut name=branch.get() /> }}
            </span>
            <span class="dot" aria-hidden="true"></span>
            <span>
                {opened} <Ago at=created />
                {summary.author.map(|author| format!(" by {author}"))}
            </span>
        </p>
    }
    .into_any()
}

/// Where it answers.
#[component]
fn Address(detail: RwSignal<PreviewDetail>) -> impl IntoView {
    let url = Memo::new(move |_| detail.with(|d| (d.summary.url.clone(), answers(&d.summary))));
    move || {
        let (url, answers) = url.get();
        let linked = url.as_deref().and_then(format::web_link).map(str::to_owned);
        match (linked, answers) {
            (Some(url), true) => {
                let copied = url.clone();
                view! {
                    <p class="address">
                        <a class="url" href=url.clone() target="_blank" rel="noopener">
                            <Cut name=url.trim_end_matches('/').to_owned() />
                        </a>
                        <CopyButton text=Signal::stored(copied) what="the URL" />
                    </p>
                }
                .into_any()
            }
            (Some(url), false) => view! {
                <p class="address none">
                    <Cut name=url.trim_end_matches('/').to_owned() />
                </p>
            }
            .into_any(),
            (None, _) => ().into_any(),
        }
    }
}

#[component]
fn Actions(detail: RwSignal<PreviewDetail>) -> impl IntoView {
    let retry = ServerAction::<RetryPreview>::new();
    let approve = ServerAction::<ApprovePreview>::new();
    let extend = ServerAction::<ExtendPreview>::new();
    let clock = use_clock();
    let keep = Memo::new(move |_| {
        detail.with(|d| {
            let ends =
                d.summary.source == PreviewSource::Manual || d.summary.expires_soon(clock.now());
            d.allowed.extend && d.summary.expires_at.is_some() && ends
        })
    });
    let allowed = Memo::new(move |_| detail.with(|d| d.allowed));
    let id = StoredValue::new(detail.with_untracked(|d| d.summary.id.clone()));
    let commit = Memo::new(move |_| detail.with(|d| d.summary.commit.clone()));
    let open = Memo::new(move |_| {
        detail.with(|d| {
            let url = d.summary.url.clone().filter(|_| answers(&d.summary))?;
            format::web_link(&url).map(str::to_owned)
        })
    });
    let failure = Signal::derive(move || {
        let of_approval = approve.value().get().and_then(Result::err);
        of_approval
            .or_else(|| retry.value().get().and_then(Result::err))
            .or_else(|| extend.value().get().and_then(Result::err))
    });
    view! {
        <div class="head-actions">
            <div class="actions">
                <Show when=move || allowed.get().retry>
                    <ActionForm action=retry>
                        <input type="hidden" name="id" value=id.get_value() />
                        <button type="submit" class="button" disabled=retry.pending()>
                            <Icon glyph=Glyph::Refresh />
                            "Retry"
                        </button>
                    </ActionForm>
                </Show>
                <Show when=move || keep.get()>
                    <ActionForm action=extend>
                        <input type="hidden" name="id" value=id.get_value() />
                        <button type="submit" class="button" disabled=extend.pending()>
                            <Icon glyph=Glyph::Clock />
                            "Keep longer"
                        </button>
                    </ActionForm>
                </Show>
                <Show when=move || allowed.get().delete>
                    <DeleteButton detail />
                </Show>
                <Show when=move || allowed.get().approve>
                    <ActionForm action=approve>
                        <input type="hidden" name="id" value=id.get_value() />
                        <input type="hidden" name="commit" value=commit />
                        <button type="submit" class="button primary" disabled=approve.pending()>
                            <Icon glyph=Glyph::Check />
                            {move || format!("Approve {}", format::short_commit(&commit.get()))}
                        </button>
                    </ActionForm>
                </Show>
                {move || {
                    open.get()
                        .map(|url| {
                            view! {
                                <a class="button primary" href=url target="_blank" rel="noopener">
                                    "Open preview"
                                    <Icon glyph=Glyph::Out />
                                </a>
                            }
                        })
                }}
            </div>
            <ActionFailure error=failure />
        </div>
    }
    .into_any()
}

/// Asks before it removes: in a dialog, or without scripts on a page of its own.
#[component]
fn DeleteButton(detail: RwSignal<PreviewDetail>) -> impl IntoView {
    let dialog = NodeRef::<leptos::html::Dialog>::new();
    let page = detail.with_untracked(|d| format!("{}/delete", href(&d.summary)));
    let open = move |event: leptos::ev::MouseEvent| {
        if let Some(dialog) = dialog.get_untracked() {
            event.prevent_default();
            // It only refuses when it is open already.
            let _ = dialog.show_modal();
        }
    };
    let close = move |_| {
        if let Some(dialog) = dialog.get_untracked() {
            dialog.close();
        }
    };
    view! {
        <a class="button danger" href=page on:click=open>
            <Icon glyph=Glyph::Trash />
            "Delete…"
        </a>
        <dialog class="dialog" node_ref=dialog aria-labelledby="delete-title">
            <h2 id="delete-title">"Delete this preview?"</h2>
            <DeleteQuestion summary=detail.with_untracked(|d| d.summary.clone())>
                <button type="button" class="button" on:click=close>
                    "Keep it"
                </button>
            </DeleteQuestion>
        </dialog>
    }
    .into_any()
}

/// What deleting means, with the button that does it.
#[component]
pub(crate) fn DeleteQuestion(
    summary: PreviewSummary,
    /// What leads away without deleting.
    children: Children,
) -> impl IntoView {
    let delete = ServerAction::<DeletePreview>::new();
    let failure = Signal::derive(move || delete.value().get().and_then(Result::err));
    view! {
        <p>
            "Everything in " <code class="breakable">{summary.namespace}</code>
            " is stopped and removed: its workloads, its data and its logs. "
            {match summary.source {
                PreviewSource::PullRequest => {
                    "The pull request stays open, and the next push brings the preview back."
                }
                PreviewSource::Manual => "It does not come back by itself.",
            }}
        </p>
        <ActionFailure error=failure />
        <ActionForm action=delete>
            <input type="hidden" name="id" value=summary.id />
            <div class="actions end">
                {children()}
                <button type="submit" class="button danger-fill" disabled=delete.pending()>
                    "Delete preview"
                </button>
            </div>
        </ActionForm>
    }
    .into_any()
}
