//! A real PostgreSQL for tests: one server a test binary, with a fresh database for each test.
//!
//! The server comes from Debian's package, listens on a Unix socket in a temporary folder and
//! nowhere else, and takes no care of power cuts. It ends, and its folder goes, with the process
//! that started it, however that ends.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use nix::unistd::{Uid, User};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{Connection, Executor};

/// How long a server may take to come up on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Starts the server and stays with it: when its standard input ends (with the process that holds
/// the other end), it stops the server and removes the folder.
const KEEPER: &str = r#"
"$1/postgres" -D "$2/data" -k "$2" -c listen_addresses= -c max_connections=500 \
    -c fsync=off -c synchronous_commit=off -c full_page_writes=off >"$2/log" 2>&1 </dev/null &
read -r _
kill -QUIT $!
wait
rm -rf "$2"
"#;

/// A running server.
#[derive(Debug)]
struct Server {
    folder: PathBuf,
    /// Its end is the server's end.
    _keeper: ChildStdin,
}

/// Makes a new, empty database and gives its URL.
///
/// # Panics
/// Where PostgreSQL is not installed or does not start; the message says what to do.
pub async fn fresh_database() -> String {
    static SERVER: OnceLock<Result<Server, String>> = OnceLock::new();
    let server = match SERVER.get_or_init(Server::start) {
        Ok(server) => server,
        Err(reason) => panic!("no PostgreSQL for the tests: {reason}"),
    };
    let name = format!("test_{}", uuid::Uuid::new_v4().simple());
    let created = async {
        let options = PgConnectOptions::new_without_pgpass()
            .socket(&server.folder)
            .username("catalyst")
            .database("postgres");
        let mut admin = PgConnection::connect_with(&options).await?;
        admin
            .execute(format!("CREATE DATABASE {name}").as_str())
            .await?;
        admin.close().await
    };
    if let Err(error) = created.await {
        panic!("cannot make a database for the test: {error}");
    }
    let socket = server.folder.display();
    format!("postgres://catalyst@localhost/{name}?host={socket}")
}

impl Server {
    fn start() -> Result<Self, String> {
        let programs = programs().ok_or(
            "it is not installed; `apt-get install postgresql` brings it, and no server of the \
             package's own needs to run",
        )?;
        let owner = unprivileged_user()?;
        let folder = tempfile::Builder::new()
            .prefix("catalyst-postgres-")
            .permissions(fs::Permissions::from_mode(0o700))
            .tempdir()
            .map_err(|error| format!("cannot make a folder for it: {error}"))?;
        if let Some(user) = &owner {
            chown(
                folder.path(),
                Some(user.uid.as_raw()),
                Some(user.gid.as_raw()),
            )
            .map_err(|error| format!("cannot give it the folder: {error}"))?;
        }
        let command = |program: &Path| {
            let mut command = Command::new(program);
            command.current_dir(folder.path()).env("LC_ALL", "C.UTF-8");
            if let Some(user) = &owner {
                command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
            }
            command
        };

        let made = command(&programs.join("initdb"))
            .args([
                "--username=catalyst",
                "--auth=trust",
                "--encoding=UTF8",
                "--no-sync",
                "-D",
            ])
            .arg(folder.path().join("data"))
            .output()
            .map_err(|error| format!("cannot run initdb: {error}"))?;
        if !made.status.success() {
            return Err(format!(
                "initdb failed: {}",
                String::from_utf8_lossy(&made.stderr)
            ));
        }
        let mut keeper = command(Path::new("/bin/sh"))
            .args(["-c", KEEPER, "catalyst-postgres"])
            .arg(&programs)
            .arg(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            // The terminal's Ctrl-C goes to the tests; the keeper sees them end.
            .process_group(0)
            .spawn()
            .map_err(|error| format!("cannot start it: {error}"))?;
        let folder = folder.keep();
        let stdin = keeper
            .stdin
            .take()
            .ok_or("its keeper has no standard input")?;
        wait_until_ready(&programs, &folder)?;
        Ok(Self {
            folder,
            _keeper: stdin,
        })
    }
}

fn wait_until_ready(programs: &Path, folder: &Path) -> Result<(), String> {
    let since = Instant::now();
    loop {
        let answer = Command::new(programs.join("pg_isready"))
            .arg("--quiet")
            .arg("--host")
            .arg(folder)
            .status()
            .map_err(|error| format!("cannot run pg_isready: {error}"))?;
        if answer.success() {
            return Ok(());
        }
        if since.elapsed() > PATIENCE {
            let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
            return Err(format!("it did not come up within {PATIENCE:?}: {log}"));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The folder with the newest installed server's programs.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
    versions
        .filter_map(|entry| entry.ok())
        .map(|entry| entry.path().join("bin"))
        .filter(|programs| programs.join("postgres").is_file())
        .max_by_key(|programs| {
            let version = programs.parent().and_then(Path::file_name);
            version.and_then(|v| v.to_str()?.parse::<u32>().ok())
        })
}

/// PostgreSQL refuses to run as root: for root, the user that the package made, or `nobody`.
fn unprivileged_user() -> Result<Option<User>, String> {
    if !Uid::effective().is_root() {
        return Ok(None);
    }
    for name in ["postgres", "nobody"] {
        if let Some(user) =
            User::from_name(name).map_err(|error| io::Error::from(error).to_string())?
        {
            return Ok(Some(user));
        }
    }
    Err("it does not run as root, and there is neither a user postgres nor nobody".to_owned())
}
