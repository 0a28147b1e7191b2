use catalyst_github::{
    client::Upserted,
    comment::{CommentBody, CommentState, MARKER, PreviewComment, render},
};
use catalyst_testkit::github::Fault;
use chrono::DateTime;
use futures::future::join_all;

use super::*;

const BOT: &str = "catalyst-test[bot]";

fn body(state: CommentState<'_>) -> CommentBody {
    let comment = PreviewComment {
        state,
        commit: &SHA.parse().unwrap(),
        namespace: None,
        page: None,
        updated_at: DateTime::UNIX_EPOCH,
        history: &[],
    };
    render(&comment, &str::to_owned)
}

impl World {
    fn texts(&self) -> Vec<(String, String)> {
        let comments = self.fake.comments("acme/shop", 7).into_iter();
        comments.map(|it| (it.author, it.body)).collect()
    }
}

async fn upsert(github: &GitHub, remembered: Option<i64>, body: &CommentBody) -> Upserted {
    let upserted = github
        .upsert_comment(&shop(), seven(), remembered, body)
        .await;
    upserted.unwrap_or_else(|error| panic!("{}", chain(&error)))
}

#[tokio::test]
async fn the_first_comment_is_written_and_the_next_edit_is_one_call() {
    let world = World::with_pull_request().await;
    let github = world.as_app();
    let written = upsert(&github, None, &body(CommentState::Pending)).await;
    assert!(written.changed);
    let before = world.fake.calls().len();
    let live = body(CommentState::Deploying);
    let edited = upsert(&github, Some(written.id), &live).await;
    assert_eq!(edited.id, written.id);
    assert_eq!(world.fake.calls().len(), before + 1);
    assert_eq!(world.texts(), [(BOT.to_owned(), live.as_str().to_owned())]);
}

#[tokio::test]
async fn our_comment_is_found_on_a_late_page_by_marker_and_author() {
    let world = World::with_pull_request().await;
    for number in 0..250 {
        world
            .fake
            .add_comment("acme/shop", 7, "octocat", &format!("Comment {number}"));
    }
    let forged = format!("{MARKER}\nnot ours");
    world.fake.add_comment("acme/shop", 7, "mallory", &forged);
    world
        .fake
        .add_comment("acme/shop", 7, BOT, "Something else that the bot says");
    let quoted = format!("> {MARKER}\n\nWhat is this?");
    world.fake.add_comment("acme/shop", 7, BOT, &quoted);
    let ours = world
        .fake
        .add_comment("acme/shop", 7, BOT, &format!("{MARKER}\nold"));
    let new = body(CommentState::Removed);
    let kept = upsert(&world.as_app(), None, &new).await;
    assert_eq!(
        kept,
        Upserted {
            id: ours,
            changed: true
        }
    );
    let texts = world.texts();
    assert_eq!(texts.len(), 254);
    assert_eq!(texts[250].1, forged);
    assert_eq!(texts[252].1, quoted);
    assert_eq!(texts[253].1, new.as_str());
    assert_eq!(world.fake.count("issues/create-comment"), 0);
}

#[tokio::test]
async fn a_comment_that_says_it_already_is_left_alone() {
    let world = World::with_pull_request().await;
    let github = world.as_app();
    let same = body(CommentState::Deploying);
    let first = upsert(&github, None, &same).await;
    let second = upsert(&github, None, &same).await;
    assert_eq!(
        second,
        Upserted {
            id: first.id,
            changed: false
        }
    );
    assert_eq!(world.fake.count("issues/update-comment"), 0);
}

#[tokio::test]
async fn a_deleted_comment_is_written_anew() {
    let world = World::with_pull_request().await;
    let github = world.as_app();
    let first = upsert(&github, None, &body(CommentState::Pending)).await;
    world.fake.delete_comment("acme/shop", first.id);
    let second = upsert(&github, Some(first.id), &body(CommentState::Deploying)).await;
    assert_ne!(first.id, second.id);
    assert_eq!(world.texts().len(), 1);
}

#[tokio::test]
async fn duplicates_collapse_to_the_oldest() {
    let world = World::with_pull_request().await;
    let old = format!("{MARKER}\nold");
    let oldest = world.fake.add_comment("acme/shop", 7, BOT, &old);
    for _ in 0..3 {
        world.fake.add_comment("acme/shop", 7, BOT, &old);
    }
    let new = body(CommentState::Deploying);
    let kept = upsert(&world.as_app(), None, &new).await;
    assert_eq!(kept.id, oldest);
    assert_eq!(world.texts(), [(BOT.to_owned(), new.as_str().to_owned())]);
}

#[tokio::test]
async fn writers_that_start_at_once_end_with_one_comment() {
    let world = World::with_pull_request().await;
    let new = body(CommentState::Deploying);
    let writers: Vec<GitHub> = (0..4).map(|_| world.as_app()).collect();
    join_all(writers.iter().map(|github| upsert(github, None, &new))).await;
    upsert(&writers[0], None, &new).await;
    assert_eq!(world.texts().len(), 1);
}

#[tokio::test]
async fn a_comment_whose_answer_was_lost_is_found_and_not_written_twice() {
    let world = World::with_pull_request().await;
    world
        .fake
        .fail("issues/create-comment", 1, Fault::LostAnswer);
    let new = body(CommentState::Deploying);
    let kept = upsert(&world.as_app(), None, &new).await;
    assert_eq!(world.fake.count("issues/create-comment"), 1);
    assert_eq!(world.fake.comments("acme/shop", 7)[0].id, kept.id);
    assert_eq!(world.texts().len(), 1);
}

#[tokio::test]
async fn a_token_keeps_the_comment_of_its_owner() {
    let world = World::with_pull_request().await;
    let github = world.as_user();
    let first = upsert(&github, None, &body(CommentState::Pending)).await;
    let second = upsert(&github, None, &body(CommentState::Removed)).await;
    assert_eq!(first.id, second.id);
    assert_eq!(world.texts()[0].0, github::TOKEN_LOGIN);
}
