//! What is shown in the place of something that is not there: its name, why that may be, and
//! what to do.

use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_location;

use crate::{
    components::icons::{Glyph, Icon},
    layout::Chrome,
    request,
    session::Session,
};

/// No page has this address.
#[component]
pub(crate) fn NotFoundPage() -> impl IntoView {
    request::set_page_status(404);
    let path = use_location().pathname;
    let signed_in = expect_context::<Session>().viewer.is_some();
    let card = move || {
        view! {
            <Title text="No such page" />
            <div class="card missing">
                <span class="empty-icon">
                    <Icon glyph=Glyph::Search />
                </span>
                <h1>"No such page"</h1>
                <p>"Nothing is at " <code class="breakable">{path}</code> "."</p>
                <div class="actions">
                    <a class="button primary" href="/preview-environments">
                        "See all previews"
                    </a>
                </div>
            </div>
        }
    };
    match signed_in {
        true => view! { <Chrome>{card()}</Chrome> }.into_any(),
        false => view! { <main class="alone">{card()}</main> }.into_any(),
    }
}

/// No preview has this id, or none that one may see.
#[component]
pub(crate) fn MissingPreview(id: String) -> impl IntoView {
    request::set_page_status(404);
    view! {
        <Title text="No such preview" />
        <div class="card missing">
            <span class="empty-icon">
                <Icon glyph=Glyph::Previews />
            </span>
            <h1>"No such preview"</h1>
            <p>"There is no preview environment " <code class="breakable">{id}</code> "."</p>
            <h2>"Why that may be"</h2>
            <ul>
                <li>"The address was cut or mistyped."</li>
                <li>"It belongs to a team that you are not a member of."</li>
                <li>
                    "The pull request was closed long ago; those closed lately are listed under Removed."
                </li>
            </ul>
            <div class="actions">
                <a class="button primary" href="/preview-environments">
                    "See all previews"
                </a>
                <a class="button" href="/preview-environments?status=removed">
                    "See removed ones"
                </a>
                <a class="button" href="" rel="external">
                    <Icon glyph=Glyph::Refresh />
                    "Try again"
                </a>
            </div>
        </div>
    }
}

/// Something of the cluster's that is not there, or that one may not see: by its type and name.
#[component]
pub(crate) fn Missing(
    what: &'static str,
    name: String,
    causes: Vec<&'static str>,
) -> impl IntoView {
    request::set_page_status(404);
    let title = format!("{what} not found");
    view! {
        <Title text=title.clone() />
        <div class="card missing">
            <span class="empty-icon">
                <Icon glyph=Glyph::Box />
            </span>
            <h1>{title}</h1>
            <p>"There is no " {what} " " <code class="breakable">{name}</code> "."</p>
            <h2>"Why that may be"</h2>
            <ul>{causes.into_iter().map(|cause| view! { <li>{cause}</li> }).collect_view()}</ul>
            <div class="actions">
                <a class="button primary" href="" rel="external">
                    <Icon glyph=Glyph::Refresh />
                    "Retry"
                </a>
                <a class="button" href="/projects">
                    "See all projects"
                </a>
            </div>
        </div>
    }
}
