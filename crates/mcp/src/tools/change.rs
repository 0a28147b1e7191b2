//! `delete_preview_environment` and `retry_preview_deployment`.

use catalyst_previews::{Actor, Previews};

use crate::{answer::Refusal, input::WhichPreview, views::Done};

pub async fn delete(
    previews: &Previews,
    actor: &Actor,
    asked: WhichPreview,
) -> Result<Done, Refusal> {
    let id = asked.one()?;
    previews.delete(actor, id).await?;
    Ok(Done::saying(format!(
        "Preview {id} is being deleted; get_preview_environment tells when it is gone."
    )))
}

pub async fn retry(
    previews: &Previews,
    actor: &Actor,
    asked: WhichPreview,
) -> Result<Done, Refusal> {
    let id = asked.one()?;
    previews.retry(actor, id).await?;
    Ok(Done::saying(format!(
        "Preview {id} is started anew; get_preview_environment tells how far it is."
    )))
}
