//! What agents can do, over the Model Context Protocol (streamable HTTP).
//!
//! Each tool parses its arguments, calls one use case as the actor whose token the request came with,
//! and translates what comes of it: so an agent has the rights and gets the results that the dashboard
//! has and shows. Results are structured content by a published schema, and the same as text.
//!
//! Nothing is kept between two requests: any process answers any of them. Who may speak here (the token,
//! the Host, the Origin) is checked by the server before a request comes this far; it puts the
//! [`catalyst_previews::Actor`] into the request's extensions.

mod answer;
mod input;
mod server;
mod tools;
mod views;

use std::sync::Arc;

use catalyst_previews::Previews;
use rmcp::transport::streamable_http_server::{
    StreamableHttpServerConfig, StreamableHttpService, session::never::NeverSessionManager,
};
use tokio_util::sync::CancellationToken;

pub use server::Agents;
pub use tools::Tool;

/// The HTTP service, for whatever path it is mounted at.
pub type Service = StreamableHttpService<Agents, NeverSessionManager>;

/// A request of an agent's is text of a person's size; 64 KiB is generous.
const LARGEST_REQUEST: usize = 64 * 1024;

/// Makes the service. It answers until `shutdown`.
#[must_use]
pub fn service(previews: &Previews, shutdown: CancellationToken) -> Service {
    let agents = Agents::new(previews.clone());
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .with_max_request_body_bytes(LARGEST_REQUEST)
        .with_cancellation_token(shutdown)
        // The server has checked Host and Origin against its own addresses.
        .disable_allowed_hosts()
        .disable_allowed_origins();
    let each = move || Ok(agents.clone());
    StreamableHttpService::new(each, Arc::new(NeverSessionManager::default()), config)
}
