//! The door of agents: the Model Context Protocol at one path, for those who bring a token.

use axum::{
    Json, Router,
    extract::{Request, State},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode, header};
use serde_json::json;

use super::{AppState, errors};

/// Where agents speak.
pub const MCP_PATH: &str = "/api/mcp";

/// The door.
pub fn routes(state: &AppState) -> Router<AppState> {
    let service = catalyst_mcp::service(&state.previews, state.shutdown.clone());
    Router::new()
        .route_service(MCP_PATH, service)
        .layer(from_fn_with_state(state.clone(), authenticate))
}

/// Puts the token's owner, with what the token lets them do, where the tools find them; 401 without a
/// good token.
async fn authenticate(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    let Some(secret) = bearer(request.headers()) else {
        return refuse("send a token: Authorization: Bearer …");
    };
    match state.previews.actor_of_token(secret).await {
        Ok(Some(actor)) => {
            request.extensions_mut().insert(actor);
            // It has served its purpose, and nothing further in can tell it.
            request.headers_mut().remove(header::AUTHORIZATION);
            next.run(request).await
        }
        Ok(None) => refuse("the token is not known, was revoked or has expired"),
        Err(error) => errors::json(&error),
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, secret) = value.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then_some(secret.trim())
        .filter(|secret| !secret.is_empty())
}

fn refuse(why: &str) -> Response {
    let body = json!({
        "jsonrpc": "2.0",
        "id": null,
        "error": { "code": -32000, "message": format!("Unauthorized: {why}") },
    });
    let headers = [(header::WWW_AUTHENTICATE, "Bearer realm=\"catalyst\"")];
    (StatusCode::UNAUTHORIZED, headers, Json(body)).into_response()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_token_comes_as_bearer_and_in_no_other_way() {
        let read = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, value.parse().unwrap());
            bearer(&headers).map(str::to_owned)
        };
        assert_eq!(read("Bearer abc").as_deref(), Some("abc"));
        assert_eq!(read("bearer  abc ").as_deref(), Some("abc"));
        for bad in ["abc", "Basic abc", "Bearer", "Bearer ", ""] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
        assert_eq!(bearer(&HeaderMap::new()), None);
    }
}
