//! What objects of a kind look like.

/// The schema of a kind.
#[derive(Debug, Default)]
pub struct Schema {}
