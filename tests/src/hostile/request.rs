//! G: the request around the token.

use super::Case;
use super::forge::{valid, with_claims};

pub(super) fn cases() -> Vec<Case> {
    let all = [absent(), several(), schemes(), long_values(), query(), paths(), spellings()];
    all.into_iter().flatten().map(|case| case.in_group('G')).collect()
}

fn ask(name: impl Into<String>, authorization: &[&str]) -> Case {
    Case::request(name, "RFC 6750 §2 and §3.1", ("GET", "/me"), authorization)
}

fn absent() -> Vec<Case> {
    [
        ("no authorization", &[][..]),
        ("an empty authorization", &[""]),
        ("the word Bearer alone", &["Bearer"]),
        ("another scheme", &["Basic dTpw"]),
        ("a DPoP scheme", &["DPoP x.y.z"]),
        ("a word that is no scheme", &["token"]),
    ]
    .map(|(what, values)| ask(what, values).is("no_credentials"))
    .into()
}

fn several() -> Vec<Case> {
    let good = format!("Bearer {}", valid());
    let other = format!("Bearer {}", with_claims(&[("sub", r#""u2""#)]));
    let values: [(&str, Vec<&str>); 7] = [
        ("the same token in two headers", vec![&good, &good]),
        ("two good tokens in two headers", vec![&good, &other]),
        ("a good and a bad token", vec![&good, "Bearer x"]),
        ("a bad and a good token", vec!["Bearer x", &good]),
        ("a good token and another scheme", vec![&good, "Basic dTpw"]),
        ("another scheme and a good token", vec!["Basic dTpw", &good]),
        ("three good tokens", vec![&good, &good, &good]),
    ];
    let mut cases: Vec<Case> =
        values.into_iter().map(|(what, values)| ask(what, &values).is("multiple_credentials")).collect();
    let joined = [
        ("two tokens joined by a comma", format!("{good}, {other}")),
        ("two tokens joined by a comma alone", format!("{good},{}", valid())),
        ("a token and a comma", format!("{good},")),
        ("another scheme joined to a token", format!("Basic dTpw, {good}")),
    ];
    cases.extend(joined.iter().map(|(what, value)| ask(*what, &[value]).is("multiple_credentials")));
    // A line that brings nothing: a proxy that joins lines hands on the token alone.
    cases.push(ask("a good token and an empty header", &[&good, ""]));
    cases.push(ask("an empty header and a good token", &["", &good]));
    cases
}

fn schemes() -> Vec<Case> {
    let token = valid();
    let mut cases: Vec<Case> = ["bearer", "BEARER", "bEaReR"]
        .map(|scheme| ask(format!("the scheme {scheme}"), &[&format!("{scheme} {token}")]))
        .into();
    let wrong = [
        ("two spaces before the token", format!("Bearer  {token}")),
        ("a tab before the token", format!("Bearer\t{token}")),
        ("no space before the token", format!("Bearer{token}")),
        ("a colon before the token", format!("Bearer:{token}")),
        ("an equals sign before the token", format!("Bearer={token}")),
        ("words around the token", format!("foo Bearer {token} bar")),
        ("a word after the token", format!("Bearer {token} bar")),
        ("the word Bearer twice", format!("Bearer Bearer {token}")),
        ("a parameter instead of the token", format!("Bearer token {token}")),
        ("a space in the token", format!("Bearer {}", token.replacen('.', ". ", 1))),
        ("nothing after Bearer and a space", "Bearer ".to_owned()),
    ];
    cases.extend(wrong.iter().map(|(what, value)| ask(*what, &[value]).is("bad_authorization")));
    let others = [
        ("a no-break space before the token", format!("Bearer\u{a0}{token}")),
        ("a byte order mark before the scheme", format!("\u{ef}\u{bb}\u{bf}Bearer {token}")),
    ];
    cases.extend([
        ask(others[0].0, &[&others[0].1]).is("bad_authorization"),
        ask(others[1].0, &[&others[1].1]).is("no_credentials"),
    ]);
    cases
}

/// Values on which a host would differ that truncates before it checks, or that counts characters instead of bytes.
fn long_values() -> Vec<Case> {
    let of = |count: usize, character: &str| format!("Bearer {}", character.repeat(count));
    let cases = [
        ("a token of one byte over the limit", of(8193, "a"), "too_large"),
        ("a token over the limit and a comma", of(8300, "a") + ",", "multiple_credentials"),
        (
            "a token over the limit, a comma and another",
            of(8300, "a") + ", Bearer a.b.c",
            "multiple_credentials",
        ),
        ("a token over the limit and a word", of(8300, "a") + " b", "bad_authorization"),
        ("a token over the limit, a tab and a word", of(8300, "a") + "\tb", "bad_authorization"),
        ("another scheme over the limit", format!("Basic {}", "a".repeat(8300)), "no_credentials"),
        ("a token of 8,190 bytes beyond ASCII", of(8190, "\u{e9}"), "malformed"),
        ("a token of 8,192 bytes beyond ASCII", of(8192, "\u{ff}"), "malformed"),
        ("a token of 8,193 bytes beyond ASCII", of(8193, "\u{e9}"), "too_large"),
        ("three segments beyond ASCII", "Bearer \u{e9}.\u{e9}.\u{e9}".to_owned(), "base64"),
        ("three long segments beyond ASCII", format!("Bearer {0}.{0}.{0}", "\u{e9}".repeat(2700)), "base64"),
    ];
    cases.map(|(what, value, verdict)| ask(what, &[&value]).is(verdict)).into()
}

/// A token where none is looked for, and where a service behind may look.
fn query() -> Vec<Case> {
    let bearer = format!("Bearer {}", valid());
    let on = |(path, query): (&str, &str), authorization: &[&str]| {
        let place = if authorization.is_empty() { "alone" } else { "beside a header" };
        let line = format!("{path}?{query}");
        Case::request(format!("{line} {place}"), "RFC 6750 §2 and §2.3", ("GET", &line), authorization)
    };
    let queries = ["access_token=T0", "a=b&access%5Ftoken=T0", "access_token[]=T0"];
    let mut cases = Vec::new();
    for query in queries {
        cases.push(on(("/me", query), &[]).is("no_credentials"));
        cases.push(on(("/me", query), &[&bearer]).is("multiple_credentials"));
        cases.push(on(("/about", query), &[]).is("bad_authorization"));
    }
    cases.push(on(("/me", "access_tokens=T0"), &[&bearer]));
    cases.push(on(("/about", "a=access_token"), &[]).is("public"));
    cases
}

fn paths() -> Vec<Case> {
    let authorization = format!("Bearer {}", with_claims(&[("scope", r#""orders:read orders:write""#)]));
    let on = |method: &str, path: &str| {
        Case::request(
            format!("{method} {}", shown(path)),
            "CVE-2023-27487, CVE-2021-39156",
            (method, path),
            &[&authorization],
        )
    };
    let ambiguous = [
        "//me",
        "/me//",
        "/./me",
        "/../me",
        "/assets/../admin",
        "/assets/..",
        "/assets/.",
        "/assets/%2e%2e/admin",
        "/assets/%2E%2E/admin",
        "/assets/.%2e/admin",
        "/assets/..%2fadmin",
        "/assets%2F..%2Fadmin",
        "/admin%2Fusers",
        "/assets/%5c..%5cadmin",
        "/assets\\..\\admin",
        "/assets/\\admin",
        "/assets/%00",
        "/assets/a%00.css",
        "/assets/%252e%252e/admin",
        "/assets/%25",
        "/assets/%",
        "/assets/%2",
        "/assets/%zz",
        "/assets/%+1",
        "/admin;x=y",
        "/assets;/../admin",
        "/assets/..;/admin",
        "/assets/%3b/admin",
        "/me#x",
        "/assets/%23",
        "/assets/%3F",
        "/%6de",
        "/%61dmin",
        "/a%64min",
        "/assets/%7f",
        "/assets/%0d%0a",
        "/assets/%09",
        "/assets/\u{80}",
        "/assets/\u{ff}",
        "/assets/\u{e9}",
        "http://as.example/me",
        "https://as.example/me",
        "//as.example/me",
        "me",
        "*",
        "/me?x#y",
        "/assets/%2f%2f",
        "/assets/%C0%AE%C0%AE%2Fadmin",
        "/.",
        "/..",
    ];
    let mut cases: Vec<Case> = ambiguous.map(|path| on("GET", path).is("bad_path")).into();
    let long = format!("/assets/{}", "a".repeat(8185));
    cases.push(on("GET", &long).is("bad_path"));
    cases.extend(
        ["/me?x=/../admin", "/me?", "/me?a=b&c=%2e%2e", "/orders?x=%00", "/orders?y=;"]
            .map(|path| on("GET", path)),
    );
    cases.extend(
        ["/assets/caf%C3%A9", "/assets/a%20b", "/assets/...", "/assets/a:b@c!d", "/assets/~a"]
            .map(|path| on("GET", path).is("public")),
    );
    cases.push(on("PUT", "/orders/a%20b"));
    cases
}

/// Services that compare without case, without a last slash or decoded answer these as the path that the policy names, and a
/// wider route is looser.
fn spellings() -> Vec<Case> {
    let token = |scope: &str| format!("Bearer {}", with_claims(&[("scope", &format!("\"{scope}\""))]));
    let (admin, other) = (token("admin"), token("orders:read"));
    let mut cases = Vec::new();
    let mut ask = |path: &str, verdicts: [&'static str; 3]| {
        let sent: [(&str, &[&str]); 3] =
            [("nobody", &[]), ("somebody", &[other.as_str()]), ("an administrator", &[admin.as_str()])];
        for ((who, authorization), verdict) in sent.into_iter().zip(verdicts) {
            let name = format!("{path} by {who}");
            cases.push(
                Case::request(name, "two readers of one path", ("GET", path), authorization).is(verdict),
            );
        }
    };
    for path in [
        "/site/admin",
        "/site/ADMIN",
        "/site/Admin",
        "/site/admiN?x=/site/about",
        "/site/admin/",
        "/site/ADMIN/",
        "/site/adm%C4%B1n",
        "/site/ADM%c4%b0N/",
        "/site/admin/users",
        "/site/Admin/users",
        "/site/ADMIN/a/b/",
    ] {
        ask(path, ["no_credentials", "insufficient_scope", "allow"]);
    }
    for path in [
        "/site/@keys",
        "/site/%40keys",
        "/site/@KEYS",
        "/site/@keys/",
        "/site/%40Keys/",
        "/site/@%E2%84%AAeys",
        "/site/@key%C5%BF",
        "/site/files",
        "/site/Files",
        "/site/FILES/",
    ] {
        ask(path, ["no_credentials", "allow", "allow"]);
    }
    for path in ["/site/shut", "/site/SHUT", "/site/shut/", "/site/Shut/it"] {
        ask(path, ["no_credentials", "insufficient_role", "insufficient_role"]);
    }
    for path in
        ["/site/", "/site/About", "/site/administrator", "/site/admin.json", "/site/keys", "/site/A/Admin/"]
    {
        ask(path, ["public", "public", "public"]);
    }
    for path in ["/SITE/admin", "/site", "/Site/about", "/ADMIN", "/admin/", "/ORDERS", "/orders/", "/me/"] {
        ask(path, ["no_route"; 3]);
    }
    cases
}

fn shown(path: &str) -> String {
    if path.len() > 60 {
        format!("a path of {} bytes", path.len())
    } else {
        path.escape_default().to_string()
    }
}
