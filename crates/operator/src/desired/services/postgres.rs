//! PostgreSQL, and images made of it.

use super::preset::{Client, Preset, Readiness};

/// Where its data is, by contract.
pub(super) const DATA: &str = "/var/lib/postgresql/data";

pub(super) const PRESET: Preset = Preset {
    images: &[
        "postgres",
        "postgresql",
        "postgis",
        "pgvector",
        "timescaledb",
    ],
    port: 5432,
    data: DATA,
    group: None,
    passwords: &["POSTGRES_PASSWORD"],
    own: &["POSTGRES_HOST_AUTH_METHOD", "POSTGRES_PASSWORD_FILE"],
    user: Some(("POSTGRES_USER", "postgres")),
    database: Some(("POSTGRES_DB", None)),
    // Newer images keep their data elsewhere unless they are told.
    env: &[("PGDATA", DATA)],
    open: &[],
    args: &[],
    // It accepts connections before it answers them. By TCP, as the server that the first start
    // fills the database with listens at its socket alone.
    readiness: Readiness::Command(&["pg_isready", "-q", "-h", "127.0.0.1", "-p", "{port}"]),
    limits: (500, 512),
    heap: None,
    scheme: "postgresql",
    variable: "POSTGRES_URL",
    is_database: true,
    client: Some(Client {
        name: "postgres",
        env: &[
            ("PGUSER", "POSTGRES_USER"),
            ("PGPASSWORD", "POSTGRES_PASSWORD"),
            ("PGDATABASE", "POSTGRES_DB"),
        ],
    }),
};
