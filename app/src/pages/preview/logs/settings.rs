//! Which lines are read and how they are shown: from the address at first, then from the panel's
//! own controls.

use std::fmt;

use catalyst_model::{
    state::PreviewStatus,
    views::{ContainerView, KeptLogView, LogQuery, PreviewDetail},
};
use leptos::prelude::*;
use leptos_router::{hooks::use_query_map, params::ParamsMap};

use crate::{format, live};

/// How many lines one may choose to see.
pub(super) const TAILS: [u32; 6] = [100, 500, 1000, 5000, 10_000, 100_000];

/// How far back one may choose to look, in seconds; 0 is all of it.
pub(super) const SINCE: [(u32, &str); 5] = [
    (0, "Any time"),
    (300, "Last 5 minutes"),
    (3600, "Last hour"),
    (86_400, "Last 24 hours"),
    (604_800, "Last 7 days"),
];

/// A container of a pod, as `pod/container`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) pod: String,
    pub(crate) container: String,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.pod, self.container)
    }
}

impl Source {
    /// Reads `pod/container`; none for anything else.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let (pod, container) = text.split_once('/')?;
        (!pod.is_empty() && !container.is_empty()).then(|| Self {
            pod: pod.to_owned(),
            container: container.to_owned(),
        })
    }
}

/// The panel's settings.
#[derive(Clone, Copy)]
pub(crate) struct LogSettings {
    /// None: the container that matters most at the moment.
    pub(super) source: RwSignal<Option<Source>>,
    pub(super) tail: RwSignal<u32>,
    /// Seconds, as in [`SINCE`].
    pub(super) since: RwSignal<u32>,
    pub(super) timestamps: RwSignal<bool>,
    pub(super) follow: RwSignal<bool>,
    pub(super) previous: RwSignal<bool>,
    pub(super) wrap: RwSignal<bool>,
}

impl LogSettings {
    /// The settings that the page's address asks for.
    pub(crate) fn of_address() -> Self {
        use_query_map().with_untracked(Self::read)
    }

    fn read(params: &ParamsMap) -> Self {
        let has = |name: &str| params.get_str(name).is_some();
        let tail = params.get_str("tail").and_then(|tail| tail.parse().ok());
        let since = params.get_str("since").and_then(|since| since.parse().ok());
        let since = since.filter(|since| SINCE.iter().any(|(known, _)| known == since));
        // A form leaves out what is not ticked; this says that one was sent.
        let sent = has("chosen");
        Self {
            source: RwSignal::new(params.get_str("source").and_then(Source::read)),
            tail: RwSignal::new(tail.filter(|tail| TAILS.contains(tail)).unwrap_or(500)),
            since: RwSignal::new(since.unwrap_or(0)),
            timestamps: RwSignal::new(!sent || has("timestamps")),
            follow: RwSignal::new(true),
            previous: RwSignal::new(has("previous")),
            wrap: RwSignal::new(!sent || has("wrap")),
        }
    }

    /// Shows a container's lines, and brings them into view.
    pub(crate) fn show(self, source: Source) {
        self.previous.set(false);
        self.source.set(Some(source));
        live::focus("logs");
        if let Some(panel) = document().get_element_by_id("logs") {
            panel.scroll_into_view();
        }
    }

    /// What the server is asked for: the lines of the chosen container, else of ours to choose.
    pub(crate) fn query(self, preview: &PreviewDetail) -> LogQuery {
        let source = self
            .source
            .get()
            .or_else(|| automatic(preview).map(|(source, _)| source));
        LogQuery {
            pod: source.as_ref().map(|source| source.pod.clone()),
            container: source.map(|source| source.container),
            tail_lines: self.tail.get(),
            since_seconds: Some(self.since.get()).filter(|seconds| *seconds > 0),
            // Whether times are shown is a matter of style alone.
            timestamps: true,
            follow: self.follow.get(),
            previous: self.previous.get(),
        }
    }
}

/// The address at which the server gives a preview's lines.
pub(super) fn address(id: &str, query: &LogQuery) -> String {
    let mut url = format!(
        "/api/preview-environments/{}/logs?tailLines={}&timestamps={}",
        format::encode(id),
        query.tail_lines,
        query.timestamps
    );
    let given = [("pod", &query.pod), ("container", &query.container)];
    for (name, value) in given {
        if let Some(value) = value {
            url.push_str(&format!("&{name}={}", format::encode(value)));
        }
    }
    if let Some(seconds) = query.since_seconds {
        url.push_str(&format!("&sinceSeconds={seconds}"));
    }
    for (name, on) in [("follow", query.follow), ("previous", query.previous)] {
        if on {
            url.push_str(&format!("&{name}=true"));
        }
    }
    url
}

/// The container that matters most, and how often it was started again: of a preview that failed
/// the one that failed, else the one that runs, else the one that ran last.
pub(crate) fn automatic(preview: &PreviewDetail) -> Option<(Source, u32)> {
    let of_pod = |wanted: fn(&ContainerView) -> bool| {
        preview.pods.iter().find_map(|pod| {
            let found = pod
                .containers
                .iter()
                .rev()
                .find(|container| wanted(container))?;
            let source = Source {
                pod: pod.name.clone(),
                container: found.name.clone(),
            };
            Some((source, found.restarts))
        })
    };
    if preview.pods.is_empty() {
        return kept(preview).map(|source| (source, 0));
    }
    let broken = preview.summary.status == PreviewStatus::Failed;
    let failed = || of_pod(failed);
    let begun = || of_pod(has_begun);
    let running = || {
        of_pod(|container| container.state == "running" && !container.init)
            .or_else(|| of_pod(|container| container.state == "running"))
    };
    match broken {
        true => failed().or_else(running).or_else(begun),
        false => running().or_else(failed).or_else(begun),
    }
}

/// Of the logs that are kept of what is gone, the newest of the project's own containers, else
/// the newest.
fn kept(preview: &PreviewDetail) -> Option<Source> {
    let own = |log: &&KeptLogView| !log.init && log.job.is_none();
    let logs = &preview.kept_logs;
    let log = logs.iter().find(own).or_else(|| logs.first())?;
    Some(Source {
        pod: log.pod.clone(),
        container: log.container.clone(),
    })
}

/// Whether it has run at all, and so has a log.
pub(crate) fn has_begun(container: &ContainerView) -> bool {
    container.state != "waiting" || container.restarts > 0
}

/// Whether its last run ended badly.
fn failed(container: &ContainerView) -> bool {
    match container.state.as_str() {
        "terminated" => container.exit_code != Some(0),
        "waiting" => container.restarts > 0,
        _ => false,
    }
}

/// Whether there is a log of a container, and how often that was started again.
pub(super) fn begun(preview: &PreviewDetail, source: &Source) -> Option<u32> {
    let Some(pod) = preview.pods.iter().find(|pod| pod.name == source.pod) else {
        let is_it = |log: &&KeptLogView| log.pod == source.pod && log.container == source.container;
        return preview.kept_logs.iter().find(is_it).map(|_| 0);
    };
    let container = pod.containers.iter().find(|c| c.name == source.container)?;
    has_begun(container).then_some(container.restarts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;

    #[test]
    fn the_address_names_what_was_chosen_and_nothing_else() {
        let query = LogQuery {
            pod: Some("web-1".into()),
            container: Some("a&b".into()),
            follow: true,
            ..LogQuery::default()
        };
        assert_eq!(
            address("x y", &query),
            "/api/preview-environments/x%20y/logs?tailLines=100&timestamps=true\
             &pod=web-1&container=a%26b&follow=true"
        );
    }

    #[test]
    fn of_a_pod_that_failed_in_an_init_container_that_one_is_shown() {
        let detail = fixtures::failed_detail();
        let (source, _) = automatic(&detail).unwrap_or_else(|| {
            (
                Source {
                    pod: String::new(),
                    container: String::new(),
                },
                0,
            )
        });
        assert_eq!(source.container, "migrate");
        assert_eq!(
            begun(
                &detail,
                &Source {
                    container: "app".into(),
                    ..source
                }
            ),
            None
        );
    }

    #[test]
    fn of_a_preview_that_is_gone_what_its_own_container_said_last_is_shown() {
        let mut detail = fixtures::ready_detail();
        detail.pods.clear();
        assert_eq!(automatic(&detail), None);
        let kept = |container: &str, init, job: Option<&str>| KeptLogView {
            pod: "web-1".into(),
            container: container.into(),
            init,
            job: job.map(Into::into),
            commit: None,
            kept_at: detail.summary.created_at,
            size: 10,
            cut: false,
        };
        detail.kept_logs = vec![
            kept("inspect", false, Some("inspect")),
            kept("git-clone", true, None),
            kept("app", false, None),
        ];
        let chosen = automatic(&detail).map(|(source, _)| source.container);
        assert_eq!(chosen.as_deref(), Some("app"));
        let gone = Source {
            pod: "web-1".into(),
            container: "git-clone".into(),
        };
        assert_eq!(begun(&detail, &gone), Some(0));
    }

    #[test]
    fn a_source_is_a_pod_and_a_container() {
        assert_eq!(
            Source::read("web-1/app").map(|s| s.to_string()).as_deref(),
            Some("web-1/app")
        );
        for bad in ["", "web", "/app", "web/"] {
            assert_eq!(Source::read(bad), None);
        }
    }
}
