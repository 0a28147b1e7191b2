//! What the browser shows: pages, components and server functions.
//!
//! One tree, rendered on the server and taken over by the browser. It is built once with the
//! feature `ssr` and once with `hydrate`; never with both.
//!
//! The server provides, through Leptos' context: `catalyst_previews::Previews`,
//! `Option<catalyst_previews::Actor>`, [`Doors`], and a nonce for inline scripts. It mounts the server
//! functions below `/api/fn/`, takes the forms of `/sign-in` and `/sign-out`, and streams news
//! from `/api/preview-environments/…`.

// Views nest deeply, and each is a type of its own.
#![recursion_limit = "512"]

mod api;
mod codec;
mod components;
mod error;
#[cfg(test)]
mod fixtures;
mod format;
mod layout;
mod live;
mod pages;
mod request;
mod session;
mod status;

pub use error::{AppError, AppErrorKind};
pub use pages::tokens::Minted;
pub use session::Doors;

use std::sync::Arc;

use layout::Frame;
use leptos::prelude::*;
use leptos_meta::{MetaTags, Title, provide_meta_context};
use leptos_router::{
    PossibleRouteMatch, SsrMode,
    components::{ParentRoute, Redirect, Route, Router, Routes},
    path,
};
use pages::{lazy::LazyPage, list::ListPage, not_found::NotFoundPage};

/// The document around the pages.
pub fn shell(options: LeptosOptions) -> impl IntoView {
    #[cfg(feature = "ssr")]
    let theme = session::Theme::of_request().as_str();
    #[cfg(not(feature = "ssr"))]
    let theme = session::Theme::System.as_str();
    view! {
        <!DOCTYPE html>
        <html lang="en" data-theme=theme>
            <head>
                <meta charset="utf-8" />
                <meta name="viewport" content="width=device-width, initial-scale=1" />
                <meta name="color-scheme" content="light dark" />
                <meta name="robots" content="noindex" />
                <link
                    rel="preload"
                    href="/fonts/inter-latin-wght-normal.woff2"
                    r#as="font"
                    r#type="font/woff2"
                    crossorigin="anonymous"
                />
                <link rel="stylesheet" href="/pkg/catalyst.css" />
                <link rel="icon" href="/favicon.svg" r#type="image/svg+xml" />
                <HydrationScripts options />
                <MetaTags />
            </head>
            <body>
                <App />
            </body>
        </html>
    }
}

/// A route's path. One type for all of them: the router's code is compiled once for each.
fn at(
    path: impl PossibleRouteMatch + Send + Sync + 'static,
) -> Arc<dyn PossibleRouteMatch + Send + Sync> {
    Arc::new(path)
}

/// All pages.
#[component]
pub fn App() -> impl IntoView {
    provide_meta_context();
    session::provide_session();
    // Pages come whole: they read well without JavaScript, and their status is known in time.
    let ssr = SsrMode::Async;
    view! {
        <Title formatter=|title: String| match title.as_str() {
            "" => "Catalyst".to_owned(),
            title => format!("{title} · Catalyst"),
        } />
        <Router>
            <Routes fallback=NotFoundPage>
                <Route path=at(path!("/")) view=|| view! { <Redirect path="/preview-environments" /> } ssr=ssr.clone() />
                <Route path=at(path!("/sign-in")) view=LazyPage::SignIn ssr=ssr.clone() />
                <ParentRoute path=at(path!("")) view=Frame ssr=ssr.clone()>
                    <Route path=at(path!("/preview-environments")) view=ListPage ssr=ssr.clone() />
                    <Route path=at(path!("/platform/environments")) view=ListPage ssr=ssr.clone() />
                    <Route path=at(path!("/preview-environments/new")) view=LazyPage::Create ssr=ssr.clone() />
                    <Route path=at(path!("/preview-environments/:id")) view=LazyPage::Preview ssr=ssr.clone() />
                    <Route path=at(path!("/preview-environments/:id/delete")) view=LazyPage::Delete ssr=ssr.clone() />
                    <Route path=at(path!("/projects")) view=LazyPage::Projects ssr=ssr.clone() />
                    <Route path=at(path!("/projects/new")) view=LazyPage::NewProject ssr=ssr.clone() />
                    <Route path=at(path!("/projects/:slug/platform")) view=LazyPage::Project ssr=ssr.clone() />
                    <Route path=at(path!("/projects/:slug/env/:env")) view=LazyPage::Environment ssr=ssr.clone() />
                    <Route path=at(path!("/deliveries")) view=LazyPage::Deliveries ssr=ssr.clone() />
                    <Route path=at(path!("/teams")) view=LazyPage::Teams ssr=ssr.clone() />
                    <Route path=at(path!("/teams/:name")) view=LazyPage::Team ssr=ssr.clone() />
                    <Route path=at(path!("/tokens")) view=LazyPage::Tokens ssr=ssr.clone() />
                    <Route path=at(path!("/overview")) view=LazyPage::Overview ssr />
                </ParentRoute>
            </Routes>
        </Router>
    }
}
