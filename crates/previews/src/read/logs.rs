//! What a preview's containers wrote.

use std::pin::Pin;

use catalyst_cluster::LogLine;
use catalyst_model::views::LogQuery;
use catalyst_store::Preview;
use futures::{Stream, StreamExt};

use crate::Previews;
use crate::actor::Actor;
use crate::error::{Cause, Error};

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
        if preview.deleted_at.is_some() {
            return self.kept_log(&preview, query).await?.ok_or_else(missing);
        }
        let unavailable = |e: Cause| {
            let action = format!("cannot read the logs of {}", preview.namespace);
            Error::unavailable(action, e)
        };
        let place = self.inner.places.of(&preview);
        let place = place.map_err(|e| unavailable(e.into()))?;
        if let Some(silence) = place.silence() {
            return Err(unavailable(silence.into()));
        }
        let lines = match place.cluster.logs(&preview.namespace, query).await {
            Ok(lines) => lines,
            Err(e) if e.is_not_found() => {
                return self.kept_log(&preview, query).await?.ok_or_else(missing);
            }
            Err(e) => return Err(unavailable(e.into())),
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
