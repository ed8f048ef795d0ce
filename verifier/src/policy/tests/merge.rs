use super::*;

#[test]
fn an_addition_brings_what_nothing_said_before() {
    let merged = routes(&[ADMIN]).merge(routes(&[ABOUT, ADMIN])).unwrap();

    assert_eq!(said(&merged), ["GET /about: public", "GET,PUT /admin/{*rest}: a valid token, all of admin"]);
    assert_eq!(merged.issuers().len(), 1);
}

#[test]
fn an_exception_that_stands_already_may_be_said_again() {
    let base = || routes(&[ADMIN, LOGO]);

    assert_eq!(base().merge(base()).unwrap().routes().len(), 2);
}

#[test]
fn an_addition_changes_no_request_that_was_decided() {
    let refused =
        |base: &str, addition: &str| routes(&[base]).merge(routes(&[addition])).unwrap_err().to_string();
    let stricter = r#"{"methods":["PUT"],"path":"/admin/{id}","require":{"all":["admin","more"]}}"#;
    let same_path = r#"{"methods":["GET"],"path":"/admin/{*any}","public":true}"#;

    assert_eq!(
        refused(ADMIN, LOGO),
        "routes GET /admin/logo: would decide requests that GET,PUT /admin/{*rest} decides now"
    );
    assert_eq!(
        refused(ADMIN, stricter),
        "routes PUT /admin/{id}: would decide requests that GET,PUT /admin/{*rest} decides now"
    );
    assert!(refused(ADMIN, same_path).starts_with("routes GET /admin/{*any}: would decide"));

    let below = r#"{"methods":["GET"],"path":"/{*rest}","public":true}"#;
    let other_method = r#"{"methods":["POST"],"path":"/admin/logo","public":true}"#;
    let alike = r#"{"methods":["GET"],"path":"/admin/{id}","require":{"all":["admin"]}}"#;
    for addition in [below, other_method, alike] {
        assert_eq!(routes(&[ADMIN]).merge(routes(&[addition])).unwrap().routes().len(), 2, "{addition}");
    }
}

#[test]
fn an_addition_changes_no_route_s_strictness() {
    let feed = r#""leeway_seconds": 5, "revocation": {"url": "https://a/f", "keys_url": "https://a/k"}"#;
    let base = POLICY.replace("\"leeway_seconds\": 5", feed);
    let strict = base
        .replace("\"all\": [\"orders:read\"] }", "\"all\": [\"orders:read\"] }, \"revocation\": \"strict\"");
    let policy = |text: &str| Policy::parse(text.as_bytes()).unwrap();

    assert_ne!(base, strict);
    assert_eq!(policy(&strict).merge(policy(&strict)).unwrap().routes().len(), 2);
    for (one, other) in [(&base, &strict), (&strict, &base)] {
        let error = policy(one).merge(policy(other)).unwrap_err().to_string();
        assert!(error.starts_with("routes GET /orders/{id}: would decide"), "{error}");
    }
}

#[test]
fn an_issuer_that_is_believed_keeps_its_rules_and_keys() {
    let base = || Policy::parse(POLICY.as_bytes()).unwrap();
    let with = |text: &str, with: &str| {
        let addition = POLICY.replacen(text, with, 1);
        base().merge(Policy::parse(addition.as_bytes()).unwrap()).map_err(|error| error.to_string())
    };

    assert_eq!(
        with("leeway_seconds\": 5", "leeway_seconds\": 6").unwrap_err(),
        "issuers https://as.example: stands in the policy already, with other rules, keys or feed"
    );
    assert!(with("\"orders\"", "\"orders\", \"stock\"").is_err());
    assert!(with("as.example/jwks", "evil.example/jwks").is_err());
    assert!(with("\"cluster\": \"as\"", "\"cluster\": \"evil\"").is_err());
    assert!(
        with(
            "\"url\": \"https://as.example/jwks\", \"cluster\": \"as\"",
            &format!("\"inline\": {}", crate::fixture::jwks())
        )
        .is_err()
    );
    let feed = r#""leeway_seconds": 5, "revocation": {"url": "https://a/f", "keys_url": "https://a/k"}"#;
    assert!(with("\"leeway_seconds\": 5", feed).is_err());
    assert_eq!(with("https://as.example\", ", "https://other.example\", ").unwrap().issuers().len(), 2);

    assert_eq!(with("\"subject\": \"x-sub\"", "\"scope\": \"x-scope\"").unwrap().identity_headers().len(), 2);
    assert_eq!(
        with("x-sub", "x-subject").unwrap_err(),
        "identity_headers x-subject: contradicts the header x-sub"
    );
    assert_eq!(
        with("\"subject\"", "\"roles\"").unwrap_err(),
        "identity_headers x-sub: contradicts the header x-sub"
    );
    assert_eq!(with("GET", "GET").unwrap().identity_headers().len(), 1);
}

#[test]
fn a_single_member_may_be_added_or_repeated_but_not_changed() {
    let with = |members: &str| {
        Policy::parse(POLICY.replacen("{\n", &format!("{{ {members}\n"), 1).as_bytes()).unwrap()
    };
    let merged = |one: &str, other: &str| {
        let merged = with(one).merge(with(other)).map_err(|error| error.to_string())?;
        let readable = merged.cors().map(|cors| cors.readable(b"https://app.example").len());
        Ok::<_, String>((readable, merged.envoy().access_log))
    };
    let cors = |origin: &str| format!(r#""cors": {{ "origins": ["{origin}"] }},"#);
    let (app, other) = (&cors("https://app.example"), &cors("https://other.example"));
    let (logged, alone) =
        (r#""envoy": { "access_log": true },"#, r#""envoy": { "forward_authorization": false },"#);
    let allowed = merged(app, "").unwrap().0;

    assert!(allowed.is_some_and(|headers| headers > 0));
    assert_eq!(merged("", app).unwrap().0, allowed);
    assert_eq!(merged(app, app).unwrap().0, allowed);
    assert_eq!(merged(app, other).unwrap_err(), "cors: stands in the policy already");

    assert_eq!(merged(logged, "").unwrap(), (None, true));
    assert_eq!(merged(logged, logged).unwrap(), (None, true));
    for (one, other) in [(logged, alone), ("", alone)] {
        assert_eq!(merged(one, other).unwrap_err(), "envoy: contradicts the policy");
    }
}

#[test]
fn inline_keys_are_compared_by_name_and_key() {
    let with = |jwks: &str| {
        let text = POLICY
            .replace(r#""url": "https://as.example/jwks", "cluster": "as""#, &format!(r#""inline": {jwks}"#));
        Policy::parse(text.as_bytes()).unwrap()
    };
    let jwks = crate::fixture::jwks();
    let more = jwks.replace(
        "]}",
        r#",{"kty":"OKP","crv":"Ed25519","kid":"k2","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#,
    );

    assert!(with(&jwks).merge(with(&jwks.replace("\"use\":\"sig\",", ""))).is_ok());
    assert!(with(&jwks).merge(with(&more)).is_err());
    assert!(with(&more).merge(with(&jwks)).is_err());
    assert!(with(&jwks).merge(with(&jwks.replace("k1", "k2"))).is_err());
}

#[test]
fn an_addition_does_not_change_how_paths_are_compared() {
    let policy = |members: &str, path: &str| {
        compared(members, &[&format!(r#"{{"methods":["GET"],"path":"{path}","public":true}}"#)])
    };
    let (exact, lenient) = (r#""path_comparison":"exact","#, r#""path_comparison":"lenient","#);

    for (base, addition) in [(exact, ""), (exact, exact), (lenient, ""), ("", lenient), ("", "")] {
        let merged = policy(base, "/a").merge(policy(addition, "/b")).unwrap();
        assert_eq!(merged.path_comparison(), policy(base, "/a").path_comparison(), "{base} {addition}");
    }
    for (base, addition) in [("", exact), (lenient, exact), (exact, lenient)] {
        let error = policy(base, "/a").merge(policy(addition, "/b")).unwrap_err().to_string();
        assert_eq!(error, "path_comparison: contradicts the policy");
    }
}

#[test]
fn an_addition_does_not_change_which_forms_of_tokens_are_taken() {
    let policy = |members: &str, path: &str| {
        compared(members, &[&format!(r#"{{"methods":["GET"],"path":"{path}","authenticated":true}}"#)])
    };
    let compatible = r#""jwt_authn_compatible":true,"#;

    for addition in ["", compatible] {
        assert!(policy(compatible, "/a").merge(policy(addition, "/b")).unwrap().jwt_authn_compatible);
    }
    let error = policy("", "/a").merge(policy(compatible, "/b")).unwrap_err().to_string();
    assert_eq!(error, "jwt_authn_compatible: contradicts the policy");
}

#[test]
fn an_addition_for_another_spelling_changes_no_decision_either() {
    let about = r#"{"methods":["GET"],"path":"/ABOUT/","authenticated":true}"#;
    let exact = r#""path_comparison":"exact","#;

    let error = routes(&[ABOUT]).merge(routes(&[about])).unwrap_err().to_string();
    assert_eq!(error, "routes GET /ABOUT/: would decide requests that GET /about decides now");
    assert_eq!(compared(exact, &[ABOUT]).merge(routes(&[about])).unwrap().routes().len(), 2);
}

#[test]
fn an_added_route_is_asked_about_other_spellings_of_its_path() {
    let base = routes(&[r#"{"methods":["GET"],"path":"/a","public":true}"#]);
    let all = r#"{"methods":["GET"],"path":"/{*all}","authenticated":true}"#;
    let merged = base.merge(routes(&[all])).unwrap();

    let path = Path::parse(b"/A").unwrap();
    assert_eq!(merged.matched_routes(b"GET", path).unwrap().all().count(), 2);
}
