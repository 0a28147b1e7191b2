//! Signing in: with GitHub, or by a one-time link.

use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_query_map;

use crate::{
    components::icons::{Glyph, Icon, Mark},
    format,
    layout::ThemeButton,
    session::Session,
};

/// `/sign-in`. The link leads here; the button posts its token, so that a program that merely
/// looks at links spends none.
#[component]
pub(crate) fn SignInPage() -> impl IntoView {
    let query = use_query_map();
    let asked = |name: &str| query.with_untracked(|q| q.get(name).filter(|v| !v.is_empty()));
    let (token, next, problem) = (asked("token"), asked("next"), asked("problem"));
    let Session { viewer, doors, .. } = expect_context::<Session>();
    let content = match (token, viewer) {
        (Some(token), _) => view! { <WithToken token next /> }.into_any(),
        (None, Some(viewer)) => view! {
            <p>"You are signed in as " <strong>{viewer.login}</strong> "."</p>
            <a class="button primary wide" href="/preview-environments">
                "See the previews"
            </a>
        }
        .into_any(),
        (None, None) if doors.github => view! { <WithGitHub next /> }.into_any(),
        (None, None) => view! { <WithoutToken /> }.into_any(),
    };
    view! {
        <Title text="Sign in" />
        <main class="alone" id="main">
            <div class="card sign-in">
                <Mark />
                <h1>"Sign in to Catalyst"</h1>
                {problem.map(|problem| view! { <Problem problem /> })}
                {content}
            </div>
            <ThemeButton />
        </main>
    }
}

#[component]
fn Problem(problem: String) -> impl IntoView {
    let text = match problem.as_str() {
        "spent" => "This link was used already or is too old. Each one works once.",
        "unavailable" => {
            "Signing in does not work at the moment. Try again; the server's log says why."
        }
        "state" => "This sign-in took too long, or was begun in another browser. Begin it again.",
        "denied" => "GitHub did not tell us who you are: the request was refused there.",
        "not-set-up" => "Signing in with GitHub is not set up here. Use a one-time link.",
        _ => "Signing in did not work. Try again.",
    };
    view! {
        <p class="notice bad" role="alert">
            <Icon glyph=Glyph::Alert />
            <span>{text}</span>
        </p>
    }
}

#[component]
fn WithToken(token: String, next: Option<String>) -> impl IntoView {
    view! {
        <p>"This browser then stays signed in until you sign out, or stay away for a week."</p>
        <form method="post" action="/sign-in">
            <input type="hidden" name="token" value=token />
            {next.map(|next| view! { <input type="hidden" name="next" value=next /> })}
            <button type="submit" class="button primary wide">
                "Sign in"
            </button>
        </form>
    }
}

#[component]
fn WithGitHub(next: Option<String>) -> impl IntoView {
    let begin = match next {
        Some(next) => format!("/sign-in/github?next={}", format::encode(&next)),
        None => "/sign-in/github".to_owned(),
    };
    view! {
        <p>"GitHub tells Catalyst your login, and nothing else."</p>
        <a class="button primary wide" href=begin rel="external">
            "Sign in with GitHub"
        </a>
        <details class="more">
            <summary>"Use a one-time link instead"</summary>
            <p>"Whoever runs Catalyst makes one in a terminal:"</p>
            <pre class="command">
                <code>"catalyst sign-in"</code>
            </pre>
        </details>
    }
}

#[component]
fn WithoutToken() -> impl IntoView {
    view! {
        <p>
            "Open the one-time link that Catalyst prints in its terminal when it starts. For a new link:"
        </p>
        <pre class="command">
            <code>"catalyst sign-in"</code>
        </pre>
    }
}
