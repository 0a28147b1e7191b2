//! One container of a pod: started, attended, ended, started again.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use tokio::time::Instant;

use super::cgroup::Limits;
use super::env::{self, EnvProblem};
use super::exec::{self, Target};
use super::images::{self, ImageProblem};
use super::logs::{self, Log, Output};
use super::pod::{Instance, Pod, lock};
use super::probes;
use super::process::{Launch, Mount, MountSource, Process, Started};
use super::quantity;
use super::spec::{RestartPolicy, text, words};
use super::status::{State, Terminated, seconds};
use super::volumes::{self, VolumeProblem};

/// Waits between restarts: doubling from the first to the last, and from the start again after a
/// container ran for so long.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LAST_WAIT: Duration = Duration::from_secs(300);
const RAN_WELL: Duration = Duration::from_secs(600);

/// At most so much of a termination message is kept, as in Kubernetes.
const MESSAGE_BYTES: usize = 4096;

/// Why a container was not started.
#[derive(Debug, thiserror::Error)]
enum StartProblem {
    #[error(transparent)]
    Image(#[from] ImageProblem),
    #[error(transparent)]
    Env(#[from] EnvProblem),
    #[error(transparent)]
    Volume(#[from] VolumeProblem),
    #[error("exec: \"{program}\": {why}{hint}")]
    Program {
        program: String,
        why: &'static str,
        hint: String,
    },
    #[error("failed to create the container")]
    Io(#[from] io::Error),
}

impl StartProblem {
    /// The reason of the waiting state; none where the container counts as having ended.
    fn waits(&self) -> Option<&'static str> {
        match self {
            Self::Image(problem) => Some(problem.reason()),
            Self::Env(_) | Self::Volume(_) => Some("CreateContainerConfigError"),
            Self::Program { .. } | Self::Io(_) => None,
        }
    }
}

/// Run a container for as long as its policy and its pod want it to.
pub(crate) async fn keep_running(pod: Arc<Pod>, spec: Value, policy: RestartPolicy) {
    let name = text(&spec, "name").to_owned();
    let Some(mut attempt) = resume(&pod, &name, policy) else {
        return;
    };
    let mut wait = FIRST_WAIT;
    let mut config_wait = FIRST_WAIT;
    while !pod.stopping() {
        let began = Instant::now();
        let exit_code = match start(&pod, &spec, attempt).await {
            Ok(started) => attend(&pod, &spec, started).await,
            Err(problem) => {
                let message = super::host::chain(&problem);
                if let Some(reason) = problem.waits() {
                    waiting(&pod, &name, reason, &message);
                    if !pod.wait(config_wait).await {
                        return;
                    }
                    config_wait = (config_wait * 2).min(LAST_WAIT);
                    continue;
                }
                pod.event("Warning", "Failed", &format!("Error: {message}"));
                pod.update(&name, |container| container.restarts = attempt);
                ended(
                    &pod,
                    &name,
                    None,
                    Terminated {
                        exit_code: 128,
                        reason: "StartError".to_owned(),
                        message,
                        started: None,
                        finished: seconds(Timestamp::now()),
                        container_id: String::new(),
                    },
                );
                128
            }
        };
        if pod.stopping() || !policy.restarts(exit_code) {
            return;
        }
        if began.elapsed() >= RAN_WELL {
            wait = FIRST_WAIT;
        }
        back_off(&pod, &name, wait);
        if !pod.wait(wait).await {
            return;
        }
        wait = (wait * 2).min(LAST_WAIT);
        attempt += 1;
    }
}

/// How often it was started again before, counting this time; none where what an earlier process
/// of the node left says not to run it.
fn resume(pod: &Pod, name: &str, policy: RestartPolicy) -> Option<u32> {
    let mut attempt = Some(0);
    pod.update(name, |container| {
        attempt = Some(container.restarts);
        if let State::Terminated(before) = container.state.clone() {
            attempt = policy
                .restarts(before.exit_code)
                .then_some(container.restarts + 1);
            if attempt.is_some() {
                container.last = Some(before);
                container.state = State::waiting("ContainerCreating");
            }
        } else if container.last.is_some() {
            // It waited to be started again when the node went.
            attempt = Some(container.restarts + 1);
        }
    });
    attempt
}

fn waiting(pod: &Pod, name: &str, reason: &str, message: &str) {
    let state = State::Waiting {
        reason: reason.to_owned(),
        message: message.to_owned(),
    };
    let mut changed = false;
    pod.update(name, |container| {
        changed = container.state != state;
        container.state = state.clone();
    });
    if changed {
        pod.event("Warning", "Failed", &format!("Error: {message}"));
    }
}

fn back_off(pod: &Pod, name: &str, wait: Duration) {
    let reference = &pod.reference;
    let pod_name = format!(
        "{}_{}({})",
        reference.name, reference.namespace, reference.uid
    );
    pod.update(name, |container| {
        if let State::Terminated(ended) = &container.state {
            container.last = Some(ended.clone());
        }
        container.state = State::Waiting {
            reason: "CrashLoopBackOff".to_owned(),
            message: format!(
                "back-off {}s restarting failed container={name} pod={pod_name}",
                wait.as_secs()
            ),
        };
    });
    pod.event(
        "Warning",
        "BackOff",
        &format!("Back-off restarting failed container {name} in pod {pod_name}"),
    );
}

struct Running {
    process: Arc<Process>,
    log: Arc<Log>,
    copying: Vec<tokio::task::JoinHandle<()>>,
    folder: PathBuf,
    log_path: PathBuf,
    attempt: u32,
    id: String,
    since: Timestamp,
    target: Target,
}

async fn start(pod: &Arc<Pod>, spec: &Value, attempt: u32) -> Result<Running, StartProblem> {
    let name = text(spec, "name");
    let node = &pod.node;
    let object = pod.object_with_ip();
    let sources = node.sources(&pod.reference.namespace);
    let given = env::environment(&object, spec, &sources)?;
    let expand = |field: &str| -> Vec<String> {
        words(spec, field)
            .iter()
            .map(|word| env::expand(word, &given))
            .collect()
    };
    let command = images::command_line(
        text(spec, "image"),
        expand("command"),
        expand("args"),
        |program| node.host.toolchains.program(program),
    )?;
    let env = base_environment(pod, given);
    let no_volumes = BTreeMap::new();
    let volumes = pod.volumes().unwrap_or(&no_volumes);
    let mut mounts = volumes::mounts(spec, volumes, &env, node.host.binds_open_files)?;
    let working_dir = match text(spec, "workingDir") {
        "" => "/",
        given => given,
    };
    check_program(&command[0], working_dir, &env, &mounts)?;

    let folder = pod.folder.join("containers").join(name);
    let root = folder.join("root");
    super::pod::remove_folder(&root);
    std::fs::create_dir_all(&root)?;
    let message_file = folder.join("termination-log");
    std::fs::write(&message_file, "")?;
    let own = |source: PathBuf, target: &str| Mount {
        source: MountSource::Path(source),
        target: target.into(),
        read_only: false,
    };
    let message_path = match text(spec, "terminationMessagePath") {
        "" => "/dev/termination-log",
        given => given,
    };
    // Many are below a home, where they lie inside of the pod's own; what the pod mounts there goes before.
    let of_pod = mounts.len();
    for path in node
        .host
        .toolchains
        .binds
        .iter()
        .filter(|path| path.exists())
    {
        let meet =
            |mount: &Mount| path.starts_with(&mount.target) || mount.target.starts_with(path);
        if !mounts[..of_pod].iter().any(meet) {
            mounts.push(Mount {
                source: MountSource::Path(path.clone()),
                target: path.clone(),
                read_only: true,
            });
        }
    }
    for (source, target) in [
        (pod.folder.join("home"), "/root"),
        (pod.folder.join("tmp"), "/tmp"),
        (message_file, message_path),
    ] {
        if !mounts.iter().any(|mount| mount.target == Path::new(target)) {
            mounts.push(own(source, target));
        }
    }

    let log_path = log_path(pod, name, attempt);
    if attempt >= 2 {
        logs::remove(&self::log_path(pod, name, attempt - 2));
    }
    let limits = Limits {
        memory_bytes: quantity::whole(&spec["resources"]["limits"]["memory"]),
        cpu_millicores: quantity::millis(&spec["resources"]["limits"]["cpu"]),
    };
    let group = node.host.cgroups.make(&pod.reference.uid, name, limits)?;
    let (uid, gid) = user(&object, spec);
    let Started {
        process,
        stdin,
        stdout,
        stderr,
    } = pod
        .start_process(Launch {
            command,
            env: env.clone(),
            working_dir: working_dir.into(),
            root,
            etc: pod.folder.join("etc"),
            mounts,
            uid,
            gid,
            read_only_root: spec["securityContext"]["readOnlyRootFilesystem"] == true,
            stdin: spec["stdin"] == true,
            group,
        })
        .await?;
    // Whoever attaches may write to it; without one it stays open.
    let log = Log::create(&log_path)?;
    let mut copying = Vec::new();
    if let Some(stdout) = stdout {
        let log = log.clone();
        copying.push(tokio::spawn(async move {
            log.copy(Output::Stdout, stdout).await
        }));
    }
    if let Some(stderr) = stderr {
        let log = log.clone();
        copying.push(tokio::spawn(async move {
            log.copy(Output::Stderr, stderr).await
        }));
    }
    let id = format!("process://{}", uuid::Uuid::new_v4().simple());
    let since = Timestamp::now();
    lock(&pod.instances).insert(
        name.to_owned(),
        Instance {
            process: Some(process.clone()),
            log: Some(log.clone()),
            stdin: Arc::new(tokio::sync::Mutex::new(stdin)),
            env: env.clone(),
            working_dir: working_dir.to_owned(),
        },
    );
    let target = Target {
        process: process.clone(),
        env,
        working_dir: working_dir.to_owned(),
    };
    Ok(Running {
        process,
        log,
        copying,
        folder,
        log_path,
        attempt,
        id,
        since,
        target,
    })
}

/// The log file of one instance of a container.
pub(crate) fn log_path(pod: &Pod, container: &str, restarts: u32) -> PathBuf {
    pod.folder
        .join("containers")
        .join(container)
        .join(format!("{restarts}.log"))
}

/// `runAsUser` and `runAsGroup`, as the process sees itself.
fn user(pod: &Value, spec: &Value) -> (u32, u32) {
    let id = |field: &str| {
        spec["securityContext"][field]
            .as_u64()
            .or_else(|| pod["spec"]["securityContext"][field].as_u64())
            .and_then(|id| u32::try_from(id).ok())
    };
    let uid = id("runAsUser").unwrap_or(0);
    (uid, id("runAsGroup").unwrap_or(uid))
}

/// What every container starts with, under what its spec gives.
fn base_environment(pod: &Pod, given: BTreeMap<String, String>) -> BTreeMap<String, String> {
    let toolchains = &pod.node.host.toolchains;
    let mut env = toolchains.env.clone();
    env.insert("PATH".to_owned(), toolchains.path_variable());
    env.insert("HOME".to_owned(), "/root".to_owned());
    env.insert("HOSTNAME".to_owned(), pod.hostname());
    env.extend(given);
    env
}

/// Look for the program where the container will, so that a missing one is named.
fn check_program(
    program: &str,
    working_dir: &str,
    env: &BTreeMap<String, String>,
    mounts: &[Mount],
) -> Result<(), StartProblem> {
    if program.contains('/') {
        if exists(&Path::new(working_dir).join(program), mounts) {
            return Ok(());
        }
        return Err(StartProblem::Program {
            program: program.to_owned(),
            why: "no such file or directory",
            hint: String::new(),
        });
    }
    let path = env.get("PATH").map(String::as_str).unwrap_or_default();
    if path
        .split(':')
        .any(|folder| exists(&Path::new(folder).join(program), mounts))
    {
        return Ok(());
    }
    let hint = images::package_of(program)
        .map(|package| format!(" (on this machine, install: {package})"))
        .unwrap_or_default();
    Err(StartProblem::Program {
        program: program.to_owned(),
        why: "executable file not found in $PATH",
        hint,
    })
}

/// Whether a file is there in the container's eyes; links are taken as being there.
fn exists(path: &Path, mounts: &[Mount]) -> bool {
    let mount = mounts
        .iter()
        .filter(|mount| path.starts_with(&mount.target))
        .max_by_key(|mount| mount.target.components().count());
    let place = match mount {
        None => Some(path.to_owned()),
        Some(mount) => match (&mount.source, path.strip_prefix(&mount.target)) {
            (MountSource::Path(source), Ok(rest)) => Some(source.join(rest)),
            _ => None,
        },
    };
    place.is_none_or(|place| place.symlink_metadata().is_ok())
}

/// Stay with a running container until it has ended, and record how. Returns the exit code.
async fn attend(pod: &Arc<Pod>, spec: &Value, running: Running) -> i32 {
    let name = text(spec, "name");
    let has = |probe: &str| spec.get(probe).is_some_and(Value::is_object);
    pod.update(name, |container| {
        container.state = State::Running {
            started: running.since,
        };
        container.id.clone_from(&running.id);
        container.restarts = running.attempt;
        container.started = !has("startupProbe");
        container.ready = container.started && !has("readinessProbe");
    });
    pod.event("Normal", "Started", &format!("Started container {name}"));
    let process = running.process.clone();
    tokio::select! {
        _ = process.exited() => {}
        unhealthy = probes::watch(pod, spec, &running.target) => {
            pod.event(
                "Normal",
                "Killing",
                &format!("Container {name} failed {} probe, will be restarted", unhealthy.probe),
            );
            end(pod, spec, &running, Instant::now() + unhealthy.grace).await;
        }
        () = pod.stopped() => {
            pod.event("Normal", "Killing", &format!("Stopping container {name}"));
            let stop = *pod.stop.borrow();
            let deadline = stop.map_or_else(Instant::now, |stop| stop.deadline);
            pod.drain(deadline).await;
            end(pod, spec, &running, deadline).await;
        }
    }
    let exit_code = process.exited().await;
    for copying in running.copying {
        // A process that was handed the pipe and left its sandbox cannot be: all have ended.
        if tokio::time::timeout(Duration::from_secs(2), copying)
            .await
            .is_err()
        {
            tracing::debug!(
                container = name,
                "a container's output stays open after its end"
            );
        }
    }
    running.log.close();
    let out_of_memory = process.ran_out_of_memory(exit_code);
    let reason = match exit_code {
        _ if out_of_memory => "OOMKilled",
        0 => "Completed",
        _ => "Error",
    };
    let message = message(spec, &running.folder, &running.log_path, exit_code);
    process.group.remove();
    ended(
        pod,
        name,
        Some(&running.id),
        Terminated {
            exit_code,
            reason: reason.to_owned(),
            message,
            started: Some(running.since),
            finished: seconds(Timestamp::now()),
            container_id: running.id.clone(),
        },
    );
    exit_code
}

fn ended(pod: &Pod, name: &str, id: Option<&str>, how: Terminated) {
    pod.update(name, |container| {
        if let Some(id) = id {
            id.clone_into(&mut container.id);
        }
        container.state = State::Terminated(how);
        container.started = false;
        container.ready = false;
    });
    if let Some(instance) = lock(&pod.instances).get_mut(name) {
        instance.process = None;
        instance.log = None;
    }
}

/// End a container: its hook, SIGTERM, and SIGKILL at the deadline, which may come nearer.
async fn end(pod: &Arc<Pod>, spec: &Value, running: &Running, deadline: Instant) {
    let process = &running.process;
    let gentle = async {
        if let Some(hook) = spec["lifecycle"].get("preStop") {
            before_stop(pod, hook, &running.target, deadline).await;
        }
        process.terminate();
        process.exited().await;
    };
    let mut stop = pod.stop.subscribe();
    let at_deadline = async {
        let mut deadline = deadline;
        loop {
            if let Some(stop) = *stop.borrow_and_update() {
                deadline = deadline.min(stop.deadline);
            }
            tokio::select! {
                () = tokio::time::sleep_until(deadline) => return,
                changed = stop.changed() => if changed.is_err() { return },
            }
        }
    };
    tokio::select! {
        () = gentle => {}
        () = at_deadline => {
            process.kill();
            process.exited().await;
        }
    }
}

async fn before_stop(pod: &Arc<Pod>, hook: &Value, target: &Target, deadline: Instant) {
    let left = deadline.saturating_duration_since(Instant::now());
    let failed = if let Some(seconds) = hook["sleep"]["seconds"].as_u64() {
        tokio::time::sleep(Duration::from_secs(seconds).min(left)).await;
        None
    } else if hook.get("exec").is_some() {
        match exec::run(
            &pod.node.host,
            target,
            &words(&hook["exec"], "command"),
            left,
        )
        .await
        {
            Ok((0, _)) => None,
            Ok((code, output)) => Some(format!("exited with {code}: {output}")),
            Err(error) => Some(error.to_string()),
        }
    } else if hook.get("httpGet").is_some() {
        probes::http(pod, &hook["httpGet"], left).await.err()
    } else {
        None
    };
    if let Some(why) = failed {
        pod.event(
            "Warning",
            "FailedPreStopHook",
            &format!("PreStopHook failed: {why}"),
        );
    }
}

/// What a container left to say: its termination message, or the end of its log.
fn message(spec: &Value, folder: &Path, log: &Path, exit_code: i32) -> String {
    use std::io::Read;
    let mut bytes = Vec::new();
    let read = std::fs::File::open(folder.join("termination-log"))
        .and_then(|file| file.take(MESSAGE_BYTES as u64).read_to_end(&mut bytes));
    if let Err(error) = read {
        tracing::debug!(%error, "a termination message cannot be read");
    }
    if bytes.is_empty()
        && exit_code != 0
        && text(spec, "terminationMessagePolicy") == "FallbackToLogsOnError"
    {
        return logs::tail(log, 80, 2048);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
