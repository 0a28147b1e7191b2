//! `list_preview_environments` and `get_preview_environment`.

use catalyst_model::{state::PreviewStatus, views::PreviewFilter};
use catalyst_previews::{Actor, Previews};
use chrono::Utc;

use crate::{
    answer::Refusal,
    input::{Status, WhichPreview, WhichPreviews},
    views::{Environment, List, One, Row},
};

/// The use case's own bound.
const MOST: u32 = 500;

pub async fn list(
    previews: &Previews,
    actor: &Actor,
    asked: WhichPreviews,
) -> Result<List, Refusal> {
    if !(1..=MOST).contains(&asked.limit) {
        return Err(Refusal::Input(format!("limit: expected 1 to {MOST}")));
    }
    let filter = PreviewFilter {
        statuses: asked.status.map(status).into_iter().collect(),
        repository: asked.repository,
        offset: asked.offset,
        limit: asked.limit,
        ..PreviewFilter::default()
    };
    let list = previews.list(actor, &filter).await?;
    let now = Utc::now();
    let environments: Vec<Row> = list
        .previews
        .into_iter()
        .map(|summary| Row::of(summary, now))
        .collect();
    Ok(List {
        success: true,
        count: environments.len(),
        total: list.matching,
        environments,
    })
}

pub async fn get(previews: &Previews, actor: &Actor, asked: WhichPreview) -> Result<One, Refusal> {
    let detail = previews.get(actor, asked.one()?).await?;
    Ok(One {
        success: true,
        environment: Environment::of(detail),
    })
}

fn status(status: Status) -> PreviewStatus {
    match status {
        Status::Pending => PreviewStatus::Pending,
        Status::Deploying => PreviewStatus::Deploying,
        Status::Running => PreviewStatus::Running,
        Status::Failed => PreviewStatus::Failed,
        Status::Deleting => PreviewStatus::Deleting,
    }
}
