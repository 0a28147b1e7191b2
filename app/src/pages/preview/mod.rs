//! The page of one preview: is it working, why not, and what can I do.

mod facts;
pub(crate) mod header;
mod history;
mod logs;
mod notice;
pub(crate) mod pods;
mod resources;
mod shell;
mod steps;
mod story;

use catalyst_model::views::{PreviewDetail, PreviewSummary};
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_params_map;
use serde::Deserialize;

use crate::{
    api::{LogLine, get_preview, read_logs},
    components::{failure::FailurePage, placeholder::SkeletonPage},
    error::{AppError, AppErrorKind},
    format,
    live::{self, Message},
    pages::not_found::MissingPreview,
    status::badge,
};
use logs::{LogPanel, LogSettings};

/// A preview's page.
pub(crate) fn href(preview: &PreviewSummary) -> String {
    href_of(&preview.id)
}

pub(crate) fn href_of(id: &str) -> String {
    format!("/preview-environments/{}", format::encode(id))
}

/// The lines that the page begins with; none where nothing has run yet.
type FirstLines = Option<Result<Vec<LogLine>, AppError>>;

/// What the page begins with.
type First = (PreviewDetail, FirstLines);

/// `/preview-environments/{id}`
#[component]
pub(crate) fn PreviewPage() -> impl IntoView {
    let params = use_params_map();
    let id = Memo::new(move |_| params.with(|p| p.get("id").unwrap_or_default()));
    let settings = LogSettings::of_address();
    let first = Resource::new(
        move || id.get(),
        move |id| async move {
            let preview = get_preview(id.clone()).await?;
            let query = untrack(|| settings.query(&preview));
            let lines = match query.container {
                Some(_) => Some(read_logs(id, query).await),
                None => None,
            };
            Ok::<First, AppError>((preview, lines))
        },
    );
    view! {
        <Transition fallback=|| view! { <SkeletonPage what="the preview" /> }>
            {move || Suspend::new(async move {
                match first.await {
                    Ok((preview, lines)) => {
                        view! { <Preview preview lines settings /> }.into_any()
                    }
                    Err(error) if error.kind == AppErrorKind::NotFound => {
                        view! { <MissingPreview id=id.get_untracked() /> }.into_any()
                    }
                    Err(error) => {
                        let again = Callback::new(move |()| first.refetch());
                        view! { <FailurePage error again /> }.into_any()
                    }
                }
            })}
        </Transition>
    }
}

/// The preview, kept true by its stream.
#[component]
fn Preview(preview: PreviewDetail, lines: FirstLines, settings: LogSettings) -> impl IntoView {
    let id = preview.summary.id.clone();
    let detail = RwSignal::new(preview);
    let problem = RwSignal::new(None::<String>);
    let connection = follow(id, detail, problem);
    let badge = Memo::new(move |_| detail.with(|d| badge(&d.summary)));
    let title = Memo::new(move |_| {
        detail.with(|d| match d.summary.number {
            Some(number) => format!("{} #{number}", d.summary.title),
            None => d.summary.title.clone(),
        })
    });
    let shells = shell::Shells::new(detail);
    view! {
        <Title text=move || format!("{}: {}", badge.get().word, title.get()) />
        <header::Header detail connection />
        <notice::Notices detail problem />
        <steps::Steps detail />
        <div class="columns">
            <div class="column">
                <shell::ShellPanel detail shells />
                <LogPanel detail lines settings />
                <story::Story detail />
            </div>
            <div class="column">
                <facts::Facts detail />
                <resources::ResourcesCard detail />
                <pods::Pods detail settings shells />
                <history::Deployments detail />
            </div>
        </div>
        <div class="unseen" role="status" aria-live="polite">
            {move || format!("Status: {}", badge.get().word)}
        </div>
    }
    .into_any()
}

/// What the stream of a preview says.
#[derive(Deserialize)]
#[serde(tag = "type", content = "data", rename_all = "lowercase")]
enum News {
    Status(Box<PreviewDetail>),
    Ready(Box<PreviewDetail>),
    Error { message: String },
}

fn follow(
    id: String,
    detail: RwSignal<PreviewDetail>,
    problem: RwSignal<Option<String>>,
) -> ReadSignal<live::Connection> {
    let url = format!("/api{}/stream", href_of(&id));
    live::listen(
        move || Some(url.clone()),
        move |message| {
            let Message::Data(data) = message else { return };
            // What cannot be read comes from a newer server: the page stays as it is.
            match serde_json::from_str(&data) {
                Ok(News::Status(news) | News::Ready(news)) => {
                    let differs = detail.try_with_untracked(|present| *present != *news);
                    if differs == Some(true) {
                        detail.set(*news);
                    }
                    problem.try_set(None);
                }
                Ok(News::Error { message }) => {
                    problem.try_set(Some(message));
                }
                Err(_) => {}
            }
        },
    )
}
