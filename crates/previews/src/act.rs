//! What one may do.

mod approve;
mod delete;
mod retry;
mod retry_cleanup;
