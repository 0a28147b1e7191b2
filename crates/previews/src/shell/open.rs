//! Who may open a shell, and where.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use catalyst_cluster::{Exec, ExecRequest, TerminalSize};
use catalyst_model::state::Role;
use catalyst_model::views::{ContainerView, PodView};
use catalyst_store::Preview;
use chrono::{DateTime, Utc};
use serde_json::json;
use tokio::sync::watch;
use uuid::Uuid;

use super::ShellEnd;
use crate::Previews;
use crate::actor::Actor;
use crate::error::Error;

/// A shell that knows colours, and in which what a program is called stays data.
const START: &str = r#"TERM=xterm-256color; export TERM; exec "$0""#;
const START_ANY: &str = r"TERM=xterm-256color; export TERM; if command -v bash >/dev/null 2>&1; then exec bash; fi; exec sh";

/// Which shell is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShellRequest {
    /// The preview's namespace.
    pub namespace: String,
    /// The pod in it.
    pub pod: String,
    /// The container; none means the pod's first one that runs.
    pub container: Option<String>,
    /// The shell program, by name or path; none means bash where there is one, else sh.
    pub shell: Option<String>,
    /// How large the viewer's terminal is.
    pub size: TerminalSize,
}

/// The right to open one shell. It counts as open from here on.
#[derive(Debug)]
pub struct ShellTicket {
    pub(super) previews: Previews,
    pub(super) actor: Actor,
    pub(super) preview: Preview,
    pub(super) exec: ExecRequest,
    /// Counts it as open.
    pub(super) _place: Place,
}

/// A shell that has begun.
#[derive(Debug)]
pub struct Shell {
    pub(super) ticket: ShellTicket,
    pub(super) exec: Exec,
    pub(super) opened_at: DateTime<Utc>,
    pub(super) since: Instant,
}

impl Previews {
    /// Decides whether the actor may open this shell now.
    ///
    /// # Errors
    /// `NotFound` for unknown and foreign namespaces, and for pods and containers that are not
    /// there; `Forbidden` where Catalyst's own containers are asked for; `Conflict` where the
    /// container does not run, or there are too many shells already.
    pub async fn shell(&self, actor: &Actor, request: &ShellRequest) -> Result<ShellTicket, Error> {
        let preview = self.shell_preview(actor, &request.namespace).await?;
        let action = || format!("opening a shell in preview {}", preview.namespace);
        actor.needs(Role::Member, &preview.team, action)?;
        let command = command(request.shell.as_deref())?;
        let home = self.inner.places.of(&preview)?;
        let pods = home.cluster.pods(&preview.namespace).await?;
        let pod = pods.iter().find(|pod| pod.name == request.pod);
        let pod = pod.ok_or_else(|| Error::not_found("pod", &request.pod))?;
        let container = container(pod, request.container.as_deref())?;
        let limits = &self.inner.settings.shells;
        let place = self.inner.shells.enter(actor.user_id, limits)?;
        Ok(ShellTicket {
            previews: self.clone(),
            actor: actor.clone(),
            exec: ExecRequest {
                pod: pod.name.clone(),
                container: container.name.clone(),
                command,
                stdin: true,
                terminal: Some(request.size),
            },
            preview,
            _place: place,
        })
    }

    async fn shell_preview(&self, actor: &Actor, namespace: &str) -> Result<Preview, Error> {
        let found = self.inner.store.preview_in_namespace(namespace).await?;
        found
            .filter(|it| it.deleted_at.is_none() && actor.role_in(&it.team).is_some())
            .ok_or_else(|| Error::not_found("preview", namespace))
    }

    /// Whether a person may still use a shell that they have opened.
    pub(super) async fn may_still(&self, user: Uuid, preview: &Preview) -> Result<bool, Error> {
        let Some(actor) = self.actor(user).await? else {
            return Ok(false);
        };
        match self.shell_preview(&actor, &preview.namespace).await {
            Ok(now) => Ok(now.id == preview.id && actor.has(Role::Member, &now.team)),
            Err(Error::NotFound { .. }) => Ok(false),
            Err(e) => Err(e),
        }
    }
}

impl ShellTicket {
    /// Writes into the audit log that the shell is opened, and starts it.
    ///
    /// # Errors
    /// `Unavailable` when the audit log cannot be written: then there is no shell. Otherwise why
    /// the cluster does not start it; the audit log says that too.
    pub async fn open(self) -> Result<Shell, Error> {
        let (previews, place) = (&self.previews, self.place_details());
        previews
            .audit(&self.actor, "shell.open", &self.preview.id, place)
            .await?;
        let (opened_at, since) = (Utc::now(), Instant::now());
        let home = previews.inner.places.of(&self.preview)?;
        match home.cluster.exec(&self.preview.namespace, &self.exec).await {
            Ok(exec) => Ok(Shell {
                exec,
                opened_at,
                since,
                ticket: self,
            }),
            Err(e) => {
                let end = ShellEnd::NotRun(previews.redacted_chain(&e));
                self.closed(opened_at, since, &end).await;
                Err(if e.is_not_found() {
                    Error::not_found("container", &self.exec.container)
                } else {
                    let on = &self.preview.namespace;
                    Error::unavailable(format!("cannot open a shell in {on}"), e)
                })
            }
        }
    }

    /// Writes into the audit log that the shell is closed.
    pub(super) async fn closed(&self, opened_at: DateTime<Utc>, since: Instant, end: &ShellEnd) {
        let mut details = self.place_details();
        details["openedAt"] = json!(opened_at);
        details["seconds"] = json!(since.elapsed().as_secs_f64());
        details["end"] = json!(end.word());
        if let ShellEnd::Exited(code) = end {
            details["exitCode"] = json!(code);
        }
        let written = self
            .previews
            .audit(&self.actor, "shell.close", &self.preview.id, details);
        if let Err(e) = written.await {
            let error = self.previews.redacted_chain(&e);
            tracing::error!(
                preview = self.preview.id,
                error,
                "the end of a shell is not in the audit log"
            );
        }
    }

    fn place_details(&self) -> serde_json::Value {
        json!({
            "namespace": self.preview.namespace,
            "pod": self.exec.pod,
            "container": self.exec.container,
        })
    }
}

/// The container to go into.
fn container<'a>(pod: &'a PodView, wanted: Option<&str>) -> Result<&'a ContainerView, Error> {
    let runs = |it: &&ContainerView| it.state == "running";
    let found = match wanted {
        Some(name) => {
            let found = pod.containers.iter().find(|it| it.name == name);
            found.ok_or_else(|| Error::not_found("container", name))?
        }
        None => {
            let own = || pod.containers.iter().filter(|it| !it.init);
            let first = own().find(runs).or_else(|| own().next());
            first.ok_or_else(|| Error::not_found("container of pod", &pod.name))?
        }
    };
    if !pod.is_projects_own(found) {
        return Err(Error::Forbidden {
            action: format!("opening a shell in container {}", found.name),
            needs: "a container of the project's own: this one is Catalyst's, and may hold its credentials".to_owned(),
        });
    }
    if !runs(&found) {
        let why = found.reason.as_deref().unwrap_or(&found.state);
        return Err(Error::Conflict(format!(
            "container {} does not run now ({why}), so there is nothing to open a shell in",
            found.name
        )));
    }
    Ok(found)
}

/// The command that starts a shell.
fn command(shell: Option<&str>) -> Result<Vec<String>, Error> {
    let mut command = vec!["/bin/sh".to_owned(), "-c".to_owned()];
    match shell.filter(|shell| !shell.is_empty()) {
        None => command.push(START_ANY.to_owned()),
        Some(shell) => {
            let allowed = |c: char| c.is_ascii_alphanumeric() || "/._+-".contains(c);
            let fine = shell.len() <= 128 && shell.chars().all(allowed) && !shell.starts_with('-');
            if !fine {
                return Err(Error::Invalid {
                    field: "shell",
                    problem: "give the name or path of a shell, such as bash or /bin/sh".to_owned(),
                });
            }
            command.extend([START.to_owned(), shell.to_owned()]);
        }
    }
    Ok(command)
}

/// The shells that this process carries.
#[derive(Debug)]
pub(crate) struct OpenShells {
    by_person: Arc<Mutex<HashMap<Uuid, usize>>>,
    count: Arc<watch::Sender<usize>>,
}

impl Default for OpenShells {
    fn default() -> Self {
        Self {
            by_person: Arc::default(),
            count: Arc::new(watch::Sender::new(0)),
        }
    }
}

impl OpenShells {
    fn enter(&self, user: Uuid, limits: &super::ShellLimits) -> Result<Place, Error> {
        let mut by_person = self
            .by_person
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if by_person.get(&user).copied().unwrap_or(0) >= limits.per_person {
            return Err(Error::Conflict(format!(
                "you have {} shells open, as many as one may: close one first",
                limits.per_person
            )));
        }
        if by_person.values().sum::<usize>() >= limits.per_process {
            return Err(Error::Conflict(
                "as many shells are open as this Catalyst carries: try again later".to_owned(),
            ));
        }
        *by_person.entry(user).or_default() += 1;
        self.count.send_modify(|count| *count += 1);
        Ok(Place {
            user,
            by_person: self.by_person.clone(),
            count: self.count.clone(),
        })
    }

    /// Waits until none is open.
    pub(crate) async fn all_closed(&self) {
        // The sender lives as long as `self`.
        let _ = self.count.subscribe().wait_for(|count| *count == 0).await;
    }
}

/// One of the open shells, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    user: Uuid,
    by_person: Arc<Mutex<HashMap<Uuid, usize>>>,
    count: Arc<watch::Sender<usize>>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut by_person = self
            .by_person
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = by_person.get_mut(&self.user) {
            *open -= 1;
            if *open == 0 {
                by_person.remove(&self.user);
            }
        }
        drop(by_person);
        self.count.send_modify(|count| *count -= 1);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::ShellLimits;
    use super::*;
    use crate::error::ErrorKind;

    fn view(name: &str, init: bool, state: &str) -> ContainerView {
        ContainerView {
            name: name.to_owned(),
            init,
            image: String::new(),
            state: state.to_owned(),
            reason: (state == "waiting").then(|| "CrashLoopBackOff".to_owned()),
            exit_code: None,
            restarts: 0,
            ready: true,
        }
    }

    fn pod(containers: Vec<ContainerView>) -> PodView {
        PodView {
            name: "web-1".to_owned(),
            status: String::new(),
            commit: None,
            created_at: None,
            job: None,
            node: None,
            ips: Vec::new(),
            used: None,
            containers,
        }
    }

    #[test]
    fn a_shell_opens_in_what_runs_and_is_the_projects_own() {
        let pod = pod(vec![
            view("git-clone", true, "running"),
            view("migrate", true, "running"),
            view("sidecar", false, "waiting"),
            view("app", false, "running"),
        ]);
        let chosen = |wanted| container(&pod, wanted).map(|it| it.name.clone());
        assert_eq!(chosen(None).unwrap(), "app");
        assert_eq!(chosen(Some("migrate")).unwrap(), "migrate");
        let waiting = chosen(Some("sidecar")).unwrap_err();
        assert_eq!(waiting.kind(), ErrorKind::Conflict);
        assert!(
            waiting.to_string().contains("CrashLoopBackOff"),
            "{waiting}"
        );
        assert_eq!(
            chosen(Some("git-clone")).unwrap_err().kind(),
            ErrorKind::Forbidden
        );
        assert_eq!(
            chosen(Some("none")).unwrap_err().kind(),
            ErrorKind::NotFound
        );
        let job = PodView {
            job: Some("inspect".to_owned()),
            ..pod.clone()
        };
        assert_eq!(
            container(&job, None).unwrap_err().kind(),
            ErrorKind::Forbidden
        );
    }

    #[test]
    fn what_a_shell_is_called_is_never_read_by_a_shell() {
        let named = command(Some("/bin/zsh")).unwrap();
        assert_eq!(named.last().unwrap(), "/bin/zsh");
        assert!(!named[2].contains("zsh"));
        for bad in ["sh; id", "$(id)", "-c", "a b", "x\n", &"x".repeat(129)] {
            assert_eq!(
                command(Some(bad)).unwrap_err().kind(),
                ErrorKind::Invalid,
                "{bad}"
            );
        }
        assert_eq!(command(None).unwrap(), command(Some("")).unwrap());
    }

    #[test]
    fn nobody_has_more_shells_than_the_limit_and_closed_ones_do_not_count() {
        let open = OpenShells::default();
        let limits = ShellLimits {
            per_person: 2,
            per_process: 3,
            ..ShellLimits::default()
        };
        let (ann, bob) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let first = open.enter(ann, &limits).unwrap();
        let _second = open.enter(ann, &limits).unwrap();
        assert_eq!(
            open.enter(ann, &limits).unwrap_err().kind(),
            ErrorKind::Conflict
        );
        let _third = open.enter(bob, &limits).unwrap();
        assert_eq!(
            open.enter(bob, &limits).unwrap_err().kind(),
            ErrorKind::Conflict
        );
        drop(first);
        open.enter(ann, &limits).unwrap();
    }
}
