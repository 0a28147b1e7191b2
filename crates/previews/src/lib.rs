//! The use cases: everything that a person, an agent or GitHub can have done.
//!
//! Each is one function of [`Previews`] that takes an [`Actor`] where a person asks, checks what
//! they may, and returns a typed result. Webhook route, server functions, command line and agents
//! parse, call one of these, and translate: nothing more.
//!
//! What happens by itself happens in [`Previews::run`]:
//!
//! - `inbox` keeps deliveries and works them off, lane by lane; `decide` says what each means.
//!   All that a delivery changes is what the store wishes for.
//! - `work` brings the cluster in step with the wish, one preview at a time, with retries.
//! - `watch` takes what the cluster reports into the store and to everyone who looks (`live`);
//!   `announce` takes it to GitHub.
//! - `sweep` compares all three now and then, and has the differences seen to; `expiry` ends what
//!   was made for a time.
//! - `usage` asks the clusters what previews use.
//!
//! Each part reads the state it finds and goes on from there, so that a process may end anywhere
//! and another takes up what it left, and so that several may run at once.

#[macro_use]
mod steps;

mod act;
mod actor;
mod announce;
mod crew;
pub mod decide;
mod desired;
mod error;
mod expiry;
mod identity;
mod inbox;
mod keep;
mod lease;
mod live;
pub mod metrics;
mod mirror;
mod observe;
mod places;
mod projects;
mod queue;
mod read;
pub mod redact;
mod report;
mod request;
mod secrets;
pub mod settings;
pub mod shell;
mod sign_in;
mod sweep;
mod teams;
mod timeline;
mod tokens;
mod usage;
mod watch;
mod work;

use std::sync::Arc;

use catalyst_cluster::{Clusters, chain};
use catalyst_github::GitHub;
use catalyst_model::views::PreviewSummary;
use catalyst_store::{Preview, Store};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub use act::NewManualPreview;
pub use actor::{ActingToken, Actor, LOCAL_LOGIN};
pub use catalyst_cluster::{LogLine, ServiceAccountName};
pub use catalyst_crd::Preset;
pub use error::{Cause, Error, ErrorKind};
pub use identity::Refusal;
pub use inbox::{IncomingDelivery, Receipt};
pub use projects::NewProject;
pub use read::LogStream;
pub use redact::Redactor;
pub use request::for_request;
pub use secrets::{InvalidKey, Keyring, SecretToWrite, UnusableSecrets};
pub use settings::PreviewSettings;
pub use shell::{Shell, ShellEnd, ShellLimits, ShellRequest, ShellTicket};
pub use tokens::{LONGEST_TOKEN_DAYS, NewToken};

/// `component` of every log event about the life of a preview.
const COMPONENT: &str = "preview-environments";

/// The use cases. Cheap to clone: clones are the same one.
#[derive(Clone, Debug)]
pub struct Previews {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    places: places::Places,
    github: Option<GitHub>,
    settings: PreviewSettings,
    /// Names this process in the store's leases.
    process: String,
    /// The generation of each Project that was taken over last.
    generations: projects::Generations,
    live: live::Live,
    /// Previews of which the cluster has told something.
    news: queue::Queue,
    /// Projects of which the cluster has told something.
    projects: queue::Queue,
    /// Previews of which GitHub is to be told.
    announcements: queue::Queue,
    announced: announce::Announced,
    /// A delivery was stored.
    delivered: Notify,
    /// Work was asked for.
    work_due: Notify,
    /// The shells that are open.
    shells: shell::OpenShells,
    /// It was decided until when a preview is kept.
    expiries: Notify,
    /// What previews use.
    usage: Arc<usage::Usage>,
    /// The process ends: streams end too.
    stopping: CancellationToken,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inner")
            .field("places", &self.places)
            .field("process", &self.process)
            .finish_non_exhaustive()
    }
}

impl Previews {
    /// The use cases over a store and the clusters that previews may live in. Without `github`
    /// nothing is announced, and events are taken as they come. Nothing runs until
    /// [`Previews::run`].
    #[must_use]
    pub fn new(
        store: Store,
        clusters: impl Into<Clusters>,
        github: Option<GitHub>,
        settings: PreviewSettings,
    ) -> Self {
        let places = places::Places::new(clusters.into(), settings.workers);
        Self {
            inner: Arc::new(Inner {
                store,
                places,
                github,
                settings,
                process: Uuid::new_v4().to_string(),
                generations: projects::Generations::default(),
                live: live::Live::new(),
                news: queue::Queue::default(),
                projects: queue::Queue::default(),
                announcements: queue::Queue::default(),
                announced: announce::Announced::default(),
                delivered: Notify::new(),
                work_due: Notify::new(),
                shells: shell::OpenShells::default(),
                expiries: Notify::new(),
                usage: Arc::default(),
                stopping: CancellationToken::new(),
            }),
        }
    }

    /// Works off deliveries, keeps the cluster in step, follows Environments and Projects,
    /// announces, cleans up and sweeps; until `shutdown`. Then what is in hand is ended, streams
    /// end, and it returns: within about 10 s. To be called once.
    pub async fn run(&self, shutdown: CancellationToken) {
        if self.inner.settings.alone
            && let Err(e) = self.inner.store.end_all_claims().await
        {
            // They run out by themselves.
            let error = self.redacted_chain(&e);
            tracing::warn!(error, "claims of an earlier process could not be ended");
        }
        let ending = async {
            shutdown.cancelled().await;
            self.inner.stopping.cancel();
            // So that the audit log says of each that it was closed.
            let closed = self.inner.shells.all_closed();
            let _ = tokio::time::timeout(shell::FAREWELL, closed).await;
        };
        tokio::join!(
            ending,
            self.work_inbox(shutdown.clone()),
            self.work(shutdown.clone()),
            self.watch(shutdown.clone()),
            self.announce(shutdown.clone()),
            self.keep_logs(shutdown.clone()),
            self.sweep_regularly(shutdown.clone()),
            self.measure_usage(shutdown.clone()),
        );
    }

    /// Tells everyone who looks what a preview's row says now, if that is news.
    fn changed(&self, preview: &Preview) {
        if self.inner.live.publish(self.kept(preview)) && preview.number.is_some() {
            self.announce_soon(&preview.id);
        }
    }

    /// The row of the list, but for what the preview uses.
    fn kept(&self, preview: &Preview) -> PreviewSummary {
        let expiry = expiry::expiry(preview, &self.inner.settings);
        PreviewSummary {
            expires_at: expiry.map(|it| it.at),
            expiry_warning_at: expiry.map(|it| it.warning_at),
            ..preview.summary()
        }
    }

    /// The row of the list.
    fn summary(&self, preview: &Preview) -> PreviewSummary {
        self.with_usage(self.kept(preview))
    }

    /// A row with what the preview uses at the moment.
    fn with_usage(&self, summary: PreviewSummary) -> PreviewSummary {
        let usage = match summary.deleted_at {
            None => self.inner.usage.of(&summary.namespace),
            Some(_) => None,
        };
        PreviewSummary { usage, ..summary }
    }

    /// An error with all its sources, as it may be shown.
    fn redacted_chain(&self, error: &(dyn std::error::Error + 'static)) -> String {
        let text = chain(error);
        self.inner.settings.redactor.redact(&text).into_owned()
    }
}
