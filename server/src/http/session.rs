//! Who is at the other end: sessions in the database, and the one-time link that begins one.

use std::time::Duration;

use axum::{
    Form,
    extract::{FromRequestParts, Request, State},
    middleware::Next,
    response::{IntoResponse, Redirect, Response},
};
use catalyst_previews::Actor;
use http::{StatusCode, request::Parts};
use serde::Deserialize;
use tower_sessions::{
    Expiry, Session, SessionManagerLayer, SessionStore,
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

/// What the sign-in page posts.
#[derive(Debug, Deserialize)]
pub struct SignIn {
    /// The one-time token of the link.
    token: String,
    /// Where to go afterwards, within the dashboard.
    #[serde(default)]
    next: Option<String>,
}

/// `POST /sign-in`: spends a one-time token and begins a session under a new id.
pub async fn sign_in(
    State(state): State<AppState>,
    session: Session,
    Form(form): Form<SignIn>,
) -> Response {
    let user = match state.store.redeem_sign_in_token(&form.token).await {
        Ok(Some(user)) => user,
        Ok(None) => return Redirect::to("/sign-in?problem=spent").into_response(),
        Err(error) => {
            tracing::error!(error = %errors::chain(&error), "a sign-in link could not be checked");
            return Redirect::to("/sign-in?problem=unavailable").into_response();
        }
    };
    // A new id, so that one planted before the sign-in is worth nothing after it.
    let begun = async {
        session.cycle_id().await?;
        session.insert(USER, user.id).await
    };
    if let Err(error) = begun.await {
        tracing::error!(error = %errors::chain(&error), "a session could not be begun");
        return Redirect::to("/sign-in?problem=unavailable").into_response();
    }
    Redirect::to(&within_dashboard(form.next.as_deref())).into_response()
}

/// `POST /sign-out`.
pub async fn sign_out(session: Session) -> Response {
    if let Err(error) = session.flush().await {
        tracing::error!(error = %errors::chain(&error), "a session could not be ended");
        return (
            StatusCode::SERVICE_UNAVAILABLE,
            "The session could not be ended; try again.\n",
        )
            .into_response();
    }
    Redirect::to("/sign-in").into_response()
}

/// A path of our own to go to; anything that could lead elsewhere becomes the start page.
fn within_dashboard(next: Option<&str>) -> String {
    let inside = |next: &&str| {
        next.starts_with('/')
            && !next.starts_with("//")
            && !next.contains('\\')
            && !next.chars().any(char::is_control)
    };
    next.filter(inside)
        .unwrap_or("/preview-environments")
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::within_dashboard;

    #[test]
    fn a_sign_in_never_leads_out_of_the_dashboard() {
        assert_eq!(within_dashboard(Some("/deliveries?x=1")), "/deliveries?x=1");
        for outside in [
            "https://evil.example",
            "//evil.example",
            "/\\evil.example",
            "evil",
            "",
            "/a\nb",
        ] {
            assert_eq!(
                within_dashboard(Some(outside)),
                "/preview-environments",
                "{outside}"
            );
        }
    }
}
