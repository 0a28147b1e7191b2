//! What is known of a service by its image.

use catalyst_crd::config::ManagedService;

use super::{mysql, opensearch, postgres, redis};

/// What is known of the services that an image makes.
pub(super) struct Preset {
    /// The last part of the image's name.
    pub images: &'static [&'static str],
    /// Where it listens.
    pub port: i32,
    /// The folder with its data.
    pub data: &'static str,
    /// The group that its program runs as, where it does not start as root and so cannot make a
    /// volume its own.
    pub group: Option<i64>,
    /// Variables that hold its password. Empty: it asks for none.
    pub passwords: &'static [&'static str],
    /// Variables by which a configuration takes its access into its own hands.
    pub own: &'static [&'static str],
    /// The variable with its user, and who that is.
    pub user: Option<(&'static str, &'static str)>,
    /// The variable with the database that it makes, and which it is where nothing is said; none:
    /// it is called like its user.
    pub database: Option<(&'static str, Option<&'static str>)>,
    /// What else it is told.
    pub env: &'static [(&'static str, &'static str)],
    /// What it is told where it is to ask for no password.
    pub open: &'static [(&'static str, &'static str)],
    /// Arguments that come after the configuration's.
    pub args: &'static [&'static str],
    /// When it can be used.
    pub readiness: Readiness,
    /// What it may use where nothing is said: thousandths of a core, and MiB.
    pub limits: (i128, i128),
    /// Whether half of its memory is told to a Java virtual machine by this variable.
    pub heap: Option<&'static str>,
    /// What its address begins with.
    pub scheme: &'static str,
    /// The variable of the workload with the address of the first service of this kind.
    pub variable: &'static str,
    /// Whether it is a database that `DATABASE_URL` may stand for.
    pub is_database: bool,
    /// How a dump gets into it.
    pub client: Option<Client>,
}

/// How it is found out whether a service can be used.
pub(super) enum Readiness {
    /// Something listens.
    Listening,
    /// A command ends well; `{port}` stands for the port.
    Command(&'static [&'static str]),
    /// It answers at `/`.
    Http,
}

/// A program of a service's own image that loads dumps into it.
pub(super) struct Client {
    /// What the script calls it.
    pub name: &'static str,
    /// The client's variables, and those of the server that they have their values from.
    pub env: &'static [(&'static str, &'static str)],
}

const PRESETS: [&Preset; 4] = [
    &postgres::PRESET,
    &mysql::PRESET,
    &redis::PRESET,
    &opensearch::PRESET,
];

impl Preset {
    /// The preset of a service's image, if it has one.
    pub fn of(service: &ManagedService) -> Option<&'static Self> {
        let image = &service.container.image;
        // Bitnami's have other folders, users and entry points.
        if image.split('/').any(|part| part.starts_with("bitnami")) {
            return None;
        }
        let name = image.split('@').next().unwrap_or(image);
        let name = name.rsplit('/').next().unwrap_or(name);
        let name = name.split(':').next().unwrap_or(name);
        PRESETS
            .into_iter()
            .find(|preset| preset.images.contains(&name))
    }
}
