#![allow(clippy::unwrap_used)]

use super::*;

fn sha(digit: char) -> CommitSha {
    digit.to_string().repeat(40).parse().unwrap()
}

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap()
}

/// An open pull request of the repository's own branch, at commit `aaa…`, updated at second 10.
fn pull_request() -> Facts {
    Facts {
        state: PullRequestState::Open,
        draft: false,
        labels: Vec::new(),
        head_sha: sha('a'),
        head_repository: Some("acme/shop".into()),
        is_fork: false,
        updated_at: at(10),
    }
}

fn rules() -> Rules {
    Rules {
        no_preview_label: "no-preview".into(),
        skip_drafts: true,
    }
}

/// The pull request as the store knows it: open, with a running preview of `aaa…`.
fn known() -> Known {
    Known {
        closed: false,
        updated_at: at(5),
        approved: None,
        removed: None,
        preview: Some(KnownPreview {
            commit: sha('a'),
            status: PreviewStatus::Running,
            blocked: false,
        }),
    }
}

fn from_fork(mut it: Facts) -> Facts {
    it.is_fork = true;
    it.head_repository = Some("mallory/shop".into());
    it
}

fn closed(mut it: Facts) -> Facts {
    it.state = PullRequestState::Closed;
    it
}

fn with(mut it: Facts, change: impl FnOnce(&mut Facts)) -> Facts {
    change(&mut it);
    it
}

fn known_with(change: impl FnOnce(&mut Known)) -> Option<Known> {
    let mut it = known();
    change(&mut it);
    Some(it)
}

#[test]
fn every_state_has_its_decision() {
    use PullRequestAction as Action;
    let deleting = |it: &mut Known| it.preview.as_mut().unwrap().status = PreviewStatus::Deleting;
    let blocked = |it: &mut Known| it.preview.as_mut().unwrap().blocked = true;
    let no_preview = |it: &mut Known| it.preview = None;
    let cases = [
        (
            "a new pull request",
            Action::Opened,
            pull_request(),
            None,
            "deploy",
            "commit aaaaaaa is to run",
        ),
        (
            "a push",
            Action::Synchronize,
            with(pull_request(), |it| it.head_sha = sha('b')),
            Some(known()),
            "deploy",
            "commit bbbbbbb takes the place of aaaaaaa",
        ),
        (
            "the same commit again",
            Action::Synchronize,
            pull_request(),
            Some(known()),
            "skip",
            "commit aaaaaaa is already deployed",
        ),
        (
            "the same failed commit",
            Action::Synchronize,
            pull_request(),
            known_with(|it| it.preview.as_mut().unwrap().status = PreviewStatus::Failed),
            "skip",
            "a person can retry it",
        ),
        (
            "a new title",
            Action::Edited,
            pull_request(),
            Some(known()),
            "skip",
            "already deployed",
        ),
        (
            "an event that missed its open",
            Action::Edited,
            pull_request(),
            None,
            "deploy",
            "",
        ),
        (
            "reopened",
            Action::Reopened,
            pull_request(),
            known_with(no_preview),
            "deploy",
            "",
        ),
        (
            "reopened while it is being removed",
            Action::Reopened,
            pull_request(),
            known_with(deleting),
            "deploy",
            "",
        ),
        (
            "closed",
            Action::Closed,
            closed(pull_request()),
            Some(known()),
            "tear down",
            "the pull request is closed",
        ),
        (
            "merged",
            Action::Closed,
            with(closed(pull_request()), |it| {
                it.state = PullRequestState::Merged
            }),
            Some(known()),
            "tear down",
            "the pull request is merged",
        ),
        (
            "closed without a preview",
            Action::Closed,
            closed(pull_request()),
            None,
            "skip",
            "there is no preview of it",
        ),
        (
            "closed twice",
            Action::Closed,
            closed(pull_request()),
            known_with(deleting),
            "skip",
            "being removed already",
        ),
        (
            "labelled",
            Action::Labeled,
            with(pull_request(), |it| it.labels.push("no-preview".into())),
            Some(known()),
            "tear down",
            "labelled no-preview",
        ),
        (
            "opened with the label",
            Action::Opened,
            with(pull_request(), |it| it.labels.push("no-preview".into())),
            None,
            "skip",
            "labelled no-preview",
        ),
        (
            "the label taken off",
            Action::Unlabeled,
            pull_request(),
            known_with(no_preview),
            "deploy",
            "",
        ),
        (
            "a draft",
            Action::Opened,
            with(pull_request(), |it| it.draft = true),
            None,
            "skip",
            "a draft",
        ),
        (
            "ready for review",
            Action::ReadyForReview,
            pull_request(),
            None,
            "deploy",
            "",
        ),
        (
            "turned into a draft",
            Action::ConvertedToDraft,
            with(pull_request(), |it| it.draft = true),
            Some(known()),
            "tear down",
            "a draft",
        ),
        (
            "an older event",
            Action::Synchronize,
            with(pull_request(), |it| {
                it.head_sha = sha('9');
                it.updated_at = at(4);
            }),
            Some(known()),
            "skip",
            "overtaken",
        ),
        (
            "an event of the second in which it was closed",
            Action::Synchronize,
            pull_request(),
            known_with(|it| {
                it.closed = true;
                it.updated_at = at(10);
                it.preview = None;
            }),
            "skip",
            "overtaken",
        ),
        (
            "a fork",
            Action::Opened,
            from_fork(pull_request()),
            None,
            "block",
            "the fork mallory/shop",
        ),
        (
            "a fork that is gone",
            Action::Opened,
            with(pull_request(), |it| {
                it.is_fork = true;
                it.head_repository = None;
            }),
            None,
            "block",
            "a fork that is gone",
        ),
        (
            "an approved fork",
            Action::Labeled,
            from_fork(pull_request()),
            known_with(|it| {
                it.approved = Some(sha('a'));
                blocked(it);
            }),
            "deploy",
            "",
        ),
        (
            "a push after the approval",
            Action::Synchronize,
            with(from_fork(pull_request()), |it| it.head_sha = sha('b')),
            known_with(|it| it.approved = Some(sha('a'))),
            "block",
            "approve commit bbbbbbb",
        ),
        (
            "a fork that waits already",
            Action::Edited,
            from_fork(pull_request()),
            known_with(blocked),
            "block",
            "",
        ),
        (
            "a fork's close",
            Action::Closed,
            closed(from_fork(pull_request())),
            known_with(blocked),
            "tear down",
            "",
        ),
        (
            "removed by a person",
            Action::Edited,
            pull_request(),
            known_with(|it| {
                it.preview = None;
                it.removed = Some(sha('a'));
            }),
            "skip",
            "a person removed",
        ),
        (
            "a push after a removal",
            Action::Synchronize,
            with(pull_request(), |it| it.head_sha = sha('b')),
            known_with(|it| {
                it.preview = None;
                it.removed = Some(sha('a'));
            }),
            "deploy",
            "",
        ),
        (
            "reopened after a removal",
            Action::Reopened,
            pull_request(),
            known_with(|it| {
                it.preview = None;
                it.removed = Some(sha('a'));
            }),
            "deploy",
            "",
        ),
        (
            "an action that does not matter",
            Action::Other("assigned".into()),
            pull_request(),
            None,
            "noted",
            "assigned",
        ),
    ];
    for (name, action, pull_request, known, word, reason) in cases {
        let decision = decide(
            &action,
            &pull_request,
            Source::Event,
            known.as_ref(),
            &rules(),
        );
        assert_eq!(decision.word(), word, "{name}: {decision:?}");
        assert!(decision.reason().contains(reason), "{name}: {decision:?}");
    }
}

#[test]
fn what_github_says_counts_however_new_the_known_is() {
    let known = known_with(|it| {
        it.closed = true;
        it.preview = None;
        it.updated_at = at(99);
    });
    let action = PullRequestAction::Synchronize;
    let decision = decide(
        &action,
        &pull_request(),
        Source::Truth,
        known.as_ref(),
        &rules(),
    );
    assert_eq!(decision.word(), "deploy");
}

/// Takes in one event as the executor does: nothing older replaces what is known.
fn take_in(known: Option<Known>, it: &Facts, decision: &Decision) -> Option<Known> {
    let mut next = known.unwrap_or(Known {
        preview: None,
        updated_at: it.updated_at,
        ..self::known()
    });
    if matches!(decision, Decision::Skip(why) if why.contains("overtaken")) {
        return Some(next);
    }
    next.updated_at = next.updated_at.max(it.updated_at);
    next.closed = it.state != PullRequestState::Open;
    match decision {
        Decision::Deploy(_) => {
            next.preview = Some(KnownPreview {
                commit: it.head_sha.clone(),
                status: PreviewStatus::Running,
                blocked: false,
            });
        }
        Decision::TearDown(_) => next.preview = None,
        _ => {}
    }
    Some(next)
}

fn permutations(items: usize) -> Vec<Vec<usize>> {
    if items == 0 {
        return vec![Vec::new()];
    }
    let mut out = Vec::new();
    for shorter in permutations(items - 1) {
        for place in 0..items {
            let mut longer = shorter.clone();
            longer.insert(place, items - 1);
            out.push(longer);
        }
    }
    out
}

/// opened, two pushes, closed, reopened, closed: one second apart.
fn six_events() -> Vec<(PullRequestAction, Facts)> {
    use PullRequestAction as Action;
    let event = |action, second, digit, state| {
        let it = with(pull_request(), |it| {
            it.updated_at = at(second);
            it.head_sha = sha(digit);
            it.state = state;
        });
        (action, it)
    };
    vec![
        event(Action::Opened, 1, 'a', PullRequestState::Open),
        event(Action::Synchronize, 2, 'b', PullRequestState::Open),
        event(Action::Synchronize, 3, 'c', PullRequestState::Open),
        event(Action::Closed, 4, 'c', PullRequestState::Closed),
        event(Action::Reopened, 5, 'c', PullRequestState::Open),
        event(Action::Closed, 6, 'c', PullRequestState::Closed),
    ]
}

#[test]
fn every_order_of_six_events_ends_in_the_newest_state_known() {
    let events = six_events();
    for last in 1..=events.len() {
        for order in permutations(last) {
            let mut known = None;
            for index in &order {
                let (action, it) = &events[*index];
                let decision = decide(action, it, Source::Event, known.as_ref(), &rules());
                known = take_in(known, it, &decision);
            }
            let newest = &events[last - 1].1;
            let expected = (newest.state == PullRequestState::Open).then_some(&newest.head_sha);
            let preview = known.as_ref().and_then(|it| it.preview.as_ref());
            assert_eq!(preview.map(|it| &it.commit), expected, "{order:?}");
        }
    }
}

#[test]
fn with_github_every_order_of_six_events_ends_in_githubs_state_and_nothing_else_ever_runs() {
    let events = six_events();
    // GitHub is at the state after each of the events while they all arrive late.
    for now in &events {
        for order in permutations(events.len()) {
            let mut known = None;
            for index in order {
                let (action, it) = &events[index];
                let mut decision = decide(action, it, Source::Event, known.as_ref(), &rules());
                let mut truth = it;
                if matches!(decision, Decision::Deploy(_) | Decision::TearDown(_)) {
                    truth = &now.1;
                    decision = decide(action, truth, Source::Truth, known.as_ref(), &rules());
                }
                known = take_in(known, truth, &decision);
                if let Some(preview) = known.as_ref().and_then(|it| it.preview.as_ref()) {
                    assert_eq!(preview.commit, now.1.head_sha);
                    assert_eq!(now.1.state, PullRequestState::Open);
                }
            }
        }
    }
}

#[test]
fn other_events_are_noted_in_a_sentence() {
    let push = br#"{"ref":"refs/heads/main","after":"","commits":[],
        "repository":{"id":1,"full_name":"acme/shop","private":false}}"#;
    let cases: [(&str, &[u8], &str); 3] = [
        ("ping", b"{}", "the webhook works"),
        ("push", push, "refs/heads/main of acme/shop"),
        ("star", b"{}", "star events"),
    ];
    for (name, body, part) in cases {
        let decision = note(&Event::parse(name, body).unwrap()).unwrap();
        assert_eq!(decision.word(), "noted");
        assert!(decision.reason().contains(part), "{decision:?}");
    }
}
