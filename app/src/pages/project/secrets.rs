//! A project's secrets: their names, and forms to write and remove them. No value is ever shown.

use catalyst_model::{
    platform::ProjectPlatform,
    secrets::{LONGEST_DESCRIPTION, LONGEST_NAME, LONGEST_VALUE, SecretLevel, SecretView},
};
use leptos::prelude::*;

use crate::{
    api::{RemoveSecret, WriteSecret},
    components::{
        failure::ActionFailure,
        icons::{Glyph, Icon},
        text::Ago,
    },
};

/// The section of secrets.
#[component]
pub(super) fn Secrets(platform: ProjectPlatform, reload: Callback<()>) -> impl IntoView {
    let remove = ServerAction::<RemoveSecret>::new();
    let removal_failed = Signal::derive(move || remove.value().get().and_then(Result::err));
    Effect::new(move |_| {
        if let Some(Ok(())) = remove.value().get() {
            reload.run(());
        }
    });
    let slug = platform.slug.clone();
    let may_write = platform.may_write_secrets;
    let rows = platform
        .secrets
        .clone()
        .into_iter()
        .map(|secret| view! { <Row secret slug=slug.clone() may_write remove /> })
        .collect_view();
    let list = match platform.secrets.is_empty() {
        true => view! { <p class="card plain-card none">"No secrets."</p> }.into_any(),
        false => view! { <ul class="card platform-list">{rows}</ul> }.into_any(),
    };
    view! {
        <section aria-labelledby="secrets-title">
            <h2 class="section-head" id="secrets-title">
                "Secrets"
            </h2>
            <p class="hint">
                "Environment variables of what runs. Values are encrypted and never shown again. Of one name, the environment's wins over the template's, that over the project's, and that over the team's."
            </p>
            <ActionFailure error=removal_failed />
            {list}
            {match (may_write, platform.keeps_secrets) {
                (true, true) => view! { <Form platform reload /> }.into_any(),
                (true, false) => {
                    view! {
                        <p class="notice warn">
                            <Icon glyph=Glyph::Alert />
                            <span>
                                "Secrets cannot be kept here: whoever runs Catalyst has to set TOKEN_ENCRYPTION_KEY."
                            </span>
                        </p>
                    }
                        .into_any()
                }
                (false, _) => {
                    view! { <p class="hint">"Owners and admins of the team write secrets."</p> }
                        .into_any()
                }
            }}
        </section>
    }
    .into_any()
}

fn level_in_words(level: &SecretLevel) -> String {
    match level {
        SecretLevel::Team => "team".to_owned(),
        SecretLevel::Project => "project".to_owned(),
        SecretLevel::Template(of) => format!("template {of}"),
        SecretLevel::Environment(of) => format!("environment {of}"),
    }
}

#[component]
fn Row(
    secret: SecretView,
    slug: String,
    may_write: bool,
    remove: ServerAction<RemoveSecret>,
) -> impl IntoView {
    let name = secret.name.clone();
    let (word, of) = (
        secret.level.word(),
        secret.level.of().unwrap_or_default().to_owned(),
    );
    let label = format!(
        "Remove {} of the {}",
        secret.name,
        level_in_words(&secret.level)
    );
    view! {
        <li class="platform-row secret">
            <code class="platform-name">{secret.name}</code>
            <span class="tag">{level_in_words(&secret.level)}</span>
            <span class="platform-sub">
                {secret.description} " " <span class="secret-by">{secret.updated_by} ", " <Ago at=secret.updated_at /></span>
            </span>
            {may_write
                .then(|| {
                    view! {
                        <ActionForm action=remove>
                            <input type="hidden" name="slug" value=slug />
                            <input type="hidden" name="level" value=word />
                            <input type="hidden" name="of" value=of />
                            <input type="hidden" name="name" value=name />
                            <button type="submit" class="button danger" aria-label=label>
                                "Remove"
                            </button>
                        </ActionForm>
                    }
                })}
        </li>
    }
    .into_any()
}

#[component]
fn Form(platform: ProjectPlatform, reload: Callback<()>) -> impl IntoView {
    let write = ServerAction::<WriteSecret>::new();
    let failure = Signal::derive(move || write.value().get().and_then(Result::err));
    let form = NodeRef::<leptos::html::Form>::new();
    Effect::new(move |_| {
        if let Some(Ok(())) = write.value().get() {
            // What was typed must not stay in the page.
            if let Some(form) = form.get_untracked() {
                form.reset();
            }
            reload.run(());
        }
    });
    let environments = platform
        .environments
        .iter()
        .map(|it| it.name.clone())
        .chain(platform.templates.iter().map(|it| it.name.clone()))
        .chain(["development".to_owned()]);
    let mut known: Vec<String> = environments.collect();
    known.sort_unstable();
    known.dedup();
    view! {
        <ActionForm action=write node_ref=form attr:class="card secret-form">
            <h3>"Write a secret"</h3>
            <ActionFailure error=failure />
            <input type="hidden" name="slug" value=platform.slug />
            <div class="fields">
                <label class="field">
                    <span>"Level"</span>
                    <select name="level">
                        <option value="project" selected>
                            "project"
                        </option>
                        <option value="team">"team"</option>
                        <option value="template">"template"</option>
                        <option value="environment">"environment"</option>
                    </select>
                </label>
                <label class="field">
                    <span>"Template or environment, where it is for one"</span>
                    <input type="text" name="of" list="secret-of" autocomplete="off" />
                </label>
                <datalist id="secret-of">
                    {known.into_iter().map(|name| view! { <option value=name></option> }).collect_view()}
                </datalist>
                <label class="field">
                    <span>"Name"</span>
                    <input
                        type="text"
                        name="name"
                        required
                        pattern="[A-Z_][A-Z0-9_]*"
                        maxlength=LONGEST_NAME.to_string()
                        autocomplete="off"
                        spellcheck="false"
                        placeholder="API_KEY"
                        title="Upper-case letters, digits and underscores"
                    />
                </label>
                <label class="field">
                    <span>"Description, optional"</span>
                    <input
                        type="text"
                        name="description"
                        maxlength=LONGEST_DESCRIPTION.to_string()
                        autocomplete="off"
                    />
                </label>
                <label class="field wide">
                    <span>"Value"</span>
                    <textarea
                        name="value"
                        required
                        rows="3"
                        maxlength=LONGEST_VALUE.to_string()
                        autocomplete="off"
                        spellcheck="false"
                    ></textarea>
                </label>
            </div>
            <p class="hint">
                "A secret of the same name at the same level is replaced. What gets it is started anew."
            </p>
            <button type="submit" class="button primary" disabled=write.pending()>
                "Write"
            </button>
        </ActionForm>
    }
    .into_any()
}
