//! What a client of Kubernetes may rely on, asked over HTTP alone: the same tests run against the embedded cluster
//! and, with CATALYST_CONTRACT_KUBECONFIG, against the API server that a kubeconfig names, and assert the same.
//!
//! A test never names the cluster it runs against. What only a kubelet can do is left out where no node is ready,
//! and the output says so.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod harness;

mod admission_limits;
mod admission_pod_security;
mod admission_quota;
mod apply;
mod crd_cel;
mod crd_definition;
mod crd_lists;
mod crd_objects;
mod crd_subresources;
mod create;
mod delete;
mod discovery;
mod exec;
mod garbage;
mod identity;
mod kinds;
mod list;
mod logs;
mod namespaces;
mod patch;
mod replace;
mod tables;
mod watch;
