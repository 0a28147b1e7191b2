//! Signing in by a one-time link.

use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_query_map;

use crate::{
    components::icons::{Glyph, Icon, Mark},
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
    let viewer = expect_context::<Session>().viewer;
    let content = match (token, viewer) {
        (Some(token), _) => view! { <WithToken token next /> }.into_any(),
        (None, Some(viewer)) => view! {
            <p>"You are signed in as " <strong>{viewer.login}</strong> "."</p>
            <a class="button primary wide" href="/preview-environments">
                "See the previews"
            </a>
        }
        .into_any(),
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
        _ => "Signing in did not work. Try again with a new link.",
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
