//! What one may do.

mod approve;
mod create_manual;
mod delete;
mod extend;
mod retry;
mod retry_cleanup;

pub use create_manual::NewManualPreview;
