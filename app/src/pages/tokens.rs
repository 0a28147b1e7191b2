//! Tokens, with which programs act for the one who is signed in.

use catalyst_model::access::{NewTokenView, TokenScope, TokenView};
use leptos::prelude::*;
use leptos_meta::Title;
use serde::{Deserialize, Serialize};

use crate::{
    api::{RevokeToken, list_teams, list_tokens},
    components::{
        copy::CopyButton,
        failure::{ActionFailure, FailurePage},
        icons::{Glyph, Icon},
        placeholder::{Empty, SkeletonRows},
        text::Ago,
    },
    error::AppError,
    format, request,
    session::{Session, use_clock},
};

/// What came of the form that makes a token: the server puts it into the page that it answers with,
/// and keeps the secret nowhere.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Minted(pub Result<NewTokenView, AppError>);

/// How many days a token may be good for.
const DAYS: [(u32, &str); 4] = [
    (7, "7 days"),
    (30, "30 days"),
    (90, "90 days"),
    (365, "1 year"),
];

/// `/tokens`
#[component]
pub(crate) fn TokensPage() -> impl IntoView {
    let minted = SharedValue::new(use_context::<Minted>).into_inner();
    let revoke = ServerAction::<RevokeToken>::new();
    let tokens = Resource::new(move || revoke.version().get(), |_| list_tokens());
    let failure = Signal::derive(move || revoke.value().get().and_then(Result::err));
    view! {
        <Title text="Tokens" />
        <header class="page-head">
            <div>
                <h1>"Tokens"</h1>
                <p class="lede">
                    "With a token an agent or a script does in your name what you may do, and never more."
                </p>
            </div>
        </header>
        {minted
            .map(|Minted(outcome)| match outcome {
                Ok(new) => view! { <Secret new /> }.into_any(),
                Err(error) => view! { <NotMinted error /> }.into_any(),
            })}
        <ActionFailure error=failure />
        <Transition fallback=|| view! { <SkeletonRows what="tokens" rows=3 /> }>
            {move || Suspend::new(async move {
                match tokens.await {
                    Ok(tokens) if tokens.is_empty() => view! { <NoTokens /> }.into_any(),
                    Ok(tokens) => view! { <TokenTable tokens revoke /> }.into_any(),
                    Err(error) => {
                        let again = Callback::new(move |()| tokens.refetch());
                        view! { <FailurePage error again /> }.into_any()
                    }
                }
            })}
        </Transition>
        <NewToken />
    }
}

/// The secret, this once.
#[component]
fn Secret(new: NewTokenView) -> impl IntoView {
    let address = format!("{}/api/mcp", expect_context::<Session>().doors.url);
    let secret = new.secret.clone();
    view! {
        <section class="card form-card minted" aria-labelledby="minted">
            <h2 id="minted">"Token “" {new.token.name} "” is made"</h2>
            <p>"Copy it now: it is shown this once, and kept nowhere."</p>
            <p class="secret">
                <code class="breakable" data-secret="true">
                    {new.secret}
                </code>
                <CopyButton text=Signal::stored(secret) what="the token" />
            </p>
            <p>
                "An agent that speaks MCP reaches Catalyst at " <code class="breakable">{address}</code>
                " (streamable HTTP) with the header " <code>"Authorization: Bearer …"</code> "."
            </p>
        </section>
    }
    .into_any()
}

#[component]
fn NotMinted(error: AppError) -> impl IntoView {
    request::set_page_status(error.kind.status());
    view! {
        <p class="notice bad" role="alert">
            <Icon glyph=Glyph::Alert />
            <span>
                <strong>"No token was made. " {error.message} "."</strong>
                " "
                {error.kind.advice()}
            </span>
        </p>
    }
    .into_any()
}

#[component]
fn NoTokens() -> impl IntoView {
    view! {
        <Empty glyph=Glyph::Key title="No tokens yet">
            <p>
                "Make one below for each program that needs one, so that each can be revoked on its own."
            </p>
        </Empty>
    }
}

#[component]
fn TokenTable(tokens: Vec<TokenView>, revoke: ServerAction<RevokeToken>) -> impl IntoView {
    view! {
        <div class="card table-card">
            <table class="people" role="table">
                <thead role="rowgroup">
                    <tr role="row">
                        <th role="columnheader" scope="col">"Token"</th>
                        <th role="columnheader" scope="col">"Lets it"</th>
                        <th role="columnheader" scope="col">"Last used"</th>
                        <th role="columnheader" scope="col">"Good until"</th>
                        <th role="columnheader" scope="col">
                            <span class="unseen">"Actions"</span>
                        </th>
                    </tr>
                </thead>
                <tbody role="rowgroup">
                    {tokens
                        .into_iter()
                        .map(|token| view! { <Row token revoke /> })
                        .collect_view()}
                </tbody>
            </table>
        </div>
    }
    .into_any()
}

#[component]
fn Row(token: TokenView, revoke: ServerAction<RevokeToken>) -> impl IntoView {
    let clock = use_clock();
    let (made, expires) = (token.created_at, token.expires_at);
    let expired = Memo::new(move |_| expires <= clock.now());
    let scope = match token.scope {
        TokenScope::Read => "read",
        TokenScope::Write => "read and write",
    };
    let about = match token.team {
        Some(team) => format!("in team {team}"),
        None => "in all your teams".to_owned(),
    };
    let label = format!("Revoke {}", token.name);
    view! {
        <tr role="row">
            <td role="cell">
                <div class="row-title breakable">{token.name}</div>
                <div class="row-sub">"made " <Ago at=made /></div>
            </td>
            <td role="cell">
                {scope} <div class="row-sub">{about}</div>
            </td>
            <td role="cell">
                {match token.last_used_at {
                    Some(at) => view! { <Ago at /> }.into_any(),
                    None => view! { <span class="none">"never"</span> }.into_any(),
                }}
            </td>
            <td role="cell">
                <time datetime=format::machine(expires)>{format::date(expires)}</time>
                {move || expired.get().then(|| view! { <div class="row-error">"expired"</div> })}
            </td>
            <td role="cell" class="col-actions">
                <ActionForm action=revoke>
                    <input type="hidden" name="id" value=token.id />
                    <button
                        type="submit"
                        class="button small danger"
                        aria-label=label
                        disabled=revoke.pending()
                    >
                        "Revoke"
                    </button>
                </ActionForm>
            </td>
        </tr>
    }
    .into_any()
}

/// Posts to the page itself, with scripts or without: the secret is in the answer alone.
#[component]
fn NewToken() -> impl IntoView {
    let teams = Resource::new(|| (), |()| list_teams());
    view! {
        <section class="card form-card" aria-labelledby="new-token">
            <h2 id="new-token">"Make a token"</h2>
            <Transition fallback=|| ()>
                {move || Suspend::new(async move {
                    let teams = teams.await.unwrap_or_default();
                    let names = teams.into_iter().map(|team| team.name).collect();
                    view! { <NewTokenForm teams=names /> }
                })}
            </Transition>
        </section>
    }
    .into_any()
}

#[component]
fn NewTokenForm(teams: Vec<String>) -> impl IntoView {
    view! {
        <form method="post" action="/tokens">
            <div class="form-line">
                <label class="input">
                    <span>"What for"</span>
                    <input
                        type="text"
                        name="name"
                        required
                        maxlength="100"
                        placeholder="my coding agent"
                        autocomplete="off"
                    />
                </label>
                <label class="input narrow">
                    <span>"Lets it"</span>
                    <select name="scope">
                        <option value="read">"read"</option>
                        <option value="write">"read and write"</option>
                    </select>
                </label>
                <label class="input narrow">
                    <span>"In"</span>
                    <select name="team">
                        <option value="">"all your teams"</option>
                        {teams
                            .into_iter()
                            .map(|team| {
                                let value = team.clone();
                                view! { <option value=value>{team}</option> }
                            })
                            .collect_view()}
                    </select>
                </label>
                <label class="input narrow">
                    <span>"Good for"</span>
                    <select name="days">
                        {DAYS
                            .into_iter()
                            .map(|(days, words)| {
                                view! {
                                    <option value=days.to_string() selected={days == 90}>
                                        {words}
                                    </option>
                                }
                            })
                            .collect_view()}
                    </select>
                </label>
                <button type="submit" class="button primary">
                    <Icon glyph=Glyph::Key />
                    "Make token"
                </button>
            </div>
        </form>
    }
    .into_any()
}
