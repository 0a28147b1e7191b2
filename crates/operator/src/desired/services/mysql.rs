//! MySQL and MariaDB, whose images take the same variables.

use super::preset::{Client, Preset, Readiness};

pub(super) const PRESET: Preset = Preset {
    images: &["mysql", "mysql-server", "mariadb", "percona"],
    port: 3306,
    data: "/var/lib/mysql",
    group: None,
    passwords: &["MYSQL_PASSWORD", "MYSQL_ROOT_PASSWORD"],
    own: &[
        "MARIADB_PASSWORD",
        "MARIADB_ROOT_PASSWORD",
        "MARIADB_RANDOM_ROOT_PASSWORD",
        "MARIADB_ALLOW_EMPTY_ROOT_PASSWORD",
        "MYSQL_ALLOW_EMPTY_PASSWORD",
        "MYSQL_RANDOM_ROOT_PASSWORD",
        "MYSQL_ROOT_PASSWORD_FILE",
        "MYSQL_PASSWORD_FILE",
    ],
    user: Some(("MYSQL_USER", "app")),
    database: Some(("MYSQL_DATABASE", Some("app"))),
    env: &[],
    open: &[],
    args: &[],
    // The server that the first start fills the database with does not listen.
    readiness: Readiness::Listening,
    limits: (500, 1024),
    heap: None,
    scheme: "mysql",
    variable: "MYSQL_URL",
    is_database: true,
    // As root: dumps name owners of views and triggers.
    client: Some(Client {
        name: "mysql",
        env: &[
            ("MYSQL_PWD", "MYSQL_ROOT_PASSWORD"),
            ("RESTORE_DATABASE", "MYSQL_DATABASE"),
        ],
    }),
};
