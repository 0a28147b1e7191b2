//! Who signs in, who belongs to a team, and what programs do in their name.

use crate::common::{World, pull_request, settings};
use catalyst_model::access::TokenScope;
use catalyst_model::state::Role;
use catalyst_previews::{Error, ErrorKind, NewToken, PreviewSettings};

fn kind<T: std::fmt::Debug>(result: Result<T, Error>) -> ErrorKind {
    result.unwrap_err().kind()
}

fn token(scope: TokenScope, team: Option<&str>) -> NewToken {
    NewToken {
        name: "agent".into(),
        scope,
        team: team.map(str::to_owned),
        days: 30,
    }
}

#[tokio::test]
async fn an_operator_is_whom_the_settings_name_and_github_vouches_for() {
    let world = World::with_settings(PreviewSettings {
        operators: vec!["Octocat".into(), "local".into()],
        ..settings()
    })
    .await;
    let previews = &world.previews;
    let octocat = previews.sign_in_from_github(1, "octocat").await.unwrap();
    assert!(octocat.operator);
    // Renamed, they are no longer the one whom the settings name.
    let renamed = previews.sign_in_from_github(1, "monalisa").await.unwrap();
    assert_eq!(renamed.user_id, octocat.user_id);
    assert!(!renamed.operator);
    let other = previews.sign_in_from_github(2, "hubot").await.unwrap();
    assert!(!other.operator && other.memberships.is_empty());
    let id = octocat.user_id.to_string();
    assert_eq!(
        world.audited(&id).await,
        [
            ("octocat".to_owned(), "user.sign-in".to_owned()),
            ("monalisa".to_owned(), "user.sign-in".to_owned())
        ]
    );
}

#[tokio::test]
async fn a_link_signs_in_once_and_is_written_down() {
    let world = World::new().await;
    let user = world.operator.user_id;
    let minute = std::time::Duration::from_secs(60);
    let link = world.store.issue_sign_in_token(user, minute).await.unwrap();
    let actor = world.previews.sign_in_by_link(&link).await.unwrap();
    assert_eq!(actor.as_ref(), Some(&world.operator));
    assert_eq!(world.previews.sign_in_by_link(&link).await.unwrap(), None);
    assert_eq!(world.audited(&user.to_string()).await.len(), 1);
}

#[tokio::test]
async fn members_come_by_their_login_on_github_and_are_known_by_its_id() {
    let world = World::with_github().await;
    world.github().put_account(77, "Mona");
    world.github().put_account(78, "acme-org");
    let previews = &world.previews;
    let owner = world.member("olga", "acme", Role::Owner).await;
    previews
        .add_member(&owner, "acme", "@mona", Role::Member)
        .await
        .unwrap();
    let team = previews.team(&owner, "acme").await.unwrap();
    let logins: Vec<_> = team.members.iter().map(|it| it.login.as_str()).collect();
    assert_eq!(logins, ["olga", "Mona"]);
    // She signs in for the first time, under another login, and is in the team.
    let mona = previews.sign_in_from_github(77, "mona-lisa").await.unwrap();
    assert_eq!(mona.role_in("acme"), Some(Role::Member));
    for (login, said) in [
        ("nobody", "knows nobody"),
        ("acme-org", "not a person"),
        ("a/b", "not a login"),
    ] {
        let error = previews
            .add_member(&owner, "acme", login, Role::Member)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains(said), "{error}");
    }
    assert_eq!(
        world.audited("acme").await,
        [("olga".to_owned(), "team.member.set".to_owned())]
    );
}

#[tokio::test]
async fn without_github_only_those_are_added_who_have_signed_in() {
    let world = World::new().await;
    let owner = world.member("olga", "acme", Role::Owner).await;
    let previews = &world.previews;
    let add = || previews.add_member(&owner, "acme", "hubot", Role::Admin);
    assert_eq!(kind(add().await), ErrorKind::Invalid);
    let hubot = previews.sign_in_from_github(5, "hubot").await.unwrap();
    add().await.unwrap();
    let hubot = previews.actor(hubot.user_id).await.unwrap().unwrap();
    assert_eq!(hubot.role_in("acme"), Some(Role::Admin));
}

#[tokio::test]
async fn a_team_is_managed_by_its_owners_and_admins_alone() {
    let world = World::new().await;
    let owner = world.member("olga", "acme", Role::Owner).await;
    let admin = world.member("ada", "acme", Role::Admin).await;
    let member = world.member("max", "acme", Role::Member).await;
    let stranger = world.member("eve", "rivals", Role::Owner).await;
    let previews = &world.previews;
    let max = member.user_id.to_string();
    let olga = owner.user_id.to_string();

    // A stranger learns nothing, not even that there is such a team.
    assert_eq!(
        kind(previews.team(&stranger, "acme").await),
        ErrorKind::NotFound
    );
    let add = previews.add_member(&stranger, "acme", "eve", Role::Owner);
    assert_eq!(kind(add.await), ErrorKind::NotFound);
    let change = previews.change_role(&stranger, "acme", &max, Role::Owner);
    assert_eq!(kind(change.await), ErrorKind::NotFound);
    assert_eq!(
        kind(previews.remove_member(&stranger, "acme", &max).await),
        ErrorKind::NotFound
    );
    assert_eq!(previews.teams(&stranger).await.unwrap().len(), 1);
    assert_eq!(
        kind(previews.create_team(&stranger, "mine").await),
        ErrorKind::Forbidden
    );

    // A member sees who is in it, and may leave.
    let seen = previews.team(&member, "acme").await.unwrap();
    assert_eq!((seen.members.len(), seen.may_give.len()), (3, 0));
    let change = previews.change_role(&member, "acme", &max, Role::Admin);
    assert_eq!(kind(change.await), ErrorKind::Forbidden);

    // An admin manages all but owners.
    previews
        .change_role(&admin, "acme", &max, Role::Admin)
        .await
        .unwrap();
    let change = previews.change_role(&admin, "acme", &max, Role::Owner);
    assert_eq!(kind(change.await), ErrorKind::Forbidden);
    assert_eq!(
        kind(previews.remove_member(&admin, "acme", &olga).await),
        ErrorKind::Forbidden
    );

    // The last owner stays one; not even they themselves can change that.
    let change = previews.change_role(&owner, "acme", &olga, Role::Member);
    assert_eq!(kind(change.await), ErrorKind::Conflict);
    assert_eq!(
        kind(previews.remove_member(&owner, "acme", &olga).await),
        ErrorKind::Conflict
    );
    let seen = previews.team(&owner, "acme").await.unwrap();
    assert!(seen.members[0].is_you && !seen.members[0].may_remove);
    previews
        .change_role(&owner, "acme", &max, Role::Owner)
        .await
        .unwrap();
    previews.remove_member(&owner, "acme", &olga).await.unwrap();
    assert_eq!(
        kind(previews.remove_member(&admin, "acme", &olga).await),
        ErrorKind::NotFound
    );

    let done: Vec<_> = world.audited("acme").await;
    let actions: Vec<_> = done.iter().map(|(_, action)| action.as_str()).collect();
    assert_eq!(
        actions,
        ["team.member.set", "team.member.set", "team.member.remove"]
    );
}

#[tokio::test]
async fn an_operator_makes_teams_whose_names_kubernetes_takes() {
    let world = World::new().await;
    let previews = &world.previews;
    let operator = &world.operator;
    previews.create_team(operator, "gardeners").await.unwrap();
    let made = previews.team(operator, "gardeners").await.unwrap();
    assert!(made.members.is_empty() && made.may_give.len() == 3);
    assert_eq!(
        kind(previews.create_team(operator, "gardeners").await),
        ErrorKind::Conflict
    );
    // It would be the namespace of acme's project shop.
    assert_eq!(
        kind(previews.create_team(operator, "acme-shop").await),
        ErrorKind::Conflict
    );
    for bad in ["", "Acme", "a--b", "a_b", "-a"] {
        assert_eq!(
            kind(previews.create_team(operator, bad).await),
            ErrorKind::Invalid,
            "{bad}"
        );
    }
}

#[tokio::test]
async fn a_program_has_the_rights_of_its_owner_as_they_are_now() {
    let world = World::new().await;
    world.event("opened", &pull_request(7, 'a')).await;
    let id = world.preview(7, "is there", |_| true).await.id;
    let previews = &world.previews;
    let owner = world.member("olga", "acme", Role::Admin).await;
    let write = previews
        .create_token(&owner, token(TokenScope::Write, None))
        .await
        .unwrap();
    let read = previews
        .create_token(&owner, token(TokenScope::Read, Some("acme")))
        .await
        .unwrap();
    let reader = previews
        .actor_of_token(&read.secret)
        .await
        .unwrap()
        .unwrap();
    assert!(previews.get(&reader, &id).await.is_ok());
    let refused = previews.delete(&reader, &id).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Forbidden);
    assert!(refused.to_string().contains("scope write"), "{refused}");
    for result in [
        previews.retry(&reader, &id).await,
        previews
            .approve(&reader, &id, &crate::common::sha('a').parse().unwrap())
            .await,
        previews.retry_cleanup(&reader, &id).await,
        previews
            .remove_member(&reader, "acme", &owner.user_id.to_string())
            .await,
        previews
            .add_member(&reader, "acme", "hubot", Role::Member)
            .await,
    ] {
        assert_eq!(kind(result), ErrorKind::Forbidden);
    }

    // Out of the team, they are out with all their tokens.
    world.member("other", "acme", Role::Owner).await;
    world
        .store
        .remove_membership(owner.user_id, "acme")
        .await
        .unwrap();
    let writer = previews
        .actor_of_token(&write.secret)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        kind(previews.delete(&writer, &id).await),
        ErrorKind::NotFound
    );
    world.member("olga", "acme", Role::Admin).await;
    let writer = previews
        .actor_of_token(&write.secret)
        .await
        .unwrap()
        .unwrap();
    previews.delete(&writer, &id).await.unwrap();
    // What was done is written down with the token it was done with.
    let audit = world.store.audit(Some(&id), 10).await.unwrap();
    assert_eq!(audit[0].actor, "olga");
    assert_eq!(audit[0].details["token"], write.token.id);
}

#[tokio::test]
async fn tokens_are_made_listed_and_revoked_by_their_owner_in_person() {
    let world = World::new().await;
    let previews = &world.previews;
    let owner = world.member("olga", "acme", Role::Member).await;
    let other = world.member("eve", "rivals", Role::Owner).await;
    let made = previews
        .create_token(&owner, token(TokenScope::Write, None))
        .await
        .unwrap();
    let listed = previews.tokens(&owner).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert!(!format!("{listed:?}{made:?}").contains(&made.secret));
    assert_eq!(previews.tokens(&other).await.unwrap(), []);
    assert_eq!(
        kind(previews.revoke_token(&other, &made.token.id).await),
        ErrorKind::NotFound
    );
    // Not for a team that one is not in, not for ever, not without a name.
    let foreign = previews.create_token(&owner, token(TokenScope::Read, Some("rivals")));
    assert_eq!(kind(foreign.await), ErrorKind::NotFound);
    for days in [0, 367] {
        let new = NewToken {
            days,
            ..token(TokenScope::Read, None)
        };
        assert_eq!(
            kind(previews.create_token(&owner, new).await),
            ErrorKind::Invalid
        );
    }
    let new = NewToken {
        name: " ".into(),
        ..token(TokenScope::Read, None)
    };
    assert_eq!(
        kind(previews.create_token(&owner, new).await),
        ErrorKind::Invalid
    );
    // A program makes none for itself.
    let program = previews
        .actor_of_token(&made.secret)
        .await
        .unwrap()
        .unwrap();
    let again = previews
        .create_token(&program, token(TokenScope::Write, None))
        .await;
    assert_eq!(kind(again), ErrorKind::Forbidden);
    assert_eq!(kind(previews.tokens(&program).await), ErrorKind::Forbidden);
    assert_eq!(
        kind(previews.revoke_token(&program, &made.token.id).await),
        ErrorKind::Forbidden
    );

    previews.revoke_token(&owner, &made.token.id).await.unwrap();
    assert_eq!(previews.actor_of_token(&made.secret).await.unwrap(), None);
    let actions: Vec<_> = world.audited(&made.token.id).await;
    assert_eq!(actions.len(), 2);
}

#[tokio::test]
async fn an_operator_makes_tokens_for_those_who_have_signed_in() {
    let world = World::new().await;
    let previews = &world.previews;
    let operator = &world.operator;
    let member = world.member("olga", "acme", Role::Member).await;
    let new = || token(TokenScope::Read, Some("acme"));
    let made = previews
        .create_token_for(operator, "OLGA", new())
        .await
        .unwrap();
    let actor = previews
        .actor_of_token(&made.secret)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(actor.user_id, member.user_id);
    assert_eq!(
        kind(previews.create_token_for(&member, "olga", new()).await),
        ErrorKind::Forbidden
    );
    assert_eq!(
        kind(previews.create_token_for(operator, "nobody", new()).await),
        ErrorKind::Invalid
    );
    let local = previews
        .create_token_for(operator, "local", new())
        .await
        .unwrap();
    let local = previews
        .actor_of_token(&local.secret)
        .await
        .unwrap()
        .unwrap();
    assert!(!local.operator, "a token for one team is for that team");
    assert_eq!(local.role_in("acme"), Some(Role::Owner));
}

#[tokio::test]
async fn the_namespaces_that_one_sees_are_those_of_one_s_teams() {
    let world = World::new().await;
    world.event("opened", &pull_request(7, 'a')).await;
    world.preview(7, "is there", |_| true).await;
    let previews = &world.previews;
    let member = world.member("max", "acme", Role::Member).await;
    let stranger = world.member("eve", "rivals", Role::Owner).await;
    let names = |all: Vec<catalyst_model::namespaces::NamespaceView>| -> Vec<String> {
        all.into_iter().map(|it| it.name).collect()
    };
    let ours = names(previews.namespaces(&member, "local").await.unwrap());
    assert_eq!(ours, ["acme", "acme-shop", "acme-shop-preview-7"]);
    let theirs = names(previews.namespaces(&stranger, "local").await.unwrap());
    assert_eq!(theirs, ["rivals"]);
    let detail = previews
        .namespace(&member, "local", "acme-shop")
        .await
        .unwrap();
    assert_eq!(detail.phase.as_deref(), Some("Active"));
    for foreign in ["acme-shop", "kube-system", "default", "nowhere"] {
        assert_eq!(
            kind(previews.namespace(&stranger, "local", foreign).await),
            ErrorKind::NotFound
        );
    }
}
