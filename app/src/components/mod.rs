//! The parts that pages are put together from.

pub(crate) mod changing;
pub(crate) mod copy;
pub(crate) mod failure;
pub(crate) mod icons;
pub(crate) mod pill;
pub(crate) mod placeholder;
pub(crate) mod text;
pub(crate) mod usage;
