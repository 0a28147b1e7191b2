//! OpenSearch, as one node.

use super::preset::{Preset, Readiness};

pub(super) const PRESET: Preset = Preset {
    images: &["opensearch"],
    port: 9200,
    data: "/usr/share/opensearch/data",
    // It does not start as root.
    group: Some(1000),
    passwords: &[],
    own: &["OPENSEARCH_INITIAL_ADMIN_PASSWORD"],
    user: None,
    database: None,
    env: &[
        ("discovery.type", "single-node"),
        // More mapped memory than a node allows by default is asked for otherwise.
        ("node.store.allow_mmap", "false"),
    ],
    // Its own security speaks TLS by a certificate that no client knows. Nothing but the preview's
    // pods reaches it, by the namespace's network policy.
    open: &[
        ("DISABLE_INSTALL_DEMO_CONFIG", "true"),
        ("DISABLE_SECURITY_PLUGIN", "true"),
    ],
    args: &[],
    readiness: Readiness::Http,
    limits: (500, 1280),
    heap: Some("OPENSEARCH_JAVA_OPTS"),
    scheme: "http",
    variable: "OPENSEARCH_URL",
    is_database: false,
    client: None,
};
