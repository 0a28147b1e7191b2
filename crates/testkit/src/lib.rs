//! What tests share: builders, a fake GitHub, temporary stores and clusters.

pub mod github;
