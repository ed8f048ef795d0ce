//! The main job in seven steps: each request as a command line, each answer beside the expected one.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use keystone_tests::cast;
use keystone_tests::http::{Answer, Request};
use keystone_tests::issuer::{Tokens, write_private};
use keystone_tests::stack::Stack;
use keystone_tests::token::with_one_byte_changed;
use keystone_tests::wait;
use serde_json::{Value, json};

use crate::demo::screen::Screen;
use crate::place;

/// Runs all seven steps; returns the number of unexpected answers.
pub(crate) fn all(stack: &Stack, screen: &Screen) -> Result<usize> {
    let mut steps = Walkthrough { stack, screen, variables: Vec::new(), unexpected: 0 };
    let file = stack.directory.join("tokens.sh");
    screen.line(&format!("\nThe values of $ALICE and its like: . {}", place::shown(&file)));
    steps.variable("SECRET", stack.secret("fulfilment")?)?;
    let alice = steps.alice_logs_in()?;
    steps.alice_reads_orders(&alice)?;
    let changed = steps.three_refusals(&alice)?;
    steps.refresh_and_reuse(&alice)?;
    steps.a_service_places_orders()?;
    steps.node_verifies(&alice, &changed)?;
    steps.a_page_in_a_browser()?;
    Ok(steps.unexpected)
}

struct Walkthrough<'a> {
    stack: &'a Stack,
    screen: &'a Screen,
    /// Shell variables for what is too long to type.
    variables: Vec<(String, String)>,
    unexpected: usize,
}

impl Walkthrough<'_> {
    fn alice_logs_in(&mut self) -> Result<Tokens> {
        self.screen.step("1. alice logs in, with a form and with JSON");
        let (issuer, password) = (&self.stack.issuer, cast::password("alice")?);
        let both = |answer: &Answer| {
            let tokens = Tokens::from(&status(answer, 200)?.clone(), &self.stack.ledger)?;
            tokens.refresh()?;
            Ok(format!(
                "an access token for {}, good for {} s, and a refresh token",
                tokens.scope, tokens.expires_in
            ))
        };
        let json = json!({ "username": "alice", "password": password, "grant_type": "password" });
        let (form, json) =
            (issuer.password_grant("alice", password), issuer.site.post("/auth/token").json(&json));
        let answer = self.ask(&form, both)?;
        self.ask(&json, both)?;
        let alice = Tokens::from(&answer, &self.stack.ledger)?;
        self.variable("ALICE", &alice.access)?;
        self.variable("REFRESH", alice.refresh()?)?;
        Ok(alice)
    }

    fn alice_reads_orders(&mut self, alice: &Tokens) -> Result<()> {
        self.screen
            .step("2. she reads orders through Envoy; the API sees who called, and never a forged copy");
        let request = self.stack.envoy.site.get("/orders").bearer(&alice.access);
        self.ask(&request.header("x-keystone-subject", "somebody-else"), |answer| {
            let body = status(answer, 200)?.json()?;
            let subject = body.pointer("/caller/x-keystone-subject").context("the API saw no subject")?;
            ensure!(
                !subject.to_string().contains("somebody-else"),
                "the forged header reached the API: {subject}"
            );
            ensure!(subject.as_array().is_some_and(|all| all.len() == 1), "the API saw {subject}");
            Ok(format!("the API sees x-keystone-subject: {subject}"))
        })?;
        Ok(())
    }

    fn three_refusals(&mut self, alice: &Tokens) -> Result<String> {
        self.screen.step("3. what she may not do is refused, with a reason");
        let site = &self.stack.envoy.site;
        let order = json!({ "item": "tea" });
        self.ask(&site.post("/orders").bearer(&alice.access).json(&order), |answer| {
            let challenge = challenge(status(answer, 403)?)?;
            ensure!(
                challenge.contains("insufficient_scope") && challenge.contains("orders:write"),
                "{challenge}"
            );
            Ok(challenge)
        })?;
        self.ask(&site.get("/orders"), |answer| challenge(status(answer, 401)?))?;
        let changed = with_one_byte_changed(&alice.access, 2)?;
        self.variable("CHANGED", &changed)?;
        self.ask(&site.get("/orders").bearer(&changed), |answer| {
            let reason = status(answer, 401)?.reason();
            ensure!(reason.as_deref() == Some("signature"), "the reason is {reason:?}, not signature");
            Ok("one byte changed: refused, reason signature".to_owned())
        })?;
        Ok(changed)
    }

    fn refresh_and_reuse(&mut self, alice: &Tokens) -> Result<()> {
        self.screen
            .step("4. a refresh gives a new pair; the old refresh token, used again later, ends the session, as Envoy hears");
        let second = self.refreshed(alice.refresh()?)?;
        self.variable("REFRESH2", second.refresh()?)?;
        let third = self.refreshed(second.refresh()?)?;
        self.variable("REFRESH3", third.refresh()?)?;
        for (token, words) in [
            (alice.refresh()?, "the old one is refused"),
            (third.refresh()?, "and so is the newest: the session has ended"),
        ] {
            self.ask(&self.stack.issuer.refresh_grant(token), |answer| {
                let error = status(answer, 400)?.member("error")?;
                ensure!(error == "invalid_grant", "{error}");
                Ok(format!("{error}: {words}"))
            })?;
        }
        let request = self.stack.envoy.site.get("/orders").bearer(&alice.access);
        wait::until("Envoy to hear of it", Duration::from_secs(30), || Ok(request.send()?.status == 401))?;
        self.ask(&request, |answer| {
            let reason = status(answer, 401)?.reason();
            ensure!(reason.as_deref() == Some("revoked"), "the reason is {reason:?}, not revoked");
            Ok("her access token is refused too, before it expires, reason revoked".to_owned())
        })?;
        Ok(())
    }

    fn refreshed(&mut self, token: &str) -> Result<Tokens> {
        let answer = self.ask(&self.stack.issuer.refresh_grant(token), |answer| {
            let tokens = Tokens::from(status(answer, 200)?, &self.stack.ledger)?;
            ensure!(tokens.refresh()? != token, "the refresh token is the old one");
            Ok("a new access token and a new refresh token".to_owned())
        })?;
        Tokens::from(&answer, &self.stack.ledger)
    }

    fn a_service_places_orders(&mut self) -> Result<()> {
        self.screen.step(
            "5. a service gets a token for itself, with HTTP Basic and in the body, and may place orders",
        );
        let secret = self.stack.secret("fulfilment")?;
        let in_body =
            [("grant_type", "client_credentials"), ("client_id", "fulfilment"), ("client_secret", secret)];
        let issuer = &self.stack.issuer;
        for (name, request) in
            [("SERVICE", issuer.client_grant("fulfilment", secret)), ("SERVICE2", issuer.token(&in_body))]
        {
            let answer = self.ask(&request, |answer| {
                let tokens = Tokens::from(status(answer, 200)?, &self.stack.ledger)?;
                ensure!(tokens.refresh.is_none(), "a service gets no refresh token");
                Ok(format!("an access token for {}", tokens.scope))
            })?;
            let token = Tokens::from(&answer, &self.stack.ledger)?.access;
            self.variable(name, &token)?;
            let order = self.stack.envoy.site.post("/orders").bearer(&token).json(&json!({ "item": "tea" }));
            self.ask(&order, |answer| {
                let by = status(answer, 201)?.json()?.pointer("/order/by").cloned().unwrap_or_default();
                ensure!(by == "client:fulfilment", "the order is by {by}");
                Ok(format!("the order is placed, by {by}"))
            })?;
        }
        Ok(())
    }

    fn node_verifies(&mut self, alice: &Tokens, changed: &str) -> Result<()> {
        self.screen
            .step("6. Node verifies such tokens with the npm package, without a request to the issuer");
        let issuer = self.stack.issuer.site.url("");
        let script = place::shown(&self.stack.node.verify_script());
        let again = self.stack.issuer.login("alice")?.access;
        self.variable("AGAIN", &again)?;
        let names = "\"$AGAIN\" \"$CHANGED\" \"$ALICE\"";
        self.screen.typed(&format!("node {script} {issuer} {} {names}", cast::AUDIENCE));
        let said = self.stack.node.verify(&issuer, cast::AUDIENCE, &[&again, changed, &alice.access])?;
        let about = |at: usize, what: &str| {
            said.get(at).and_then(|verdict| verdict.get(what)).unwrap_or(&Value::Null).clone()
        };
        let may = about(0, "orders:read");
        self.check(may == true, &format!("token.has(\"orders:read\") is {may}"));
        let code = about(1, "code");
        self.check(code == "signature", &format!("the changed one is refused, reason {code}, as in Envoy"));
        let code = about(2, "code");
        self.check(code == "revoked", &format!("so is that of the ended session, reason {code}"));
        Ok(())
    }

    fn a_page_in_a_browser(&mut self) -> Result<()> {
        self.screen.step("7. a page in a browser does the same");
        let url = self.stack.envoy.site.url("/");
        let picture = self.stack.directory.join("page.png");
        self.screen.typed(&format!("chromium {url}   # sign in as alice / {}", cast::password("alice")?));
        let seen = self.stack.browser.visit(&url, "alice", &picture)?;
        let at = |what: &str| seen.pointer(what).unwrap_or(&Value::Null).clone();
        let (who, buttons) = (at("/who"), at("/buttons"));
        self.check(who == "signed in as alice", &format!("the page says {who}"));
        self.check(
            buttons == json!({ "list": true, "place": false }),
            &format!("the buttons her scopes allow: {buttons}"),
        );
        let (page, envoy) = (at("/changed/verdict"), at("/changed/gateway"));
        let agree = page == "signature" && envoy == "signature";
        self.check(agree, &format!("one byte changed: the page says {page}, Envoy says {envoy}"));
        self.screen.line(&format!("   (a picture of it: {})", place::shown(&picture)));
        Ok(())
    }

    /// Shows the request, sends it, and shows the answer beside the expected one.
    fn ask(&mut self, request: &Request, check: impl FnOnce(&Answer) -> Result<String>) -> Result<Answer> {
        self.screen.typed(&request.curl(&self.variables));
        let answer = request.send()?;
        match check(&answer) {
            Ok(words) => self.check(true, &format!("{}  {words}", answer.status)),
            Err(error) => self.check(false, &format!("{}  {error}", answer.status)),
        }
        Ok(answer)
    }

    fn check(&mut self, holds: bool, words: &str) {
        if holds {
            self.screen.expected(words);
        } else {
            self.unexpected += 1;
            self.screen.unexpected(words);
        }
    }

    /// Gives a value a name, also in the file of shell variables.
    fn variable(&mut self, name: &str, value: &str) -> Result<()> {
        self.variables.push((name.to_owned(), value.to_owned()));
        let lines: String =
            self.variables.iter().map(|(name, value)| format!("{name}='{value}'\n")).collect();
        write_private(&self.stack.directory.join("tokens.sh"), &lines)
    }
}

fn status(answer: &Answer, expected: u16) -> Result<&Answer> {
    ensure!(answer.status == expected, "expected {expected}: {}", answer.text());
    Ok(answer)
}

fn challenge(answer: &Answer) -> Result<String> {
    answer.header("www-authenticate").context("no WWW-Authenticate header")
}
