//! What a preview's containers wrote.

use std::pin::Pin;

use catalyst_cluster::LogLine;
use catalyst_model::views::LogQuery;
use catalyst_store::Preview;
use futures::{Stream, StreamExt};

use crate::Previews;
use crate::actor::Actor;
use crate::error::Error;

/// Lines as they come. Ends when the container's output ends or, without `follow`, was read; and
/// when the process ends.
pub type LogStream = Pin<Box<dyn Stream<Item = Result<LogLine, Error>> + Send + 'static>>;

impl Previews {
    /// A container's output, with Catalyst's own secrets taken out of it. Of a container that is
    /// gone, what was kept of it.
    ///
    /// # Errors
    /// `NotFound` for unknown and foreign ids, and where there is no such pod or container (yet).
    pub async fn logs(
        &self,
        actor: &Actor,
        id: &str,
        query: &LogQuery,
    ) -> Result<LogStream, Error> {
        let preview = self.find(actor, id).await?;
        let missing = || Error::NotFound {
            what: "log of preview",
            id: preview.namespace.clone(),
        };
        let read = match preview.deleted_at {
            Some(_) => None,
            None => Some(self.inner.cluster.logs(&preview.namespace, query).await),
        };
        let lines = match read.transpose() {
            Ok(Some(lines)) => lines,
            Ok(None) => return self.kept_log(&preview, query).await?.ok_or_else(missing),
            Err(e) if e.is_not_found() => {
                return self.kept_log(&preview, query).await?.ok_or_else(missing);
            }
            Err(e) => {
                let action = format!("cannot read the logs of {}", preview.namespace);
                return Err(Error::unavailable(action, e));
            }
        };
        let redactor = self.inner.settings.redactor.clone();
        let lines = lines.map(move |line| match line {
            Ok(line) => Ok(LogLine {
                text: redactor.redact(&line.text).into_owned(),
                ..line
            }),
            Err(e) => Err(Error::unavailable("the log broke off", e)),
        });
        let stopping = self.inner.stopping.clone();
        Ok(lines.take_until(stopping.cancelled_owned()).boxed())
    }

    /// What was kept of a log that is gone.
    async fn kept_log(
        &self,
        preview: &Preview,
        query: &LogQuery,
    ) -> Result<Option<LogStream>, Error> {
        let lines = self.kept_lines(preview, query).await?;
        Ok(lines.map(|lines| futures::stream::iter(lines.into_iter().map(Ok)).boxed()))
    }
}
