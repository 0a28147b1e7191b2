//! The pages and their server functions: Leptos, with the use cases and the actor in its context.

use axum::{
    Router,
    body::Body,
    extract::State,
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use catalyst_app::{App, Doors, shell};
use catalyst_previews::Actor;
use http::{HeaderValue, Request, Uri, header};
use leptos::{nonce::Nonce, prelude::provide_context};
use leptos_axum::{AxumRouteListing, LeptosRoutes, generate_route_list};

use super::{AppState, guard};

/// Each page of the app, at the paths that its own router names.
pub fn routes(state: &AppState) -> Router<AppState> {
    let pages: Vec<AxumRouteListing> = generate_route_list(App);
    let paths = pages.clone();
    let render = move |State(state): State<AppState>, request: Request<Body>| {
        let paths = paths.clone();
        async move {
            if request.extensions().get::<Actor>().is_none() && request.uri().path() != SIGN_IN {
                return to_sign_in(request.uri()).into_response();
            }
            let (nonce, context) = page_context(&state, &request);
            let options = state.leptos.clone();
            let handler = leptos_axum::render_route_with_context(paths, context, move || {
                shell(options.clone())
            });
            as_page(handler(State(state), request).await.into_response(), &nonce)
        }
    };
    Router::new()
        .route(
            "/",
            get(|| async { Redirect::temporary("/preview-environments") }),
        )
        .leptos_routes_with_handler(
            pages
                .into_iter()
                .filter(|page| page.path() != "/")
                .collect(),
            render,
        )
        .with_state(state.clone())
}

/// Where one signs in; the only page that is shown to everyone.
const SIGN_IN: &str = "/sign-in";

/// Sends a visitor to sign in first, and then to where they wanted to go.
fn to_sign_in(wanted: &Uri) -> Redirect {
    let wanted = wanted.path_and_query().map_or("/", |path| path.as_str());
    let query: String = url::form_urlencoded::byte_serialize(wanted.as_bytes()).collect();
    Redirect::to(&format!("{SIGN_IN}?next={query}"))
}

/// A page that is told something more than it would find out by itself.
pub async fn page_about<T: Clone + Send + Sync + 'static>(
    state: &AppState,
    request: Request<Body>,
    told: T,
) -> Response {
    let (nonce, context) = page_context(state, &request);
    let context = move || {
        context();
        provide_context(told.clone());
    };
    let options = state.leptos.clone();
    let handler =
        leptos_axum::render_app_async_with_context(context, move || shell(options.clone()));
    as_page(handler(request).await.into_response(), &nonce)
}

/// `GET` or `POST /api/fn/…`.
pub async fn server_function(State(state): State<AppState>, request: Request<Body>) -> Response {
    let context = base_context(&state, &request);
    leptos_axum::handle_server_fns_with_context(context, request)
        .await
        .into_response()
}

/// A file of the site, else the page that says what is missing.
pub async fn file_or_not_found(
    State(state): State<AppState>,
    uri: Uri,
    request: Request<Body>,
) -> Response {
    let (nonce, context) = page_context(&state, &request);
    let handler = leptos_axum::file_and_error_handler_with_context(context, shell);
    let mut response = handler(uri, State(state), request).await;
    let status = response.status();
    if status.is_client_error() || status.is_server_error() {
        return as_page(response, &nonce);
    }
    // Names stay the same from one version to the next, so browsers ask each time whether what they
    // hold is still good.
    response
        .headers_mut()
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-cache"));
    response
}

fn base_context(
    state: &AppState,
    request: &Request<Body>,
) -> impl Fn() + Clone + Send + Sync + 'static {
    let previews = state.previews.clone();
    let doors = Doors {
        github: state.sign_in.is_some(),
        url: state.public_url.clone(),
    };
    let actor: Option<Actor> = request.extensions().get().cloned();
    move || {
        provide_context(previews.clone());
        provide_context(actor.clone());
        provide_context(doors.clone());
    }
}

/// What a page is rendered with, and the nonce that its scripts carry.
fn page_context(
    state: &AppState,
    request: &Request<Body>,
) -> (Nonce, impl Fn() + Clone + Send + Sync + 'static) {
    let base = base_context(state, request);
    let nonce = Nonce::new();
    let context = {
        let nonce = nonce.clone();
        move || {
            base();
            provide_context(nonce.clone());
        }
    };
    (nonce, context)
}

/// The answer with what belongs on every page: the policy that lets its own scripts run, and that no
/// cache keeps it. It is set on the answer itself, whatever became of it while it was rendered.
fn as_page(mut response: Response, nonce: &Nonce) -> Response {
    let headers = response.headers_mut();
    // A nonce is base64, so this cannot fail; without it the strict default applies.
    if let Ok(policy) = HeaderValue::from_str(&guard::content_security_policy(nonce)) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
