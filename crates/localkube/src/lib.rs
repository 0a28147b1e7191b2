//! The embedded local cluster: a Kubernetes API whose pods are processes on this machine.
//!
//! One door: the Kubernetes API on a loopback port. Behind it, [`objects`] keeps the objects and
//! the rules by which they change; `api` speaks HTTP; `node` runs the pods; `controllers` turn
//! Deployments, Jobs and claims into pods and volumes; `ingress` serves what they listen on.
//! The parts know each other only through [`objects::Objects`] and [`node_api::NodeApi`].
//!
//! Each part has one entry point, called from [`LocalKube::start`]:
//!
//! ```text
//! node::start(&Objects, &LocalKubeConfig, &Tasks) -> Result<Arc<dyn NodeApi>, StartError>   (async)
//! controllers::start(&Objects, &LocalKubeConfig, &Tasks)
//! ingress::start(&Objects, Arc<dyn NodeApi>, &LocalKubeConfig, &Tasks)
//!     -> Result<SocketAddr, StartError>                                                 (async)
//! ```

mod api;
mod config;
pub mod controllers;
pub mod ingress;
mod local_kube;
mod node;
pub mod node_api;
pub mod objects;
mod tasks;

pub use config::{HostService, LocalKubeConfig, StartError};
pub use local_kube::LocalKube;
pub use tasks::Tasks;
