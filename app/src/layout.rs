//! The frame around the pages: navigation, who is signed in, the theme.

use leptos::prelude::*;
use leptos_router::{
    components::{Outlet, Redirect},
    hooks::use_location,
};

use crate::{
    components::{
        changing::{maybe, text},
        icons::{Glyph, Icon, LiveIcon, Mark},
    },
    live,
    session::{Session, Theme},
};

/// The frame, for those who are signed in; others are led to the sign-in page.
#[component]
pub(crate) fn Frame() -> impl IntoView {
    let session = expect_context::<Session>();
    match session.viewer.is_some() {
        true => view! { <SignedIn /> }.into_any(),
        false => view! { <Redirect path="/sign-in" /> }.into_any(),
    }
}

#[component]
fn SignedIn() -> impl IntoView {
    focus_new_pages();
    view! {
        <Chrome>
            <Outlet />
        </Chrome>
    }
}

/// Navigation and account around a page's content.
#[component]
pub(crate) fn Chrome(children: Children) -> impl IntoView {
    view! {
        <a class="skip" href="#main" rel="external">
            "Skip to the content"
        </a>
        <div class="frame">
            <header class="side">
                <a class="brand" href="/preview-environments">
                    <Mark />
                    "Catalyst"
                </a>
                <Navigation />
                <Account />
            </header>
            <main id="main" tabindex="-1">
                {children()}
            </main>
        </div>
    }
    .into_any()
}

/// After a change of page, the keyboard and the screen reader begin at the new content.
fn focus_new_pages() {
    let path = use_location().pathname;
    Effect::new(move |before: Option<String>| {
        let path = path.get();
        if before.is_some_and(|before| before != path) {
            live::focus("main");
        }
        path
    });
}

#[component]
fn Navigation() -> impl IntoView {
    let operator = expect_context::<Session>()
        .viewer
        .is_some_and(|viewer| viewer.operator);
    view! {
        <nav class="nav" aria-label="Main">
            <ul>
                <NavLink href="/preview-environments" glyph=Glyph::Previews label="Previews" />
                <NavLink href="/projects" glyph=Glyph::Box label="Projects" />
                <NavLink href="/deliveries" glyph=Glyph::Inbox label="Deliveries" />
                <NavLink href="/teams" glyph=Glyph::People label="Teams" />
                <NavLink href="/tokens" glyph=Glyph::Key label="Tokens" />
                {operator
                    .then(|| {
                        view! { <NavLink href="/overview" glyph=Glyph::Gauge label="Overview" /> }
                    })}
            </ul>
        </nav>
    }
    .into_any()
}

#[component]
fn NavLink(href: &'static str, glyph: Glyph, label: &'static str) -> impl IntoView {
    let path = use_location().pathname;
    let current = maybe(move || {
        let path = path.get();
        let alias = href == "/preview-environments" && path == "/platform/environments";
        if path == href || alias {
            Some("page")
        } else {
            path.strip_prefix(href)
                .is_some_and(|rest| rest.starts_with('/'))
                .then_some("true")
        }
    });
    view! {
        <li>
            <a href=href aria-current=current>
                <Icon glyph />
                <span>{label}</span>
            </a>
        </li>
    }
}

#[component]
fn Account() -> impl IntoView {
    let viewer = expect_context::<Session>().viewer;
    view! {
        <div class="account">
            {viewer
                .map(|viewer| {
                    let initials: String = viewer.login.chars().take(2).collect();
                    let teams = match viewer.teams.as_slice() {
                        _ if viewer.operator => "operator".to_owned(),
                        [] => "no team".to_owned(),
                        teams => teams.join(", "),
                    };
                    view! {
                        <span class="avatar" aria-hidden="true">
                            {initials}
                        </span>
                        <span class="who">
                            <span class="who-name">{viewer.login}</span>
                            <span class="who-teams" title=teams.clone()>
                                {teams.clone()}
                            </span>
                        </span>
                    }
                })}
            <ThemeButton />
            <form method="post" action="/sign-out">
                <button type="submit" class="icon-button" aria-label="Sign out" title="Sign out">
                    <Icon glyph=Glyph::SignOut />
                </button>
            </form>
        </div>
    }
    .into_any()
}

/// Goes through system, light and dark. Without scripts, the system decides.
#[component]
pub(crate) fn ThemeButton() -> impl IntoView {
    let theme = expect_context::<Session>().theme;
    let glyph = Signal::derive(move || match theme.get() {
        Theme::System => Glyph::Monitor,
        Theme::Light => Glyph::Sun,
        Theme::Dark => Glyph::Moon,
    });
    let label = text(move || format!("Theme: {}", theme.get().as_str()));
    let press = move |_| {
        theme.update(|theme| *theme = theme.next());
        theme.get_untracked().choose();
    };
    view! {
        <button
            type="button"
            class="icon-button scripted"
            aria-label=label.clone()
            title=label
            on:click=press
        >
            <LiveIcon glyph />
        </button>
    }
}
