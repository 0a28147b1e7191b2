//! The GitHub client: whose authority a call is made with, and what can be asked.

mod comments;
mod pulls;
mod statuses;
mod tokens;
mod users;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use catalyst_model::ids::RepositoryName;
use octocrab::{Octocrab, models::AppId, service::middleware::retry::RetryConfig};
use secrecy::SecretString;
use serde::Deserialize;
use tokio::sync::OnceCell;
use url::Url;

pub use comments::Upserted;
pub use statuses::{CommitState, CommitStatus, DeploymentState, DeploymentStatus, STATUS_CONTEXT};
pub use users::Account;
pub(crate) use users::Told;

use crate::{
    credentials::Credentials,
    error::{Cause, Error},
    transport::{Answer, Call, Connection, Transport},
};

/// How to call GitHub.
#[derive(Debug, Clone)]
pub struct Settings {
    /// GITHUB_API_URL. GitHub Enterprise Server has it at `https://HOST/api/v3`.
    pub api_url: Url,
    /// How long one try of a call may last, its answer included.
    pub timeout: Duration,
    /// How long a call may wait for GitHub's rate limits. Where they ask for more, it fails at
    /// once with [`Cause::RateLimited`].
    pub longest_wait: Duration,
    /// The pause before the second try of a call that failed for a reason that may pass; doubled
    /// before the third, which is the last.
    pub first_pause: Duration,
}

impl Settings {
    /// The settings for an API at this address.
    #[must_use]
    pub fn new(api_url: Url) -> Self {
        Self {
            api_url,
            timeout: Duration::from_secs(10),
            longest_wait: Duration::from_secs(30),
            first_pause: Duration::from_millis(500),
        }
    }
}

/// GitHub's REST API. Cheap to clone: clones share tokens and limits.
///
/// Every call waits its turn within GitHub's rate limits ([`Settings::longest_wait`]), is tried
/// at most three times, and each try ends after [`Settings::timeout`]. With an App, the
/// installation that can reach a repository is found and its token fetched as needed.
#[derive(Clone)]
pub struct GitHub {
    inner: Arc<Inner>,
}

struct Inner {
    transport: Transport,
    authority: Authority,
    login: OnceCell<String>,
}

enum Authority {
    Token(Arc<Connection>, SecretString),
    App {
        app: Connection,
        /// The installation of each repository, by [`RepositoryName::key`].
        installations: Mutex<HashMap<String, Arc<OnceCell<u64>>>>,
        connections: Mutex<HashMap<u64, Arc<Connection>>>,
    },
}

/// The connection for a repository, and the installation it belongs to.
struct Reach {
    connection: Arc<Connection>,
    installation: Option<u64>,
    /// Whether the installation was known from before, and so may be out of date.
    remembered: bool,
}

impl GitHub {
    /// Sets up the client. Calls nothing yet. Must run within a Tokio runtime.
    ///
    /// # Errors
    /// When the HTTP client cannot be set up, as on a machine without root certificates.
    pub fn new(credentials: Credentials, settings: Settings) -> Result<Self, Error> {
        let api_url = settings.api_url.to_string();
        let failed = |error| Error {
            attempted: format!("set up the client for GitHub at {api_url}"),
            cause: Cause::Client(Box::new(error)),
        };
        let builder = Octocrab::builder()
            .base_uri(api_url.trim_end_matches('/'))
            .map_err(failed)?
            .set_connect_timeout(Some(settings.timeout))
            // Octocrab's own retries know neither pauses nor which calls may be repeated.
            .add_retry_config(RetryConfig::None);
        let authority = match credentials {
            Credentials::Token(token) => {
                let octocrab = builder.personal_token(token.clone());
                let octocrab = octocrab.build().map_err(failed)?;
                Authority::Token(Arc::new(Connection::new(octocrab)), token)
            }
            Credentials::App { id, key } => Authority::App {
                app: Connection::new(builder.app(AppId(id), key).build().map_err(failed)?),
                installations: Mutex::default(),
                connections: Mutex::default(),
            },
        };
        Ok(Self {
            inner: Arc::new(Inner {
                transport: Transport::new(settings),
                authority,
                login: OnceCell::new(),
            }),
        })
    }

    /// The login that our comments bear: of the App's bot, or of the token's owner. Asked once.
    ///
    /// # Errors
    /// When GitHub cannot be asked.
    pub async fn login(&self) -> Result<&str, Error> {
        let login = self.inner.login.get_or_try_init(|| async {
            let attempted = "ask GitHub who we are".to_owned();
            match &self.inner.authority {
                Authority::Token(connection, _) => {
                    #[derive(Deserialize)]
                    struct User {
                        login: String,
                    }
                    let call = Call::get("/user".into(), attempted);
                    let answer = self.inner.transport.send(connection, &call).await?;
                    Ok(answer.read::<User>(&call)?.login)
                }
                Authority::App { app, .. } => {
                    #[derive(Deserialize)]
                    struct App {
                        slug: String,
                    }
                    let call = Call::get("/app".into(), attempted);
                    let answer = self.inner.transport.send(app, &call).await?;
                    Ok(format!("{}[bot]", answer.read::<App>(&call)?.slug))
                }
            }
        });
        Ok(login.await?.as_str())
    }

    /// Makes a call about a repository with the authority that reaches it.
    async fn send(&self, repository: &RepositoryName, call: &Call) -> Result<Answer, Error> {
        let reach = self.reach(repository).await?;
        let transport = &self.inner.transport;
        let outcome = transport.send(&reach.connection, call).await;
        match outcome {
            // The App may have been installed anew, under another id.
            Err(error) if error.is_not_found() && reach.remembered => {
                self.forget(repository);
                let now = self.reach(repository).await?;
                if now.installation == reach.installation {
                    return Err(error);
                }
                transport.send(&now.connection, call).await
            }
            outcome => outcome,
        }
    }

    async fn reach(&self, repository: &RepositoryName) -> Result<Reach, Error> {
        let (app, installations, connections) = match &self.inner.authority {
            Authority::Token(connection, _) => {
                return Ok(Reach {
                    connection: connection.clone(),
                    installation: None,
                    remembered: false,
                });
            }
            Authority::App {
                app,
                installations,
                connections,
            } => (app, installations, connections),
        };
        let (id, remembered) = self.installed(app, installations, repository).await?;
        let mut connections = locked(connections);
        let connection = match connections.get(&id) {
            Some(connection) => connection.clone(),
            None => {
                let octocrab = app.octocrab().installation(id.into());
                let octocrab = octocrab.map_err(|error| Error {
                    attempted: format!("act as installation {id} of the GitHub App"),
                    cause: Cause::Client(Box::new(error)),
                })?;
                let connection = Arc::new(Connection::of_installation(octocrab));
                connections.insert(id, connection.clone());
                connection
            }
        };
        Ok(Reach {
            connection,
            installation: Some(id),
            remembered,
        })
    }

    /// The installation that reaches a repository, and whether that was known from before.
    async fn installed(
        &self,
        app: &Connection,
        installations: &Mutex<HashMap<String, Arc<OnceCell<u64>>>>,
        repository: &RepositoryName,
    ) -> Result<(u64, bool), Error> {
        let cell = locked(installations)
            .entry(repository.key())
            .or_default()
            .clone();
        let remembered = cell.initialized();
        let id = cell.get_or_try_init(|| self.find_installation(app, repository));
        Ok((*id.await?, remembered))
    }

    async fn find_installation(
        &self,
        app: &Connection,
        repository: &RepositoryName,
    ) -> Result<u64, Error> {
        #[derive(Deserialize)]
        struct Installation {
            id: u64,
        }
        let call = Call::get(
            format!("/repos/{repository}/installation"),
            format!("find the GitHub App's installation on {repository}"),
        );
        match self.inner.transport.send(app, &call).await {
            Ok(answer) => Ok(answer.read::<Installation>(&call)?.id),
            Err(error) if error.is_not_found() => Err(Error {
                cause: Cause::NotInstalled(repository.clone()),
                ..error
            }),
            Err(error) => Err(error),
        }
    }

    fn forget(&self, repository: &RepositoryName) {
        if let Authority::App { installations, .. } = &self.inner.authority {
            locked(installations).remove(&repository.key());
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
