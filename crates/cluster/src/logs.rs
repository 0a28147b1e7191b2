//! Log lines of a container, as a stream.

use std::pin::Pin;

use catalyst_model::views::{ContainerView, LogQuery, PodView};
use chrono::{DateTime, Utc};
use futures::{AsyncBufReadExt, AsyncReadExt, Stream, StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, api::LogParams};
use serde::{Deserialize, Serialize};

use crate::{Cluster, ClusterError, ConnectionError};

/// The most lines that one query reads from the end.
pub const MAX_TAIL: u32 = 100_000;

/// Lines that are looked through for the end of a log.
const ENDING: i64 = 50_000;

/// One line of a log, without its line end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// When the container wrote it, where timestamps were asked for.
    pub at: Option<DateTime<Utc>>,
    /// The line; bytes that are not UTF-8 are replaced.
    pub text: String,
}

/// Lines as they come. Ends when the container does, or with the first error.
pub type LogStream = Pin<Box<dyn Stream<Item = Result<LogLine, ClusterError>> + Send>>;

impl Cluster {
    /// Reads the log that `query` picks: of its pod, or the namespace's newest; of its container,
    /// or the one that a person would look at first.
    ///
    /// # Errors
    /// What the API server answers; [`ClusterError::is_not_found`] if there is no such pod or
    /// container.
    pub async fn logs(&self, namespace: &str, query: &LogQuery) -> Result<LogStream, ClusterError> {
        let pods = self.pods(namespace).await?;
        let missing = || {
            let on = match &query.pod {
                Some(pod) => format!("pod {namespace}/{pod}"),
                None => format!("pods in namespace {namespace}"),
            };
            ClusterError::not_found(self.attempt("read logs of", on))
        };
        let pod = match &query.pod {
            Some(name) => pods.iter().find(|p| &p.name == name),
            None => pods.first(),
        }
        .ok_or_else(missing)?;
        let container = match &query.container {
            Some(name) => pod.containers.iter().find(|c| &c.name == name),
            None => interesting(pod),
        }
        .ok_or_else(missing)?;

        let params = LogParams {
            container: Some(container.name.clone()),
            follow: query.follow,
            previous: query.previous,
            tail_lines: Some(i64::from(query.tail_lines.min(MAX_TAIL))),
            since_seconds: query.since_seconds.map(|seconds| i64::from(seconds.max(1))),
            timestamps: query.timestamps,
            ..LogParams::default()
        };
        self.container_log(namespace, &pod.name, &params).await
    }

    /// One container's log.
    pub(crate) async fn container_log(
        &self,
        namespace: &str,
        pod: &str,
        params: &LogParams,
    ) -> Result<LogStream, ClusterError> {
        let container = params.container.as_deref().unwrap_or_default();
        let on = format!("container {namespace}/{pod}/{container}");
        let attempt = self.attempt("read logs of", on);
        let api: Api<Pod> = Api::namespaced(self.client(), namespace);
        let reader = api
            .log_stream(pod, params)
            .await
            .map_err(|e| ClusterError::new(attempt.clone(), e))?;
        Ok(lines(reader, params.timestamps)
            .map_err(move |source| {
                let attempt = attempt.clone();
                ConnectionError::BrokenOff { attempt, source }.into()
            })
            .boxed())
    }
}

/// The end of a log, each line with its time before it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogEnd {
    /// Whole lines.
    pub text: Vec<u8>,
    /// Whether there was more before them.
    pub cut: bool,
}

impl Cluster {
    /// Reads a container's log until the container ends, or for as long as `patience` lasts, and
    /// keeps its last `most` bytes. What was read when the stream breaks off is kept too: a pod
    /// that goes takes its log along.
    ///
    /// # Errors
    /// Where the log cannot be opened: it never ran, or is gone already.
    pub async fn log_end(
        &self,
        namespace: &str,
        pod: &str,
        container: &str,
        most: usize,
        patience: std::time::Duration,
    ) -> Result<LogEnd, ClusterError> {
        let params = LogParams {
            container: Some(container.to_owned()),
            follow: true,
            tail_lines: Some(ENDING),
            timestamps: true,
            ..LogParams::default()
        };
        let api: Api<Pod> = Api::namespaced(self.client(), namespace);
        let on = format!("container {namespace}/{pod}/{container}");
        let reader = api.log_stream(pod, &params).await;
        let reader = reader.map_err(|e| self.failed("read logs of", on, e))?;
        let mut reader = std::pin::pin!(reader);
        let mut end = LogEnd::default();
        let reading = async {
            let mut buffer = vec![0; 64 * 1024];
            while let Ok(read @ 1..) = reader.read(&mut buffer).await {
                end.text.extend_from_slice(&buffer[..read]);
                if end.text.len() > 2 * most {
                    end.shorten(most);
                }
            }
        };
        let _ = tokio::time::timeout(patience, reading).await;
        end.shorten(most);
        Ok(end)
    }
}

impl LogEnd {
    /// Leaves the whole lines of the last `most` bytes.
    fn shorten(&mut self, most: usize) {
        let Some(surplus) = self.text.len().checked_sub(most).filter(|it| *it > 0) else {
            return;
        };
        let line = self.text[surplus..].iter().position(|&byte| byte == b'\n');
        self.text
            .drain(..line.map_or(surplus, |at| surplus + at + 1));
        self.cut = true;
    }
}

/// The container that explains the pod's state: one that failed, else the newest that runs.
fn interesting(pod: &PodView) -> Option<&ContainerView> {
    let failed = |c: &&ContainerView| c.exit_code.is_some_and(|code| code != 0) || c.restarts > 0;
    let active = |c: &&ContainerView| c.state == "running";
    pod.containers
        .iter()
        .find(failed)
        .or_else(|| pod.containers.iter().rev().find(active))
        .or_else(|| {
            pod.containers
                .iter()
                .rev()
                .find(|c| c.state == "terminated")
        })
        .or_else(|| pod.containers.last())
}

fn lines(
    reader: impl futures::AsyncBufRead + Send + 'static,
    timestamps: bool,
) -> impl Stream<Item = Result<LogLine, std::io::Error>> + Send {
    futures::stream::try_unfold(Box::pin(reader), move |mut reader| async move {
        let mut line = Vec::new();
        if reader.read_until(b'\n', &mut line).await? == 0 {
            return Ok(None);
        }
        while matches!(line.last(), Some(b'\n' | b'\r')) {
            line.pop();
        }
        Ok(Some((
            parse(&String::from_utf8_lossy(&line), timestamps),
            reader,
        )))
    })
}

/// A line with its time before it, as the API server writes them; or without one.
#[must_use]
pub fn stamped(line: &str) -> LogLine {
    parse(line, true)
}

fn parse(line: &str, timestamps: bool) -> LogLine {
    let stamped = line
        .split_once(' ')
        .filter(|_| timestamps)
        .and_then(|(at, text)| {
            let at = DateTime::parse_from_rfc3339(at).ok()?;
            Some(LogLine {
                at: Some(at.with_timezone(&Utc)),
                text: text.to_owned(),
            })
        });
    stamped.unwrap_or_else(|| LogLine {
        at: None,
        text: line.to_owned(),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_log_is_read_line_by_line_with_its_times() {
        let text = "2026-01-02T03:04:05.678901234Z hello  world\r\nno time\nlast";
        let read: Vec<LogLine> = lines(futures::io::Cursor::new(text), true)
            .map(Result::unwrap)
            .collect()
            .await;
        assert_eq!(read[0].text, "hello  world");
        assert_eq!(
            read[0].at.unwrap().to_rfc3339(),
            "2026-01-02T03:04:05.678901234+00:00"
        );
        assert_eq!((read[1].at, read[1].text.as_str()), (None, "no time"));
        assert_eq!(read[2].text, "last");
    }

    #[test]
    fn of_a_long_log_the_last_whole_lines_are_kept() {
        let mut end = LogEnd {
            text: b"first\nsecond\nthird\n".to_vec(),
            ..LogEnd::default()
        };
        end.shorten(100);
        assert!(!end.cut);
        end.shorten(10);
        assert_eq!((end.text.as_slice(), end.cut), (&b"third\n"[..], true));
    }

    #[test]
    fn the_container_that_failed_is_looked_at_first() {
        let container = |name: &str, state: &str, exit_code| ContainerView {
            name: name.to_owned(),
            init: false,
            image: String::new(),
            state: state.to_owned(),
            reason: None,
            exit_code,
            restarts: 0,
            ready: false,
        };
        let pod = |containers| PodView {
            used: None,
            name: "web".to_owned(),
            status: String::new(),
            commit: None,
            created_at: None,
            job: None,
            node: None,
            ips: Vec::new(),
            containers,
        };
        let failed = pod(vec![
            container("git-clone", "terminated", Some(0)),
            container("install", "terminated", Some(1)),
            container("app", "waiting", None),
        ]);
        assert_eq!(interesting(&failed).unwrap().name, "install");
        let cloning = pod(vec![
            container("git-clone", "running", None),
            container("app", "waiting", None),
        ]);
        assert_eq!(interesting(&cloning).unwrap().name, "git-clone");
    }
}
