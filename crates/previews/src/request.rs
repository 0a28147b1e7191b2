//! The HTTP request that something is done for.
//!
//! Its id goes along with what it leads to: into the store with a delivery and a preview's row,
//! into the Environment as an annotation, and so into every line that is logged about it.

tokio::task_local! {
    static REQUEST: Option<String>;
}

/// Runs `future` for the HTTP request with this id; none: for none. Tasks that it starts are not
/// part of it.
pub async fn for_request<F: Future>(id: Option<String>, future: F) -> F::Output {
    REQUEST.scope(id, future).await
}

/// The id of the request that the present task works for, if it does.
pub(crate) fn current() -> Option<String> {
    REQUEST.try_with(Clone::clone).ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_done_for_a_request_knows_it_and_nothing_else_does() {
        assert_eq!(current(), None);
        let inside = for_request(Some("r-1".to_owned()), async { current() }).await;
        assert_eq!(inside.as_deref(), Some("r-1"));
        assert_eq!(current(), None);
    }
}
