//! A refresh gives a new pair of tokens; the reuse of a stolen refresh token ends the session.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use keystone_tests::cast;
use keystone_tests::http::at_once;
use keystone_tests::issuer::{Issuer, Tokens};
use keystone_tests::stack::Stack;

use crate::lab::{OnStack, promises};

pub(crate) const PROMISES: &[(&str, OnStack)] = promises![
    a_refresh_gives_a_new_pair,
    the_reuse_of_a_refresh_token_ends_the_session,
    a_retry_right_away_gets_the_same_successor,
    of_sixty_four_refreshes_at_once_all_get_the_one_successor,
    a_session_expires_when_it_is_not_used_and_at_last_when_it_is,
    ending_one_session_leaves_the_others_alone,
    a_refresh_token_is_bound_to_its_client,
    a_refresh_cannot_widen_the_scope,
    a_changed_refresh_token_is_refused_and_ends_no_session,
];

fn a_refresh_gives_a_new_pair(stack: &Stack) -> Result<()> {
    let first = stack.issuer.login("alice")?;

    let second = stack.issuer.tokens(&stack.issuer.refresh_grant(first.refresh()?))?;

    ensure!(second.access != first.access && second.refresh != first.refresh);
    assert_eq!(second.scope, first.scope);
    stack.envoy.site.get("/orders").bearer(&second.access).send()?.expect(200)?;
    Ok(())
}

///
fn the_reuse_of_a_refresh_token_ends_the_session(stack: &Stack) -> Result<()> {
    let issuer = &stack.issuer;
    let first = issuer.login("alice")?;
    let second = issuer.tokens(&issuer.refresh_grant(first.refresh()?))?;
    let third = issuer.tokens(&issuer.refresh_grant(second.refresh()?))?;

    let reused = issuer.refresh_grant(first.refresh()?).send()?.expect(400)?;

    assert_eq!(reused.member("error")?, "invalid_grant");
    let newest = issuer.refresh_grant(third.refresh()?).send()?.expect(400)?;
    assert_eq!(newest.member("error")?, "invalid_grant");
    Ok(())
}

///
fn a_retry_right_away_gets_the_same_successor(stack: &Stack) -> Result<()> {
    let first = stack.issuer.login("alice")?;
    let refresh = stack.issuer.refresh_grant(first.refresh()?);

    let second = stack.issuer.tokens(&refresh)?;
    let again = stack.issuer.tokens(&refresh)?;

    assert_eq!(second.refresh, again.refresh);
    Ok(())
}

///
fn of_sixty_four_refreshes_at_once_all_get_the_one_successor(stack: &Stack) -> Result<()> {
    let first = new_customer(stack, "dora")?;

    let successor = one_successor(&[&stack.issuer], first.refresh()?)?;

    let sql = "
        SELECT generation
        FROM refresh_tokens
        JOIN users ON users.id = user_id
        WHERE username = 'dora' AND ended_at IS NULL";
    assert_eq!(stack.home.ask(sql)?, "1");
    stack.issuer.tokens(&stack.issuer.refresh_grant(&successor))?;
    stack.issuer.refresh_grant(first.refresh()?).send()?.expect(400).map(drop)
}

/// The one token that these issuers, in turns, give for this one when they are all asked at the same moment.
pub(crate) fn one_successor(issuers: &[&Issuer], token: &str) -> Result<String> {
    let requests: Vec<_> =
        issuers.iter().cycle().take(64).map(|issuer| issuer.refresh_grant(token)).collect();
    let mut successors = BTreeSet::new();
    for (issuer, answer) in issuers.iter().cycle().zip(at_once(&requests)?) {
        successors.insert(issuer.received(&answer.expect(200)?)?.refresh()?.to_owned());
    }
    ensure!(successors.len() == 1, "there are {} successors", successors.len());
    successors.pop_first().context("there is no successor")
}

/// by the database's time, which passes here.
fn a_session_expires_when_it_is_not_used_and_at_last_when_it_is(stack: &Stack) -> Result<()> {
    let issuer = &stack.issuer;
    let (left, used) = (new_customer(stack, "erin")?, new_customer(stack, "fred")?);

    pass(stack, "erin", 13)?;
    let left = issuer.tokens(&issuer.refresh_grant(left.refresh()?))?;
    pass(stack, "erin", 14)?;
    issuer.refresh_grant(left.refresh()?).send()?.expect(400)?;

    let mut newest = used;
    for _ in 0..2 {
        pass(stack, "fred", 10)?;
        newest = issuer.tokens(&issuer.refresh_grant(newest.refresh()?))?;
    }
    pass(stack, "fred", 10)?;
    issuer.refresh_grant(newest.refresh()?).send()?.expect(400).map(drop)
}

/// Creates a user with one session, which no other test touches.
fn new_customer(stack: &Stack, name: &str) -> Result<Tokens> {
    let (issuer, password) = (&stack.issuer, "Nobody-Else-Is-Here-1");
    let setup = issuer.tokens(&issuer.client_grant("demo-setup", stack.secret("demo-setup")?))?;
    issuer.create_user(&setup.access, (name, password, "customer"))?.expect(201)?;
    issuer.tokens(&issuer.password_grant(name, password))
}

/// Moves all that happened in this user's sessions back: it is so many days later now.
fn pass(stack: &Stack, name: &str, days: u32) -> Result<()> {
    let span = match stack.home.database_url() {
        Some(_) => format!("make_interval(days => {days})"),
        None => format!("{days} * 86400000"),
    };
    let columns = ["auth_time", "rotated_at", "last_used_at", "expires_at"];
    let earlier = columns.map(|column| format!("{column} = {column} - {span}")).join(", ");
    let whose = format!("user_id = (SELECT id FROM users WHERE username = '{name}')");
    stack.home.ask(&format!("UPDATE refresh_tokens SET {earlier} WHERE {whose}")).map(drop)
}

fn ending_one_session_leaves_the_others_alone(stack: &Stack) -> Result<()> {
    let issuer = &stack.issuer;
    let stolen = issuer.login("alice")?;
    let other = issuer.login("alice")?;
    let second = issuer.tokens(&issuer.refresh_grant(stolen.refresh()?))?;
    issuer.tokens(&issuer.refresh_grant(second.refresh()?))?;
    issuer.refresh_grant(stolen.refresh()?).send()?.expect(400)?;

    issuer.tokens(&issuer.refresh_grant(other.refresh()?)).map(drop)
}

fn a_refresh_token_is_bound_to_its_client(stack: &Stack) -> Result<()> {
    let alice = stack.issuer.login("alice")?;
    let fields =
        [("grant_type", "refresh_token"), ("client_id", "other-app"), ("refresh_token", alice.refresh()?)];

    let answer = stack.issuer.token(&fields).send()?.expect(400)?;

    assert_eq!(answer.member("error")?, "invalid_grant");
    Ok(())
}

fn a_refresh_cannot_widen_the_scope(stack: &Stack) -> Result<()> {
    let issuer = &stack.issuer;
    let fields = [
        ("grant_type", "password"),
        ("username", "carol"),
        ("password", cast::password("carol")?),
        ("scope", "orders:read"),
    ];
    let carol = issuer.tokens(&issuer.token(&fields))?;
    let ask = |scope: &str| -> Result<_> {
        let fields = [("grant_type", "refresh_token"), ("refresh_token", carol.refresh()?), ("scope", scope)];
        issuer.token(&fields).send()
    };

    // Carol may place orders; this session may not.
    assert_eq!(ask("orders:write")?.expect(400)?.member("error")?, "invalid_scope");
    assert_eq!(ask("orders:read orders:write")?.expect(400)?.member("error")?, "invalid_scope");
    assert_eq!(ask("orders:read")?.expect(200)?.member("scope")?, "orders:read");
    Ok(())
}

fn a_changed_refresh_token_is_refused_and_ends_no_session(stack: &Stack) -> Result<()> {
    let alice = stack.issuer.login("alice")?;
    let token = alice.refresh()?;
    for at in (5..token.len()).step_by(7) {
        let changed: String = token
            .char_indices()
            .map(|(place, old)| {
                if place != at {
                    old
                } else if old == 'A' {
                    'B'
                } else {
                    'A'
                }
            })
            .collect();
        if changed != token {
            let answer = stack.issuer.refresh_grant(&changed).send()?.expect(400)?;
            assert_eq!(answer.member("error")?, "invalid_grant");
        }
    }

    stack.issuer.tokens(&stack.issuer.refresh_grant(token)).map(drop)
}
