//! One module for each page.

pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod deliveries;
pub(crate) mod environment;
pub(crate) mod lazy;
pub(crate) mod list;
pub(crate) mod not_found;
pub(crate) mod overview;
pub(crate) mod preview;
pub(crate) mod project;
pub(crate) mod projects;
pub(crate) mod sign_in;
pub(crate) mod teams;
pub(crate) mod tokens;
