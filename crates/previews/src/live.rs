//! News about previews, to everyone who looks at them right now.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use catalyst_model::views::PreviewSummary;
use tokio::sync::broadcast;

/// How many pieces of news a reader may be behind before it is told to load everything anew.
const BEHIND: usize = 1024;

/// A piece of news.
#[derive(Debug, Clone)]
pub(crate) enum News {
    /// Something that the row shows has changed, or the row is new.
    Changed(Arc<PreviewSummary>),
    /// It has left the list.
    Removed {
        /// The preview's id.
        id: String,
        /// The team that it belongs to.
        team: String,
    },
    /// Something that its page shows has changed, but nothing that its row shows.
    Touched {
        /// The preview's id.
        id: String,
    },
    /// What previews use was measured.
    Measured(crate::usage::News),
    /// Something that every list shows has changed.
    Reload,
}

impl News {
    pub fn is_about(&self, preview: &str) -> bool {
        match self {
            Self::Changed(summary) => summary.id == preview,
            Self::Removed { id, .. } | Self::Touched { id } => id == preview,
            Self::Measured(_) | Self::Reload => false,
        }
    }
}

/// Sends news on; knows what it sent last, so that nothing is news twice.
#[derive(Debug)]
pub(crate) struct Live {
    sender: broadcast::Sender<News>,
    last: Mutex<HashMap<String, Arc<PreviewSummary>>>,
}

impl Live {
    pub fn new() -> Self {
        Self {
            sender: broadcast::channel(BEHIND).0,
            last: Mutex::default(),
        }
    }

    pub fn subscribe(&self) -> broadcast::Receiver<News> {
        self.sender.subscribe()
    }

    /// Tells what a preview's row says now. True if that is news.
    pub fn publish(&self, summary: PreviewSummary) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let news = if summary.deleted_at.is_some() {
            last.remove(&summary.id);
            News::Removed {
                id: summary.id,
                team: summary.team,
            }
        } else {
            // Two tasks may read a row and publish it in another order.
            let old =
                |it: &Arc<PreviewSummary>| **it == summary || it.updated_at > summary.updated_at;
            if last.get(&summary.id).is_some_and(old) {
                return false;
            }
            let summary = Arc::new(summary);
            last.insert(summary.id.clone(), summary.clone());
            News::Changed(summary)
        };
        // Sent under the lock: news about one preview keep their order. Nobody listening is fine.
        let _ = self.sender.send(news);
        true
    }

    /// Tells what previews use.
    pub fn measured(&self, news: crate::usage::News) {
        if !news.is_empty() {
            let _ = self.sender.send(News::Measured(news));
        }
    }

    /// Has every list loaded anew.
    pub fn reload(&self) {
        let _ = self.sender.send(News::Reload);
    }

    /// Tells that something on a preview's page has changed.
    pub fn touch(&self, id: &str) {
        let _ = self.sender.send(News::Touched { id: id.to_owned() });
    }
}
