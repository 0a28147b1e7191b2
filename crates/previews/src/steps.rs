//! One structured log event for each step of a preview's life.

/// Logs a step of a preview: the event's name, the phase of life, the preview's ids, and the time
/// since its commit was asked for.
macro_rules! step {
    ($preview:expr, $event:literal, $phase:literal $(, $field:ident = $value:expr)* $(,)?) => {{
        let preview: &catalyst_store::Preview = $preview;
        tracing::info!(
            component = crate::COMPONENT,
            event = $event,
            phase = $phase,
            preview = preview.id.as_str(),
            repository = preview.repository.as_str(),
            number = preview.number,
            commit = preview.commit.as_ref().map(catalyst_model::ids::CommitSha::as_str),
            attempt = preview.attempt,
            request = preview.request_id.as_deref(),
            namespace = preview.namespace.as_str(),
            since_request_ms = (chrono::Utc::now() - preview.created_at).num_milliseconds(),
            $($field = $value,)*
        )
    }};
}
