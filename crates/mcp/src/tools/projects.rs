//! `get_projects`.

use catalyst_previews::{Actor, Previews};

use crate::{
    answer::Refusal,
    input::Nothing,
    views::{Project, Projects},
};

pub async fn list(previews: &Previews, actor: &Actor, _: Nothing) -> Result<Projects, Refusal> {
    let projects = previews.projects(actor).await?;
    let projects: Vec<Project> = projects.into_iter().map(Project::of).collect();
    Ok(Projects {
        success: true,
        count: projects.len(),
        projects,
    })
}
