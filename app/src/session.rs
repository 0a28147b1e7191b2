//! What the server tells every page about the one who looks at it: who they are, what time it
//! is, and which theme they chose. The browser reads the same values, so both render alike.

use catalyst_model::views::Viewer;
use chrono::{DateTime, Utc};
use leptos::prelude::*;
use serde::{Deserialize, Serialize};

use crate::live;

/// The cookie that keeps the chosen theme.
const THEME_COOKIE: &str = "theme";

/// Light, dark, or as the system says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Theme {
    #[default]
    System,
    Light,
    Dark,
}

impl Theme {
    /// The word in the cookie and in the page.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    /// The theme that a press on the button leads to.
    pub(crate) const fn next(self) -> Self {
        match self {
            Self::System => Self::Light,
            Self::Light => Self::Dark,
            Self::Dark => Self::System,
        }
    }

    /// The theme that this request asks for.
    #[cfg(feature = "ssr")]
    pub(crate) fn of_request() -> Self {
        match crate::request::cookie(THEME_COOKIE).as_deref() {
            Some("light") => Self::Light,
            Some("dark") => Self::Dark,
            _ => Self::System,
        }
    }

    /// Shows this theme, and remembers it for a year.
    pub(crate) fn choose(self) {
        live::set_theme(self.as_str());
        live::set_cookie(THEME_COOKIE, self.as_str());
    }
}

/// How one gets in, and where one is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Doors {
    /// Whether people sign in with GitHub.
    pub github: bool,
    /// The address of this Catalyst, without a slash at its end.
    pub url: String,
}

#[derive(Clone, Serialize, Deserialize)]
struct Told {
    viewer: Option<Viewer>,
    doors: Doors,
    #[serde(with = "catalyst_model::instant")]
    now: DateTime<Utc>,
    theme: Theme,
}

/// Who looks at the pages; none before sign-in.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) viewer: Option<Viewer>,
    pub(crate) doors: Doors,
    pub(crate) theme: RwSignal<Theme>,
}

/// The time as the server tells it, kept going in the browser.
#[derive(Clone, Copy)]
pub(crate) struct Clock(RwSignal<DateTime<Utc>>);

impl Clock {
    /// The present time; what reads it is told each second.
    pub(crate) fn now(self) -> DateTime<Utc> {
        self.0.get()
    }
}

/// The page's clock.
pub(crate) fn use_clock() -> Clock {
    expect_context::<Clock>()
}

/// Puts [`Session`] and [`Clock`] into the context.
pub(crate) fn provide_session() {
    let told = SharedValue::new(tell).into_inner();
    let clock = Clock(RwSignal::new(told.now));
    provide_context(clock);
    provide_context(Session {
        viewer: told.viewer,
        doors: told.doors,
        theme: RwSignal::new(told.theme),
    });
    Effect::new(move |_| {
        // The browser's own clock may be wrong; what counts is the time that passes on it.
        let behind = told.now - live::browser_time();
        live::every_second(move || clock.0.set(live::browser_time() + behind));
    });
}

#[cfg(feature = "ssr")]
fn tell() -> Told {
    let actor = use_context::<Option<catalyst_previews::Actor>>().flatten();
    Told {
        viewer: actor.map(viewer),
        doors: use_context::<Doors>().unwrap_or_default(),
        now: Utc::now(),
        theme: Theme::of_request(),
    }
}

#[cfg(feature = "ssr")]
fn viewer(actor: catalyst_previews::Actor) -> Viewer {
    let mut teams: Vec<String> = actor
        .memberships
        .into_iter()
        .map(|(team, _)| team)
        .collect();
    teams.sort_unstable();
    Viewer {
        login: actor.login,
        teams,
        operator: actor.operator,
    }
}

/// Only the server can tell; the browser gets here without a server's page, as when it is run
/// on its own.
#[cfg(not(feature = "ssr"))]
fn tell() -> Told {
    Told {
        viewer: None,
        doors: Doors::default(),
        now: live::browser_time(),
        theme: Theme::default(),
    }
}
