//! How a project's pull requests are run: what was found out, and a form to say it better.

use catalyst_model::platform::{ProjectPlatform, RunAlternative, RunOverride};
use leptos::prelude::*;

use crate::{
    api::OverrideRun,
    components::{
        failure::ActionFailure,
        icons::{Glyph, Icon},
    },
    error::AppError,
};

/// The section of how it is run.
#[component]
pub(super) fn Run(platform: ProjectPlatform, reload: Callback<()>) -> impl IntoView {
    let run = platform.run;
    let said = run.said.clone();
    let is_said = said != RunOverride::default();
    let found = match (run.found, &run.fixed) {
        (_, Some(why)) => {
            view! { <p class="card plain-card">{format!("As {why}.")}</p> }.into_any()
        }
        (Some(found), None) => view! {
            <p class="card plain-card run-found">
                <Icon glyph=Glyph::Box />
                <span>{found}</span>
            </p>
        }
        .into_any(),
        (None, None) => view! {
            <p class="card plain-card none">
                "It is found out from the repository when its first pull request is run."
            </p>
        }
        .into_any(),
    };
    let may_say = run.may_change && run.fixed.is_none();
    let slug = platform.slug;
    view! {
        <section aria-labelledby="run-title">
            <h2 class="section-head" id="run-title">
                "How it is run"
            </h2>
            {found}
            {may_say
                .then(|| {
                    view! {
                        <Choices slug=slug.clone() alternatives=run.alternatives is_said reload />
                        <Form slug said is_said reload />
                    }
                })}
        </section>
    }
    .into_any()
}

/// What it could be instead, each said with one click.
#[component]
fn Choices(
    slug: String,
    alternatives: Vec<RunAlternative>,
    is_said: bool,
    reload: Callback<()>,
) -> impl IntoView {
    let (change, failure) = said_by(reload);
    let back = RunAlternative {
        words: "what is found out".to_owned(),
        run: RunOverride::default(),
    };
    let all: Vec<_> = is_said
        .then_some(back)
        .into_iter()
        .chain(alternatives)
        .collect();
    (!all.is_empty()).then(|| {
        let choices = all
            .into_iter()
            .map(|choice| view! { <Choice slug=slug.clone() choice change /> });
        view! {
            <ActionFailure error=failure />
            <div class="run-choices" role="group" aria-labelledby="run-instead">
                <span id="run-instead">"Run instead:"</span>
                {choices.collect_view()}
            </div>
        }
    })
}

#[component]
fn Choice(slug: String, choice: RunAlternative, change: Said) -> impl IntoView {
    let RunOverride {
        command,
        port,
        path,
    } = choice.run;
    let port = port.map(|port| port.to_string());
    view! {
        <ActionForm action=change>
            <input type="hidden" name="slug" value=slug />
            <input type="hidden" name="command" value=command.unwrap_or_default() />
            <input type="hidden" name="port" value=port.unwrap_or_default() />
            <input type="hidden" name="path" value=path.unwrap_or_default() />
            <button type="submit" class="button" disabled=change.pending()>
                {choice.words}
            </button>
        </ActionForm>
    }
}

type Said = ServerAction<OverrideRun>;

/// What says it, and what went wrong with that; the page is read anew after it.
fn said_by(reload: Callback<()>) -> (Said, Signal<Option<AppError>>) {
    let change = Said::new();
    Effect::new(move |_| {
        if let Some(Ok(())) = change.value().get() {
            reload.run(());
        }
    });
    let failure = Signal::derive(move || change.value().get().and_then(Result::err));
    (change, failure)
}

#[component]
fn Form(slug: String, said: RunOverride, is_said: bool, reload: Callback<()>) -> impl IntoView {
    let (change, failure) = said_by(reload);
    view! {
        <details class="more" open=is_said>
            <summary>
                {if is_said { "Your team says how" } else { "Something else" }}
            </summary>
            <ActionForm action=change attr:class="card secret-form">
                <ActionFailure error=failure />
                <input type="hidden" name="slug" value=slug />
                <div class="fields">
                    <label class="field wide">
                        <span>"Command"</span>
                        <input
                            type="text"
                            name="command"
                            class="mono"
                            value=said.command.unwrap_or_default()
                            placeholder="npm run dev"
                            maxlength="1000"
                            autocomplete="off"
                            spellcheck="false"
                        />
                    </label>
                    <label class="field">
                        <span>"Port"</span>
                        <input
                            type="text"
                            name="port"
                            class="mono"
                            inputmode="numeric"
                            value=said.port.map(|port| port.to_string()).unwrap_or_default()
                            placeholder="3000"
                            autocomplete="off"
                        />
                    </label>
                    <label class="field">
                        <span>"Folder"</span>
                        <input
                            type="text"
                            name="path"
                            class="mono"
                            value=said.path.unwrap_or_default()
                            placeholder="the repository’s root"
                            autocomplete="off"
                            spellcheck="false"
                        />
                    </label>
                </div>
                <p class="hint">
                    "What is left empty is found out. It counts for all previews of this project, those that run included."
                </p>
                <button type="submit" class="button primary" disabled=change.pending()>
                    "Run it so"
                </button>
            </ActionForm>
        </details>
    }
    .into_any()
}
