//! The Kubernetes controllers for Environment and Project.
