//! Shells in the preview's containers: one tab each, in a panel above the logs.

mod panel;
mod runtime;

use catalyst_model::views::PreviewDetail;
use leptos::prelude::*;
use leptos_router::hooks::use_query_map;
use send_wrapper::SendWrapper;

use super::logs::Source;
use crate::{format, live};
pub(super) use panel::ShellPanel;

/// The programs that one may ask for; the first leaves the choice to the container.
pub(super) const PROGRAMS: [(&str, &str); 4] = [
    ("", "bash or sh"),
    ("bash", "bash"),
    ("sh", "sh"),
    ("zsh", "zsh"),
];

/// How a shell is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The terminal itself is being loaded.
    Loading,
    /// The connection is being made.
    Connecting,
    /// It can be typed into.
    Open,
    /// It is being connected anew.
    Waiting,
    /// It has ended.
    Closed,
}

impl Kind {
    fn read(word: &str) -> Self {
        match word {
            "open" => Self::Open,
            "waiting" => Self::Waiting,
            "closed" => Self::Closed,
            _ => Self::Connecting,
        }
    }
}

/// How a shell is doing, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct State {
    pub(super) kind: Kind,
    pub(super) words: String,
}

/// One shell.
#[derive(Clone, Copy)]
pub(super) struct Tab {
    pub(super) id: u64,
    pub(super) source: StoredValue<Source>,
    /// The address of its WebSocket.
    pub(super) path: StoredValue<String>,
    pub(super) state: RwSignal<State>,
    pub(super) terminal: StoredValue<Option<SendWrapper<runtime::Terminal>>>,
}

impl Tab {
    /// Does something with the terminal, if it is there.
    pub(super) fn with(self, task: impl FnOnce(&runtime::Terminal)) {
        self.terminal.try_with_value(|terminal| {
            if let Some(terminal) = terminal {
                task(terminal);
            }
        });
    }

    fn close(self) {
        if let Some(Some(terminal)) = self.terminal.try_update_value(Option::take) {
            terminal.take().close();
        }
    }
}

/// The shells of the page.
#[derive(Clone, Copy)]
pub(crate) struct Shells {
    detail: RwSignal<PreviewDetail>,
    pub(super) tabs: RwSignal<Vec<Tab>>,
    /// The id of the tab that is shown.
    pub(super) shown: RwSignal<Option<u64>>,
    /// Which program new shells run, as in [`PROGRAMS`].
    pub(super) program: RwSignal<String>,
    next: StoredValue<u64>,
    /// Signals of tabs live as long as the page, whoever opens them.
    owner: StoredValue<Option<Owner>>,
}

impl Shells {
    /// None open; unless the page's address asks for one, as in `?shell=pod/container`.
    pub(super) fn new(detail: RwSignal<PreviewDetail>) -> Self {
        let shells = Self {
            detail,
            tabs: RwSignal::new(Vec::new()),
            shown: RwSignal::new(None),
            program: RwSignal::new(String::new()),
            next: StoredValue::new(0),
            owner: StoredValue::new(Owner::current()),
        };
        let wanted =
            use_query_map().with_untracked(|query| query.get_str("shell").and_then(Source::read));
        Effect::new(move |_| {
            if let Some(source) = wanted.clone() {
                shells.open(source);
            }
        });
        on_cleanup(move || {
            let tabs = shells.tabs.try_get_untracked().unwrap_or_default();
            tabs.into_iter().for_each(Tab::close);
        });
        shells
    }

    /// Opens another shell, and shows it.
    pub(crate) fn open(self, source: Source) {
        let namespace = self.detail.with_untracked(|d| d.summary.namespace.clone());
        let program = self.program.get_untracked();
        let path = address(&namespace, &source, &program);
        let id = self.next.try_update_value(|next| {
            *next += 1;
            *next
        });
        let (Some(id), Some(owner)) = (id, self.owner.get_value()) else {
            return;
        };
        let tab = owner.with(|| Tab {
            id,
            source: StoredValue::new(source),
            path: StoredValue::new(path),
            state: RwSignal::new(State {
                kind: Kind::Loading,
                words: "Loading the terminal…".to_owned(),
            }),
            terminal: StoredValue::new(None),
        });
        self.tabs.update(|tabs| tabs.push(tab));
        self.shown.set(Some(id));
    }

    /// The tab that is shown.
    pub(super) fn current(self) -> Option<Tab> {
        let shown = self.shown.get();
        self.tabs
            .with(|tabs| tabs.iter().find(|tab| Some(tab.id) == shown).copied())
    }

    /// Closes the tab that is shown, and shows its neighbour.
    pub(super) fn close_current(self) {
        let Some(tab) = untrack(|| self.current()) else {
            return;
        };
        tab.close();
        let mut neighbour = None;
        self.tabs.update(|tabs| {
            let at = tabs.iter().position(|it| it.id == tab.id).unwrap_or(0);
            tabs.retain(|it| it.id != tab.id);
            neighbour = tabs.get(at).or(tabs.last()).map(|it| it.id);
        });
        self.shown.set(neighbour);
        // The keyboard does not fall back to the start of the page.
        match neighbour {
            Some(_) => live::focus("shell-close"),
            None => live::focus("main"),
        }
    }

    /// Shows the tab to the right or left, round and round.
    pub(super) fn step(self, back: bool) {
        let shown = self.shown.get_untracked();
        let next = self.tabs.with_untracked(|tabs| {
            let at = tabs.iter().position(|it| Some(it.id) == shown)?;
            let by = if back { tabs.len() - 1 } else { 1 };
            tabs.get((at + by) % tabs.len()).map(|it| it.id)
        });
        if let Some(id) = next {
            self.shown.set(Some(id));
            live::focus(&tab_id(id));
        }
    }
}

/// The id of a tab's element.
pub(super) fn tab_id(id: u64) -> String {
    format!("shell-tab-{id}")
}

/// The address of a shell's WebSocket.
fn address(namespace: &str, source: &Source, program: &str) -> String {
    let mut path = format!(
        "/api/ws/exec/{}/{}?container={}",
        format::encode(namespace),
        format::encode(&source.pod),
        format::encode(&source.container)
    );
    if !program.is_empty() {
        path.push_str(&format!("&shell={}", format::encode(program)));
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_names_the_container_and_a_program_only_where_one_was_chosen() {
        let source = Source {
            pod: "web-1".into(),
            container: "a&b".into(),
        };
        assert_eq!(
            address("acme-shop-preview-1", &source, ""),
            "/api/ws/exec/acme-shop-preview-1/web-1?container=a%26b"
        );
        assert!(address("n", &source, "zsh").ends_with("&shell=zsh"));
    }
}
