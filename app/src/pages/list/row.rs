//! A preview in the list.

use catalyst_model::{state::PreviewStatus, views::PreviewSummary};
use leptos::prelude::*;

use super::retry::{Retry, RetryForm};
use crate::{
    components::{
        changing::{changing, text},
        icons::{Glyph, Icon},
        pill::LivePill,
        text::{Age, Commit, Cut, Until},
        usage::{Kind, UsageCell},
    },
    format,
    pages::preview::href as page_of,
    session::use_clock,
    status::{Tone, answers, badge, bucket, still_serving},
};

/// One row of the table; its parts follow the preview's changes.
#[component]
pub(crate) fn PreviewRow(preview: ArcRwSignal<PreviewSummary>, retry: Retry) -> impl IntoView {
    let data = Signal::from(preview);
    let badge = Memo::new(move |_| data.with(badge));
    let created = data.with_untracked(|preview| preview.created_at);
    view! {
        <tr role="row" class=text(move || format!("preview-row {}", badge.get().tone.class()))>
            <td role="cell" class="col-status">
                <LivePill badge />
            </td>
            <td role="cell" class="col-title">
                <TitleCell data />
            </td>
            <td role="cell" class="col-url">
                <UrlCell data />
            </td>
            <td role="cell" class="col-commit">
                <CommitCell data />
            </td>
            <td role="cell" class="col-cpu">
                <Usage data kind=Kind::Cpu />
            </td>
            <td role="cell" class="col-memory">
                <Usage data kind=Kind::Memory />
            </td>
            <td role="cell" class="col-age">
                <Age at=created />
            </td>
            <td role="cell" class="col-action">
                <ActionCell data retry />
            </td>
        </tr>
    }
    .into_any()
}

#[component]
fn TitleCell(data: Signal<PreviewSummary>) -> impl IntoView {
    let href = data.with_untracked(page_of);
    let title = Memo::new(move |_| data.with(|p| p.title.clone()));
    let number = Memo::new(move |_| data.with(|p| (p.number, p.pull_request_url.clone())));
    let origin = data.with_untracked(|p| p.repository.clone());
    let explained = Memo::new(move |_| data.with(explain));
    view! {
        <div class="row-title">
            <a class="stretched" href=href>
                {Signal::<String>::from(title)}
            </a>
            {changing(move || {
                let (number, url) = number.get();
                match number {
                    Some(number) => view! { <NumberLink number url /> }.into_any(),
                    None => view! { <span class="tag">"By hand"</span> }.into_any(),
                }
            })}
        </div>
        <div class="row-sub">
            <Cut name=origin />
            <Ending data />
            {changing(move || {
                explained
                    .get()
                    .map(|(tone, text)| {
                        view! {
                            <span class=format!("row-message {}", tone.class()) title=text.clone()>
                                {text.clone()}
                            </span>
                        }
                    })
            })}
        </div>
    }
    .into_any()
}

/// Says that it ends soon.
#[component]
pub(crate) fn Ending(data: Signal<PreviewSummary>) -> impl IntoView {
    let clock = use_clock();
    let ends =
        Memo::new(move |_| data.with(|p| p.expires_at.filter(|_| p.expires_soon(clock.now()))));
    changing(move || {
        ends.get().map(|at| {
            view! {
                <span class="row-message warn ending">"ends " <Until at=Signal::stored(at) /></span>
            }
        })
    })
}

/// What it uses of one thing.
#[component]
fn Usage(data: Signal<PreviewSummary>, kind: Kind) -> impl IntoView {
    let usage = Memo::new(move |_| data.with(|p| p.usage.clone()));
    changing(move || match usage.get() {
        Some(usage) => view! { <UsageCell kind usage /> }.into_any(),
        None => view! {
            <span class="none" title="Not measured">
                "–"
            </span>
        }
        .into_any(),
    })
}

/// What the row says beyond its status, and in which tone.
fn explain(preview: &PreviewSummary) -> Option<(Tone, String)> {
    let badge = badge(preview);
    if preview.deleted_at.is_none()
        && let Some(why) = &preview.blocked
    {
        return Some((Tone::Warn, why.clone()));
    }
    let message = preview.message.clone()?;
    match badge.tone {
        Tone::Ready => None,
        tone => Some((tone, message)),
    }
}

/// A pull request's number, as a link to its page on GitHub where that is known.
#[component]
pub(crate) fn NumberLink(number: u64, url: Option<String>) -> impl IntoView {
    let text = format!("#{number}");
    match url.as_deref().and_then(format::web_link) {
        Some(url) => view! {
            <a class="number raised" href=url.to_owned() target="_blank" rel="noopener noreferrer">
                {text}
                <span class="unseen">" on GitHub"</span>
            </a>
        }
        .into_any(),
        None => view! { <span class="number">{text}</span> }.into_any(),
    }
}

#[component]
fn UrlCell(data: Signal<PreviewSummary>) -> impl IntoView {
    let shown = Memo::new(move |_| data.with(|p| (p.url.clone(), answers(p))));
    let gone = Memo::new(move |_| data.with(|p| bucket(p).is_none()));
    changing(move || match shown.get() {
        (Some(url), true) => {
            let name = format::first_label(format::host(&url)).to_owned();
            match format::web_link(&url) {
                Some(url) => view! {
                    <a
                        class="url raised"
                        href=url.to_owned()
                        title=url.to_owned()
                        target="_blank"
                        rel="noopener"
                    >
                        <Cut name />
                        <Icon glyph=Glyph::Out />
                    </a>
                }
                .into_any(),
                None => view! { <Cut name /> }.into_any(),
            }
        }
        _ => {
            view! { <span class="none">{if gone.get_untracked() { "–" } else { "Not yet" }}</span> }
                .into_any()
        }
    })
}

#[component]
fn CommitCell(data: Signal<PreviewSummary>) -> impl IntoView {
    let commit = Memo::new(move |_| data.with(|p| p.commit.clone()));
    let branch = Memo::new(move |_| data.with(|p| p.branch.clone()));
    let serving = Memo::new(move |_| data.with(|p| still_serving(p).map(str::to_owned)));
    view! {
        <div class="commit-line">
            {changing(move || match commit.get() {
                sha if sha.is_empty() => view! { <span class="none">"–"</span> }.into_any(),
                sha => view! { <Commit sha /> }.into_any(),
            })}
            {changing(move || {
                serving
                    .get()
                    .map(|sha| {
                        view! {
                            <span class="serving" title="Still served until the new commit is ready">
                                "serving " {format::short_commit(&sha)}
                            </span>
                        }
                    })
            })}
        </div>
        <div class="row-sub">{changing(move || view! { <Cut name=branch.get() /> })}</div>
    }
    .into_any()
}

/// The one thing that one most likely wants to do with it now.
#[component]
fn ActionCell(data: Signal<PreviewSummary>, retry: Retry) -> impl IntoView {
    #[derive(Clone, PartialEq)]
    enum Next {
        Open(String),
        Retry,
        Review,
        None,
    }
    let id = StoredValue::new(data.with_untracked(|p| p.id.clone()));
    let href = data.with_untracked(page_of);
    let next = Memo::new(move |_| {
        data.with(|p| {
            let open = p
                .url
                .clone()
                .filter(|url| answers(p) && format::web_link(url).is_some());
            match (p.status, open) {
                _ if p.deleted_at.is_some() || p.status == PreviewStatus::Deleting => Next::None,
                _ if p.blocked.is_some() => Next::Review,
                (PreviewStatus::Failed, _) => Next::Retry,
                (PreviewStatus::Running, Some(url)) => Next::Open(url),
                _ => Next::None,
            }
        })
    });
    changing(move || match next.get() {
        Next::Open(url) => view! {
            <a class="button small raised" href=url target="_blank" rel="noopener">
                "Open"
            </a>
        }
        .into_any(),
        Next::Retry => view! { <RetryForm id=id.get_value() retry /> }.into_any(),
        Next::Review => view! {
            <a class="button small raised" href=href.clone()>
                "Review"
            </a>
        }
        .into_any(),
        Next::None => ().into_any(),
    })
}
