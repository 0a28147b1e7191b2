//! Previews in each state, for tests.

use catalyst_model::{
    state::{Phase, PreviewStatus},
    usage::{PreviewUsage, Resources, UsageHistory},
    views::{
        Allowed, ConditionView, ContainerView, DeliveryView, DeploymentResult, DeploymentView,
        EventView, PodView, PreviewCounts, PreviewDetail, PreviewList, PreviewSource,
        PreviewSummary, Step, StepState,
    },
};
use chrono::{DateTime, TimeDelta, Utc};

/// When everything here was made, and shortly after.
pub(crate) fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(1_760_000_000 + seconds)
}

fn sha(start: &str) -> String {
    format!("{start:0<40}")
}

/// A preview that answers.
pub(crate) fn ready() -> PreviewSummary {
    PreviewSummary {
        id: "p-482".into(),
        team: "acme".into(),
        project: "storefront".into(),
        repository: "acme/storefront".into(),
        number: Some(482),
        title: "Add saved carts to checkout".into(),
        pull_request_url: Some("https://github.com/acme/storefront/pull/482".into()),
        author: Some("dana".into()),
        source: PreviewSource::PullRequest,
        branch: "saved-carts".into(),
        image: None,
        commit: sha("9f3c1ab"),
        serving_commit: Some(sha("9f3c1ab")),
        namespace: "acme-storefront-preview-482".into(),
        status: PreviewStatus::Running,
        phase: Some(Phase::Ready),
        blocked: None,
        message: None,
        url: Some("http://acme-storefront-preview-482.localhost:8080/".into()),
        created_at: at(-7200),
        pushed_at: at(-3600),
        updated_at: at(-60),
        deleted_at: None,
        expires_at: None,
        expiry_warning_at: None,
        usage: Some(usage(96, 180)),
    }
}

/// What a preview uses.
pub(crate) fn usage(cpu_millicores: u32, memory_mib: u32) -> PreviewUsage {
    let mut history = UsageHistory::default();
    history.add(29_333_333, cpu_millicores, memory_mib);
    PreviewUsage {
        used: Resources {
            cpu_millicores: cpu_millicores.into(),
            memory_mib: memory_mib.into(),
        },
        cpu_limit: 500,
        memory_limit: 512,
        exceeding_cpu: cpu_millicores > 500,
        exceeding_memory: memory_mib > 512,
        history,
    }
}

/// One that is on its way.
pub(crate) fn building() -> PreviewSummary {
    PreviewSummary {
        id: "p-97".into(),
        number: Some(97),
        title: "Upgrade to Rails 8.1".into(),
        commit: sha("03be77d"),
        serving_commit: None,
        status: PreviewStatus::Deploying,
        phase: Some(Phase::Building),
        message: Some("Installing packages".into()),
        ..ready()
    }
}

/// One that failed while the commit before it is still served.
pub(crate) fn failed() -> PreviewSummary {
    PreviewSummary {
        id: "p-480".into(),
        number: Some(480),
        title: "Search by colour".into(),
        commit: sha("b10c2fe"),
        status: PreviewStatus::Failed,
        phase: Some(Phase::Failed),
        message: Some("migrate exited with 1: column \"hue\" already exists".into()),
        ..ready()
    }
}

/// One from a fork.
pub(crate) fn blocked() -> PreviewSummary {
    PreviewSummary {
        id: "p-483".into(),
        number: Some(483),
        title: "Fix typo in README".into(),
        commit: sha("e41aa09"),
        serving_commit: None,
        status: PreviewStatus::Pending,
        phase: None,
        blocked: Some("It comes from a fork by octo-guest".into()),
        url: None,
        ..ready()
    }
}

/// A list of one of each.
pub(crate) fn list() -> PreviewList {
    PreviewList {
        previews: vec![ready(), building(), failed(), blocked()],
        counts: PreviewCounts {
            all: 4,
            running: 1,
            in_progress: 1,
            failed: 1,
            blocked: 1,
            over_quota: 0,
        },
        matching: 4,
        unmeasured: None,
    }
}

fn step(name: &str, state: StepState, from: i64) -> Step {
    let ended = matches!(state, StepState::Done | StepState::Failed);
    Step {
        name: name.into(),
        state,
        detail: None,
        started_at: (state != StepState::Waiting).then(|| at(from)),
        finished_at: ended.then(|| at(from + 2)),
    }
}

fn container(name: &str, init: bool, state: &str, exit_code: Option<i32>) -> ContainerView {
    ContainerView {
        name: name.into(),
        init,
        image: "node:22".into(),
        state: state.into(),
        reason: None,
        exit_code,
        restarts: 0,
        ready: state == "running",
    }
}

/// The page of the one that answers.
pub(crate) fn ready_detail() -> PreviewDetail {
    PreviewDetail {
        summary: ready(),
        steps: ["Queued", "Prepared", "Built", "Deployed", "Ready"]
            .into_iter()
            .zip(0..)
            .map(|(name, n)| step(name, StepState::Done, 2 * n))
            .collect(),
        conditions: vec![ConditionView {
            kind: "Ready".into(),
            status: "True".into(),
            reason: "Serving".into(),
            message: "9f3c1ab answers".into(),
            since: at(10),
        }],
        events: vec![EventView {
            at: at(9),
            warning: false,
            reason: "Started".into(),
            object: "Pod/web-1".into(),
            message: "Started container app".into(),
            count: 2,
        }],
        deployments: vec![DeploymentView {
            commit: sha("9f3c1ab"),
            attempt: 1,
            result: DeploymentResult::Ready,
            message: None,
            started_at: at(0),
            finished_at: Some(at(10)),
        }],
        pods: vec![PodView {
            name: "web-1".into(),
            status: "Running".into(),
            commit: Some(sha("9f3c1ab")),
            created_at: Some(at(4)),
            job: None,
            node: Some("node-1".into()),
            ips: vec!["10.0.0.7".into()],
            containers: vec![
                container("git-clone", true, "terminated", Some(0)),
                container("app", false, "running", None),
            ],
            used: None,
        }],
        kept_logs: Vec::new(),
        cluster: "local".into(),
        runs: Some("Node.js with npm: npm run dev".into()),
        allowed: Allowed {
            retry: false,
            delete: true,
            approve: false,
            extend: true,
        },
        unmeasured: None,
    }
}

/// The page of the one that failed.
pub(crate) fn failed_detail() -> PreviewDetail {
    let mut detail = ready_detail();
    detail.summary = failed();
    detail.steps[3] = Step {
        detail: Some("migrate exited with 1".into()),
        ..step("Deployed", StepState::Failed, 6)
    };
    detail.steps[4] = step("Ready", StepState::Waiting, 8);
    detail.pods.insert(
        0,
        PodView {
            name: "web-2".into(),
            status: "Init:Error".into(),
            commit: Some(sha("b10c2fe")),
            created_at: Some(at(5)),
            job: None,
            node: None,
            ips: Vec::new(),
            containers: vec![
                container("git-clone", true, "terminated", Some(0)),
                container("migrate", true, "terminated", Some(1)),
                container("app", false, "waiting", None),
            ],
            used: None,
        },
    );
    detail.allowed = Allowed {
        retry: true,
        delete: true,
        approve: false,
        extend: true,
    };
    detail
}

/// The page of the one from a fork.
pub(crate) fn blocked_detail() -> PreviewDetail {
    PreviewDetail {
        summary: blocked(),
        steps: ["Queued", "Prepared", "Built", "Deployed", "Ready"]
            .map(|name| step(name, StepState::Waiting, 0))
            .into(),
        conditions: Vec::new(),
        events: Vec::new(),
        deployments: Vec::new(),
        pods: Vec::new(),
        runs: None,
        allowed: Allowed {
            retry: false,
            delete: true,
            approve: true,
            extend: true,
        },
        ..ready_detail()
    }
}

/// A delivery that led to a deployment.
pub(crate) fn delivery() -> DeliveryView {
    DeliveryView {
        id: "0d2f1c9e-6c7a-11f0-9d0c-d3b1a4f1a001".into(),
        event: "pull_request".into(),
        action: Some("opened".into()),
        repository: Some("acme/storefront".into()),
        number: Some(482),
        received_at: at(0),
        processed_at: Some(at(1)),
        decision: Some("deploy".into()),
        reason: Some("The pull request was opened".into()),
        error: None,
        attempts: 1,
    }
}
