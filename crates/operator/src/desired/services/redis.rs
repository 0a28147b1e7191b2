//! Redis, and Valkey, which is the same from the outside.

use super::preset::{Preset, Readiness};

pub(super) const PRESET: Preset = Preset {
    images: &["redis", "valkey"],
    port: 6379,
    data: "/data",
    group: None,
    // The images read no such variable: the argument below does.
    passwords: &["REDIS_PASSWORD"],
    own: &["REDIS_ARGS"],
    user: None,
    database: None,
    env: &[],
    // Kubernetes puts the variable's value in. Written to the folder at each change, so that a
    // restart keeps it.
    open: &[],
    args: &[
        "--requirepass",
        "$(REDIS_PASSWORD)",
        "--dir",
        "/data",
        "--appendonly",
        "yes",
    ],
    readiness: Readiness::Listening,
    limits: (250, 256),
    heap: None,
    scheme: "redis",
    variable: "REDIS_URL",
    is_database: false,
    client: None,
};
