//! The list of previews: live, by tab, searched and ordered.

mod query;
mod retry;
pub(crate) mod row;
mod state;

use std::time::Duration;

use catalyst_model::views::PreviewChange;
use leptos::{prelude::*, task::spawn_local};
use leptos_meta::Title;
use leptos_router::{
    NavigateOptions,
    hooks::{use_navigate, use_query_map},
};

use crate::{
    api::list_previews,
    components::{
        changing::{changing, maybe, text},
        failure::{ActionFailure, FailurePage, FailurePanel},
        icons::{Glyph, Icon},
        placeholder::{Empty, SkeletonRows},
    },
    error::AppError,
    live::{self, Connection, Message},
};
use query::{ListQuery, Order, Tab};
use retry::{Retry, use_retry};
use row::PreviewRow;
use state::{LiveList, Row};

/// The pause between two reads of the whole list.
const RELOAD_PAUSE: Duration = Duration::from_millis(700);

/// The pause after a key before the search is sent.
const TYPING_PAUSE: Duration = Duration::from_millis(250);

/// `/preview-environments`
#[component]
pub(crate) fn ListPage() -> impl IntoView {
    let params = use_query_map();
    let query = Memo::new(move |_| params.with(ListQuery::read));
    let filter = Memo::new(move |_| query.with(ListQuery::filter));
    // Read once before the page is shown. What comes later changes the list in its place: rows that
    // were made anew with each read would have to follow the news while they are being replaced.
    let first = Resource::new(|| (), move |()| list_previews(filter.get_untracked()));
    let list = LiveList::new();
    let failed = RwSignal::new(None);
    let reread = Callback::new(move |()| read(list, query, Some(failed)));
    Effect::watch(move || filter.get(), move |_, _, _| reread.run(()), false);
    let connection = follow(list, query);
    let retry = use_retry();

    view! {
        <Title text="Previews" />
        <header class="page-head">
            <div>
                <h1>"Previews"</h1>
                <p class="lede">
                    "Every open pull request, and what was made by hand. " <LiveMark connection />
                </p>
            </div>
            <div class="head-tools">
                <SearchForm query />
                <a class="button primary" href="/preview-environments/new">
                    <Icon glyph=Glyph::Plus />
                    "Create preview"
                </a>
            </div>
        </header>
        <ActionFailure error=retry.failure />
        <Transition fallback=|| view! { <SkeletonRows what="previews" rows=8 /> }>
            {move || Suspend::new(async move {
                match first.await {
                    Ok(read) => {
                        list.load(read);
                        let shown = move || failed.with(Option::is_none);
                        let failure = move || {
                            let error = failed.get();
                            error.map(|error| view! { <FailurePanel error again=reread /> })
                        };
                        view! {
                            <Show when=shown fallback=failure>
                                <Content list query retry />
                            </Show>
                        }
                            .into_any()
                    }
                    Err(error) => {
                        let again = Callback::new(move |()| first.refetch());
                        view! { <FailurePage error again /> }.into_any()
                    }
                }
            })}
        </Transition>
        <div class="unseen" role="status" aria-live="polite">
            {Signal::<String>::from(list.announced)}
        </div>
    }
}

/// Reads the list anew. Where that fails, `failed` tells; without it the stream's own state does, and
/// the next news try again.
fn read(list: LiveList, query: Memo<ListQuery>, failed: Option<RwSignal<Option<AppError>>>) {
    let Some(asked) = query.try_get_untracked() else {
        return;
    };
    spawn_local(async move {
        let answer = list_previews(asked.filter()).await;
        let now = query.try_get_untracked();
        if now.is_none_or(|now| now.filter() != asked.filter()) {
            return;
        }
        match (answer, failed) {
            (Ok(read), _) => {
                list.load(read);
                if let Some(failed) = failed.filter(|it| it.try_get_untracked().flatten().is_some())
                {
                    failed.try_set(None);
                }
            }
            (Err(error), Some(failed)) => {
                failed.try_set(Some(error));
            }
            (Err(_), None) => {}
        }
    });
}

/// Keeps the list true by the stream of changes.
fn follow(list: LiveList, query: Memo<ListQuery>) -> ReadSignal<Connection> {
    let reload = live::throttle(RELOAD_PAUSE, move || read(list, query, None));
    let url = || Some("/api/preview-environments/stream".to_owned());
    live::listen(url, move |message| match message {
        Message::Open | Message::Failure(_) => reload(),
        Message::Data(data) => {
            let Some(query) = query.try_get_untracked() else {
                return;
            };
            // What cannot be read comes from a newer server; the list itself is read as ever.
            let stale =
                PreviewChange::read(&data).is_none_or(|change| list.apply(query.tab, change));
            if stale {
                reload();
            }
        }
    })
}

/// Says whether the page keeps itself up to date.
#[component]
pub(crate) fn LiveMark(connection: ReadSignal<Connection>) -> impl IntoView {
    let class = text(move || match connection.get() {
        Connection::Live => "live-mark on",
        Connection::Broken => "live-mark off",
        Connection::Idle | Connection::Ended => "live-mark",
    });
    let words = text(move || match connection.get() {
        Connection::Live => "Live",
        Connection::Broken => "Reconnecting",
        Connection::Idle | Connection::Ended => "",
    });
    view! { <span class=class>{words}</span> }
}

/// Tabs and rows.
#[component]
fn Content(list: LiveList, query: Memo<ListQuery>, retry: Retry) -> impl IntoView {
    // It outlives its owner, as a text does, until these rows are taken out of the page.
    let empty = ArcMemo::new(move |_| list.rows.with(Vec::is_empty));
    let rows = changing(move || match empty.get() {
        true => view! { <NoPreviews list query /> }.into_any(),
        false => view! { <Table list query retry /> }.into_any(),
    });
    view! {
        <Tabs list query />
        <Unmeasured why=list.unmeasured />
        {rows}
        <Pager list query />
    }
    .into_any()
}

/// Says why there are no figures of usage. It reads the list's own signal: one that is made of it here would be gone
/// while this is still shown, when the tab changes.
#[component]
fn Unmeasured(why: RwSignal<Option<String>>) -> impl IntoView {
    changing(move || {
        why.get().map(|why| {
            view! {
                <p class="notice quiet">
                    <Icon glyph=Glyph::Gauge />
                    <span>{why}</span>
                </p>
            }
        })
    })
}

#[component]
fn Tabs(list: LiveList, query: Memo<ListQuery>) -> impl IntoView {
    let tab = move |tab: Tab| {
        let href = text(move || query.with(|query| query.with_tab(tab).href()));
        let current = maybe(move || (query.with(|query| query.tab) == tab).then_some("page"));
        let count = move || list.counts.with(|counts| tab.count(counts));
        view! {
            <li>
                <a href=href aria-current=current>
                    {tab.label()}
                    {changing(move || {
                        count().map(|count| view! { <span class="count">{count.to_string()}</span> })
                    })}
                </a>
            </li>
        }
    };
    view! {
        <nav class="tabs" aria-label="Previews by status">
            <ul>{Tab::ALL.into_iter().map(tab).collect_view()}</ul>
        </nav>
    }
    .into_any()
}

#[component]
fn SearchForm(query: Memo<ListQuery>) -> impl IntoView {
    let navigate = use_navigate();
    let input = NodeRef::<leptos::html::Input>::new();
    let go = move || {
        let Some(text) = input.get_untracked().map(|input| input.value()) else {
            return;
        };
        let Some(query) = query.try_get_untracked() else {
            return;
        };
        let searched = query.with_search(&text);
        if searched.search != query.search {
            let options = NavigateOptions {
                replace: true,
                scroll: false,
                ..NavigateOptions::default()
            };
            navigate(&searched.href(), options);
        }
    };
    let typed = {
        let go = go.clone();
        let pending = StoredValue::new(None::<leptos::leptos_dom::helpers::TimeoutHandle>);
        move |_| {
            let go = go.clone();
            pending.update_value(|pending| {
                if let Some(earlier) = pending.take() {
                    earlier.clear();
                }
                *pending = set_timeout_with_handle(go, TYPING_PAUSE).ok();
            });
        }
    };
    let sent = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        go();
    };
    let hidden = changing(move || {
        query
            .with(ListQuery::fields_beside_search)
            .into_iter()
            .map(|(name, value)| view! { <input type="hidden" name=name value=value /> })
            .collect_view()
    });
    view! {
        <form class="search" role="search" method="get" action="/preview-environments" on:submit=sent>
            <Icon glyph=Glyph::Search />
            <input
                type="search"
                name="q"
                node_ref=input
                value=text(move || query.with(|query| query.search.clone()))
                placeholder="Title, branch, number…"
                aria-label="Search previews"
                autocomplete="off"
                spellcheck="false"
                on:input=typed
            />
            {hidden}
        </form>
    }
    .into_any()
}

#[component]
fn Table(list: LiveList, query: Memo<ListQuery>, retry: Retry) -> impl IntoView {
    let rows = move || {
        let mut rows = list.rows.get();
        query.with(|query| query.sort(&mut rows, Row::untracked));
        rows
    };
    view! {
        <div class="card table-card">
            <table class="previews" role="table">
                <thead role="rowgroup">
                    <tr role="row">
                        <SortHeader query order=Order::Status label="Status" class="col-status" />
                        <SortHeader query order=Order::Title label="Pull request" class="col-title" />
                        <th role="columnheader" scope="col" class="col-url">
                            "Answers at"
                        </th>
                        <th role="columnheader" scope="col" class="col-commit">
                            "Commit"
                        </th>
                        <SortHeader query order=Order::Cpu label="CPU" class="col-cpu" />
                        <SortHeader query order=Order::Memory label="Memory" class="col-memory" />
                        <SortHeader query order=Order::Age label="Age" class="col-age" />
                        <th role="columnheader" scope="col" class="col-action">
                            <span class="unseen">"Action"</span>
                        </th>
                    </tr>
                </thead>
                <tbody role="rowgroup">
                    <For each=rows key=|row| row.id.clone() let(row)>
                        <PreviewRow preview=row.preview retry />
                    </For>
                </tbody>
            </table>
        </div>
    }
    .into_any()
}

#[component]
fn SortHeader(
    query: Memo<ListQuery>,
    order: Order,
    label: &'static str,
    class: &'static str,
) -> impl IntoView {
    let sorted = maybe(move || {
        query.with(|query| match (query.order == order, query.reverse) {
            (false, _) => None,
            (true, false) => Some("ascending"),
            (true, true) => Some("descending"),
        })
    });
    let href = text(move || query.with(|query| query.with_order(order).href()));
    view! {
        <th role="columnheader" scope="col" class=class aria-sort=sorted>
            <a class="sort" href=href>
                {label}
                <Icon glyph=Glyph::Sort />
            </a>
        </th>
    }
    .into_any()
}

#[component]
fn NoPreviews(list: LiveList, query: Memo<ListQuery>) -> impl IntoView {
    let none_at_all = move || list.counts.with(|counts| counts.all == 0);
    changing(move || {
        let query = query.get();
        if !query.search.is_empty() {
            let all = query.with_search("").href();
            return view! {
                <Empty glyph=Glyph::Search title=format!("Nothing matches “{}”", query.search)>
                    <p>"Search looks at titles, branches, repositories, numbers and namespaces."</p>
                    <div class="actions">
                        <a class="button" href=all>
                            "Clear the search"
                        </a>
                    </div>
                </Empty>
            }
            .into_any();
        }
        match query.tab {
            Tab::Removed => view! {
                <Empty glyph=Glyph::Clock title="No preview was removed yet">
                    <p>
                        "When a pull request is closed, its preview goes and its history stays here."
                    </p>
                </Empty>
            }
            .into_any(),
            _ if none_at_all() => view! {
                <Empty glyph=Glyph::Previews title="No previews yet">
                    <p>
                        "Open a pull request in a repository that belongs to a project, and it appears here by itself."
                    </p>
                    <p>"To see one now, without a repository of your own:"</p>
                    <pre class="command">
                        <code>"catalyst demo open"</code>
                    </pre>
                    <div class="actions">
                        <a class="button" href="/projects">
                            "See the projects"
                        </a>
                        <a class="button" href="/deliveries">
                            "See what GitHub delivered"
                        </a>
                    </div>
                </Empty>
            }
            .into_any(),
            tab => {
                let (title, text) = match tab {
                    Tab::Ready => ("None is ready", "Previews appear here as soon as they answer."),
                    Tab::InProgress => ("Nothing is in progress", "All previews have arrived."),
                    Tab::Failed => ("Nothing has failed", "Previews that could not be brought up appear here."),
                    Tab::OverQuota => (
                        "None uses too much",
                        "Previews that use more CPU or memory than they are meant to appear here.",
                    ),
                    _ => (
                        "Nothing waits for approval",
                        "Pull requests from forks appear here until a maintainer lets them run.",
                    ),
                };
                view! {
                    <Empty glyph=Glyph::Check title=title>
                        <p>{text}</p>
                    </Empty>
                }
                .into_any()
            }
        }
    })
}

#[component]
fn Pager(list: LiveList, query: Memo<ListQuery>) -> impl IntoView {
    let pages = move || ListQuery::pages(list.matching.get());
    let link = move |step: i32, label: &'static str| {
        query.with(|query| {
            let page = query.page.checked_add_signed(step)?;
            let there = page < pages();
            there.then(|| view! { <a class="button" href=query.with_page(page).href()>{label}</a> })
        })
    };
    changing(move || {
        let pages = pages();
        (pages > 1).then(|| {
            view! {
                <nav class="pager" aria-label="Pages">
                    {link(-1, "Newer")}
                    <span>{format!("Page {} of {pages}", query.with(|query| query.page + 1))}</span>
                    {link(1, "Older")}
                </nav>
            }
        })
    })
}
