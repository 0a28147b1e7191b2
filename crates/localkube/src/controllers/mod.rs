//! The controllers: each brings what is nearer to what is wanted, one object at a time.
//!
//! A controller watches some kinds, derives from each change the keys of its own objects, and
//! looks at each of them with a function that reads everything anew: what it does depends on the
//! state alone and never on which change woke it, so it takes up after a restart where it stopped.

mod claim;
mod conditions;
mod deployment;
pub(crate) mod endpoints;
mod ingress_status;
mod job;
pub(crate) mod object;
mod pods;
mod queue;
mod replica_set;
mod runner;
mod scheduler;
mod stateful_set;
mod template_hash;

use crate::objects::Objects;
use crate::{LocalKubeConfig, Tasks};

/// Start all controllers. They end with the tasks.
pub fn start(objects: &Objects, config: &LocalKubeConfig, tasks: &Tasks) {
    for controller in [
        scheduler::controller(),
        deployment::controller(),
        replica_set::controller(),
        stateful_set::controller(),
        job::controller(),
        endpoints::controller(),
        claim::controller(),
        ingress_status::controller(config.ingress_listen.ip()),
    ] {
        tasks.spawn(runner::run(controller, objects.clone()));
    }
}
