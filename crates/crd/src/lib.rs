//! Environment and Project, the custom resources.
