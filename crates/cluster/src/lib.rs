//! The Kubernetes client: clusters, logs, exec, watches, namespaces.
