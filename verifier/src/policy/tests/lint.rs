use super::*;

#[test]
fn every_public_route_and_every_pair_that_overlaps_is_told() {
    let policy = routes(&[ADMIN, LOGO, ABOUT]);

    assert_eq!(
        policy.public_routes().map(ToString::to_string).collect::<Vec<_>>(),
        ["GET /about", "GET /admin/logo"]
    );
    let shadowed = policy.shadowed_routes();
    assert_eq!(
        shadowed.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["GET /admin/logo decides before GET,PUT /admin/{*rest}, where both match"]
    );
    assert!(shadowed[0].is_looser());
}

#[test]
fn looser_is_what_lets_somebody_through_whom_the_other_stops() {
    let looser = |winner: &str, loser: &str| {
        let route = |path: &str, access: &str| format!(r#"{{"methods":["GET"],"path":"{path}",{access}}}"#);
        let policy = routes(&[&route("/{*rest}", loser), &route("/a", winner)]);
        policy.shadowed_routes()[0].is_looser()
    };
    let (public, any_token) = (r#""public":true"#, r#""authenticated":true"#);
    let (a, ab, a_or_b) =
        (r#""require":{"all":["a"]}"#, r#""require":{"all":["a","b"]}"#, r#""require":{"any":["a","b"]}"#);
    let clerk = r#""authenticated":true,"roles":["clerk"]"#;
    let clerk_or_chief = r#""authenticated":true,"roles":["clerk","chief"]"#;
    let a_or_nothing_else = r#""require":{"any":["a"]}"#;
    let a_or_b_or_c = r#""require":{"any":["a","b","c"]}"#;

    for (winner, loser) in [
        (public, any_token),
        (any_token, a),
        (a, ab),
        (a_or_b, a),
        (any_token, clerk),
        (clerk_or_chief, clerk),
        (a, clerk),
        (any_token, a_or_b),
        (a_or_b_or_c, a_or_b),
    ] {
        assert!(looser(winner, loser), "{winner} instead of {loser}");
    }
    for (winner, loser) in [
        (any_token, public),
        (a, any_token),
        (ab, a),
        (a, a_or_b),
        (a_or_b, a_or_b_or_c),
        (clerk, clerk_or_chief),
        (a_or_nothing_else, a),
        (a, a_or_nothing_else),
    ] {
        assert!(!looser(winner, loser), "{winner} instead of {loser}");
    }
}

#[test]
fn a_winner_that_is_not_strict_about_revocations_is_looser() {
    let route = |path: &str, strict: &str| {
        format!(r#"{{"methods":["GET"],"path":"{path}","require":{{"all":["a"]}}{strict}}}"#)
    };
    let strict = r#","revocation":"strict""#;
    let pairs = |winner: &str, loser: &str| {
        let policy = followed(&[&route("/{*rest}", loser), &route("/a", winner)]);
        policy.shadowed_routes().iter().map(Shadowed::is_looser).collect::<Vec<_>>()
    };

    assert_eq!(pairs("", strict), [true]);
    assert_eq!(pairs(strict, ""), [false]);
    assert_eq!(pairs(strict, strict), [false; 0]);
    let more = r#"{"methods":["GET"],"path":"/a","require":{"all":["a","b"]}}"#;
    assert!(followed(&[&route("/{*rest}", strict), more]).shadowed_routes()[0].is_looser());
}

/// [`routes`], with a feed of the issuer.
fn followed(routes: &[&str]) -> Policy {
    let text = format!(
        r#"{{"version":1,"issuers":[{{"issuer":"https://as.example","audiences":["orders"],
        "revocation":{{"url":"https://as.example/f","keys_url":"https://as.example/k"}},
        "keys":{{"url":"https://as.example/jwks"}}}}],"routes":[{}]}}"#,
        routes.join(",")
    );
    Policy::parse(text.as_bytes()).unwrap()
}

#[test]
fn a_route_that_another_spelling_gets_around_is_told() {
    const ALL: &str = r#"{"methods":["GET","PUT"],"path":"/{*all}","public":true}"#;
    let open = |path: &str, comparison: &str| {
        let route = format!(r#"{{"methods":["GET"],"path":"{path}","require":{{"all":["a"]}}}}"#);
        let policy = compared(comparison, &[ALL, &route]);
        policy.respelled_routes().iter().map(|open| open.path.clone()).collect::<Vec<_>>()
    };

    for (path, spelled) in [
        ("/admin", "/ADMIN"),
        ("/ADMIN", "/admin"),
        ("/7", "/7/"),
        ("/7/", "/7"),
        ("/7/{id}", "/7/~/"),
        ("/@", "/%40"),
        ("/7/{*rest}", "/7"),
    ] {
        assert_eq!(open(path, r#""path_comparison":"exact","#), [spelled], "{path}");
        assert_eq!(open(path, ""), [""; 0], "{path}");
    }
    let below = compared(r#""path_comparison":"exact","#, &[ALL, ADMIN]);
    let told: Vec<_> = below.respelled_routes().iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "/ADMIN/~ is decided by GET,PUT /{*all}, not by GET,PUT /admin/{*rest}, where the service takes both paths for one"
        ]
    );
}
