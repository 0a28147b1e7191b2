//! What the browser shows: pages, components and server functions.
