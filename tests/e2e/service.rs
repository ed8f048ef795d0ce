//! A service gets a token for itself and may do what its scopes allow.

use anyhow::{Context, Result, ensure};
use keystone_tests::stack::Stack;
use serde_json::json;

use crate::lab::{OnStack, promises};

pub(crate) const PROMISES: &[(&str, OnStack)] = promises![
    a_service_identified_by_basic_or_body_may_place_orders,
    a_service_gets_no_refresh_token,
    a_wrong_secret_is_refused_as_the_client_it_claims_to_be,
    a_disabled_client_is_refused_like_an_unknown_one,
    two_ways_of_identifying_at_once_are_refused,
    a_service_may_not_log_people_in,
    an_app_for_people_may_not_act_for_itself,
];

fn a_service_identified_by_basic_or_body_may_place_orders(stack: &Stack) -> Result<()> {
    let secret = stack.secret("fulfilment")?;
    let in_body =
        [("grant_type", "client_credentials"), ("client_id", "fulfilment"), ("client_secret", secret)];
    for request in [stack.issuer.client_grant("fulfilment", secret), stack.issuer.token(&in_body)] {
        let token = stack.issuer.tokens(&request)?.access;

        let order = stack.envoy.site.post("/orders").bearer(&token).json(&json!({ "item": "tea" }));
        let placed = order.send()?.expect(201)?.json()?;

        let by = placed.pointer("/order/by").and_then(|who| who.as_str());
        assert_eq!(by, Some("client:fulfilment"), "a client's subject can never be a user's");
    }
    Ok(())
}

fn a_service_gets_no_refresh_token(stack: &Stack) -> Result<()> {
    let tokens =
        stack.issuer.tokens(&stack.issuer.client_grant("fulfilment", stack.secret("fulfilment")?))?;

    assert_eq!(tokens.refresh, None);
    Ok(())
}

fn a_wrong_secret_is_refused_as_the_client_it_claims_to_be(stack: &Stack) -> Result<()> {
    for secret in ["guess", stack.secret("demo-setup")?] {
        let answer = stack.issuer.client_grant("fulfilment", secret).send()?.expect(401)?;

        assert_eq!(answer.member("error")?, "invalid_client");
        let challenge = answer.header("www-authenticate").context("RFC 6749 §5.2 asks for a challenge")?;
        ensure!(challenge.starts_with("Basic"), "{challenge}");
    }
    Ok(())
}

fn a_disabled_client_is_refused_like_an_unknown_one(stack: &Stack) -> Result<()> {
    let disabled = stack.issuer.client_grant("retired", stack.secret("retired")?).send()?.expect(401)?;
    let unknown = stack.issuer.client_grant("no-such-client", "guess").send()?.expect(401)?;

    assert_eq!(disabled.member("error")?, "invalid_client");
    assert_eq!(disabled.text(), unknown.text());
    Ok(())
}

fn two_ways_of_identifying_at_once_are_refused(stack: &Stack) -> Result<()> {
    let secret = stack.secret("fulfilment")?;
    let in_body =
        [("grant_type", "client_credentials"), ("client_id", "fulfilment"), ("client_secret", secret)];

    let answer = stack.issuer.token(&in_body).basic("fulfilment", secret).send()?.expect(400)?;

    // RFC 6749 §2.3: a client must not use more than one method in a request.
    assert_eq!(answer.member("error")?, "invalid_request");
    Ok(())
}

fn a_service_may_not_log_people_in(stack: &Stack) -> Result<()> {
    let fields = [("grant_type", "password"), ("username", "alice"), ("password", "does not matter")];
    let request = stack.issuer.token(&fields).basic("fulfilment", stack.secret("fulfilment")?);

    assert_eq!(request.send()?.expect(400)?.member("error")?, "unauthorized_client");
    Ok(())
}

fn an_app_for_people_may_not_act_for_itself(stack: &Stack) -> Result<()> {
    let answer =
        stack.issuer.token(&[("grant_type", "client_credentials"), ("client_id", "orders-app")]).send()?;

    assert_eq!(answer.expect(400)?.member("error")?, "unauthorized_client");
    Ok(())
}
