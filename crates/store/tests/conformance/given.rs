//! What the cases start from.

use catalyst_model::ids::{CommitSha, PullRequestNumber};
use catalyst_model::state::PreviewStatus;
use catalyst_model::views::DeploymentResult;
use catalyst_store::{
    ManualPreview, NewPullRequest, Preview, PreviewReport, PreviewRequest, ProjectRepository,
    ProjectSync, PullRequest, PullRequestState, Reported, Repository, ReviewStatus, Store, User,
};
use chrono::{DateTime, Duration, SubsecRound, Utc};

/// The commit with this digit, forty times.
pub fn commit(digit: char) -> CommitSha {
    String::from(digit).repeat(40).parse().unwrap()
}

/// A time on the day on which the cases play, to the second, as GitHub tells it.
pub fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_750_000_000, 0).unwrap() + Duration::seconds(second)
}

/// The time, as the store keeps it.
pub fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(6)
}

pub fn source(full_name: &str) -> ProjectRepository {
    ProjectRepository {
        source: "primary".to_owned(),
        full_name: full_name.parse().unwrap(),
        clone_url: format!("https://github.com/{full_name}.git"),
        branch: "main".to_owned(),
    }
}

/// A project with these repositories; the first one's row.
pub async fn project(store: &Store, team: &str, name: &str, repositories: &[&str]) -> Repository {
    store
        .sync_project(&ProjectSync {
            team: team.to_owned(),
            project: name.to_owned(),
            cluster: "local".to_owned(),
            problem: None,
            repositories: repositories.iter().map(|name| source(name)).collect(),
        })
        .await
        .unwrap();
    let rows = store.project_repositories(team, name).await.unwrap();
    rows.into_iter().next().unwrap()
}

/// An open pull request, as GitHub told of it at second 0.
pub fn news(repository: &Repository, number: u64) -> NewPullRequest {
    NewPullRequest {
        repository_id: repository.id.clone(),
        github_id: 1_000_000 + number,
        number: PullRequestNumber::try_from(number).unwrap(),
        title: format!("Change {number}"),
        author: "octocat".to_owned(),
        url: format!("https://github.com/{}/pull/{number}", repository.full_name),
        state: PullRequestState::Open,
        status: ReviewStatus::Ready,
        labels: vec!["preview".to_owned()],
        head_sha: commit('a'),
        head_ref: format!("topic-{number}"),
        head_repository: Some(repository.full_name.to_string()),
        is_fork: false,
        updated_at: at(0),
    }
}

pub async fn pull_request(store: &Store, repository: &Repository, number: u64) -> PullRequest {
    store
        .upsert_pull_request(&news(repository, number))
        .await
        .unwrap()
        .pull_request
}

/// A pull request of a project of its own.
pub async fn some_pull_request(store: &Store) -> PullRequest {
    let repository = project(store, "acme", "shop", &["acme/shop"]).await;
    pull_request(store, &repository, 7).await
}

pub fn wish(pull_request: &PullRequest, digit: char) -> PreviewRequest {
    PreviewRequest {
        pull_request_id: pull_request.id.clone(),
        commit: commit(digit),
        branch: pull_request.head_ref.clone(),
        namespace: format!("acme-shop-preview-{}", pull_request.number),
        environment: format!("preview-{}", pull_request.number),
        blocked: None,
        url: None,
        requested_at: now(),
        request_id: None,
    }
}

/// The wish for a preview of a branch, made by hand, that ends at second 0.
pub fn by_hand(repository: &Repository, user: &User, name: &str) -> ManualPreview {
    ManualPreview {
        repository_id: repository.id.clone(),
        created_by: user.id,
        branch: "topic".to_owned(),
        commit: None,
        image: None,
        port: None,
        namespace: format!("{}-{}-{name}", repository.team, repository.project),
        environment: name.to_owned(),
        expires_at: at(0),
        request_id: None,
    }
}

pub async fn requested(store: &Store, pull_request: &PullRequest, digit: char) -> Preview {
    let request = wish(pull_request, digit);
    store.request_preview(&request).await.unwrap().preview
}

pub fn report(preview: &Preview, status: PreviewStatus) -> PreviewReport {
    let runs = status == PreviewStatus::Running;
    PreviewReport {
        attempt: preview.attempt,
        status,
        phase: None,
        message: None,
        url: Some(format!("https://{}.example.test/", preview.namespace)),
        serving_commit: if runs {
            preview.commit.clone()
        } else {
            preview.serving_commit.clone()
        },
    }
}

/// Reports what must be taken.
pub async fn reported(store: &Store, preview: &Preview, status: PreviewStatus) -> Preview {
    let outcome = store
        .report_preview(&preview.row_id, &report(preview, status))
        .await
        .unwrap();
    match outcome {
        Reported::Changed(preview) => *preview,
        other => panic!("{other:?}"),
    }
}

pub async fn removed(store: &Store, preview: &Preview) -> Preview {
    store.start_removal(&preview.id).await.unwrap().unwrap();
    store.finish_removal(&preview.id).await.unwrap().unwrap()
}

/// The commit's digit, attempt and result of every deployment, newest first.
pub async fn results(store: &Store, id: &str) -> Vec<(String, u32, DeploymentResult)> {
    let deployments = store.deployments(id).await.unwrap();
    let told = deployments
        .into_iter()
        .map(|d| (d.commit[..1].to_owned(), d.attempt, d.result));
    told.collect()
}

pub fn result(
    digit: &str,
    attempt: u32,
    result: DeploymentResult,
) -> (String, u32, DeploymentResult) {
    (digit.to_owned(), attempt, result)
}

/// What this many tasks answer that run at once, on every thread.
pub async fn at_once<F>(
    tasks: usize,
    store: &Store,
    task: impl Fn(Store, usize) -> F,
) -> Vec<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    let running: Vec<_> = (0..tasks)
        .map(|n| tokio::spawn(task(store.clone(), n)))
        .collect();
    let mut answers = Vec::new();
    for task in running {
        answers.push(task.await.unwrap());
    }
    answers
}
