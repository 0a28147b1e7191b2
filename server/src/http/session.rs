//! Who is at the other end: sessions in the database.

use std::time::Duration;

use axum::{
    extract::{FromRequestParts, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use catalyst_previews::Actor;
use http::{StatusCode, request::Parts};
use tower_sessions::{
    ExpiredDeletion, Expiry, Session, SessionManagerLayer, SessionStore,
    cookie::SameSite,
    session::{Id, Record},
    session_store,
};
use tower_sessions_sqlx_store::{PostgresStore, SqliteStore};
use uuid::Uuid;

use super::{AppState, errors};

/// The session's key for the signed-in user's id.
const USER: &str = "user";

/// Days without a visit after which one signs in anew.
const IDLE_DAYS: i64 = 7;

/// How often what stays open looks whether its session is still there.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// Sessions in the store's own database.
#[derive(Debug, Clone)]
pub enum Sessions {
    /// In SQLite.
    Sqlite(SqliteStore),
    /// In PostgreSQL.
    Postgres(PostgresStore),
}

#[async_trait::async_trait]
impl ExpiredDeletion for Sessions {
    async fn delete_expired(&self) -> session_store::Result<()> {
        match self {
            Self::Sqlite(store) => store.delete_expired().await,
            Self::Postgres(store) => store.delete_expired().await,
        }
    }
}

/// How often sessions that have ended are deleted.
const DELETE_ENDED_EVERY: Duration = Duration::from_secs(3600);

/// Deletes sessions that have ended, now and then, until it is dropped.
pub async fn delete_ended(sessions: Sessions) {
    loop {
        if let Err(error) = sessions.delete_expired().await {
            tracing::warn!(error = %errors::chain(&error), "sessions that have ended could not be deleted");
        }
        tokio::time::sleep(DELETE_ENDED_EVERY).await;
    }
}

#[async_trait::async_trait]
impl SessionStore for Sessions {
    async fn create(&self, record: &mut Record) -> session_store::Result<()> {
        match self {
            Self::Sqlite(store) => store.create(record).await,
            Self::Postgres(store) => store.create(record).await,
        }
    }

    async fn save(&self, record: &Record) -> session_store::Result<()> {
        match self {
            Self::Sqlite(store) => store.save(record).await,
            Self::Postgres(store) => store.save(record).await,
        }
    }

    async fn load(&self, id: &Id) -> session_store::Result<Option<Record>> {
        match self {
            Self::Sqlite(store) => store.load(id).await,
            Self::Postgres(store) => store.load(id).await,
        }
    }

    async fn delete(&self, id: &Id) -> session_store::Result<()> {
        match self {
            Self::Sqlite(store) => store.delete(id).await,
            Self::Postgres(store) => store.delete(id).await,
        }
    }
}

/// The layer that reads and writes the session's cookie.
#[must_use]
pub fn layer(sessions: Sessions, secure: bool) -> SessionManagerLayer<Sessions> {
    SessionManagerLayer::new(sessions)
        .with_name(if secure {
            "__Host-catalyst"
        } else {
            "catalyst"
        })
        .with_secure(secure)
        .with_http_only(true)
        .with_same_site(SameSite::Lax)
        .with_expiry(Expiry::OnInactivity(time::Duration::days(IDLE_DAYS)))
}

/// Begins a session of this user's, under a new id: one that was planted before the sign-in is worth
/// nothing after it.
///
/// # Errors
/// When the sessions' database does not answer.
pub async fn begin(session: &Session, user: Uuid) -> Result<(), tower_sessions::session::Error> {
    session.cycle_id().await?;
    session.insert(USER, user).await
}

/// Puts the actor behind the session, if there is one, where handlers and pages find it.
pub async fn identify(
    State(state): State<AppState>,
    session: Session,
    mut request: Request,
    next: Next,
) -> Response {
    let user = match session.get::<Uuid>(USER).await {
        Ok(user) => user,
        Err(error) => {
            tracing::error!(error = %errors::chain(&error), "the session could not be read");
            return (
                StatusCode::SERVICE_UNAVAILABLE,
                "The session could not be read; try again.\n",
            )
                .into_response();
        }
    };
    if let Some(user) = user {
        match state.previews.actor(user).await {
            Ok(Some(actor)) => {
                request.extensions_mut().insert(actor);
            }
            Ok(None) => {}
            Err(error) => return errors::json(&error),
        }
    }
    next.run(request).await
}

/// Waits until this session is not the user's any more: they signed out, here or in another tab,
/// or signed in anew.
pub async fn signed_out(session: Session, user: Uuid) {
    loop {
        tokio::time::sleep(LOOK_AGAIN).await;
        // Where the store does not answer, nobody has signed out.
        if session.load().await.is_ok()
            && !matches!(session.get::<Uuid>(USER).await, Ok(Some(now)) if now == user)
        {
            return;
        }
    }
}

/// The signed-in actor; answers 401 where there is none.
#[derive(Debug, Clone)]
pub struct SignedIn(pub Actor);

impl<S: Send + Sync> FromRequestParts<S> for SignedIn {
    type Rejection = (StatusCode, &'static str);

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        parts
            .extensions
            .get::<Actor>()
            .cloned()
            .map(Self)
            .ok_or((StatusCode::UNAUTHORIZED, "Sign in first.\n"))
    }
}
