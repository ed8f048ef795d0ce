use super::*;
use crate::keys::Algorithm;

fn source(text: &str, environment: &[(&str, &str)]) -> Source {
    Source {
        document: Some(Document { name: "keystone.toml".to_owned(), text: text.to_owned() }),
        environment: environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        read: |path| match path.to_str() {
            Some("dev.key") => Ok(format!("kskek_dev_{}\n", "0".repeat(64))),
            Some("database") => Ok("postgres://u:hunter2@db/k\n".to_owned()),
            Some("redis") => Ok("redis://:hunter2@redis\n".to_owned()),
            Some("marked.key") => Ok(format!("\u{feff}kskek_{}\n", "1".repeat(64))),
            Some("good.key") => Ok(format!("kskek_{}\n", "1".repeat(64))),
            _ => Err(std::io::ErrorKind::NotFound.into()),
        },
    }
}

fn load(text: &str, environment: &[(&str, &str)]) -> Result<Config, Vec<String>> {
    Config::load(&source(text, environment))
        .map_err(|mistakes| mistakes.iter().map(ToString::to_string).collect())
}

const PRODUCTION: &str = "mode = 'production'\nissuer = 'https://id.example.com'\nkey_encryption_key_file = 'good.key'\nlimits.trusted_proxies = ['10.0.0.0/8']\n";

#[test]
fn nothing_configured_is_a_development_set_up() {
    let config = load("", &[]).unwrap();

    assert_eq!(config.mode, Mode::Development);
    assert_eq!(config.issuer, "http://127.0.0.1:8000");
    assert_eq!((config.tokens.access_token_lifetime, config.sessions.max_per_user), (900, 100));
    assert!(config.database.url.is_none() && config.key_encryption_key.is_none());
}

#[test]
fn the_environment_wins_over_the_file() {
    let config = load(
        "listen = '127.0.0.1:1'\n[tokens]\naccess_token_lifetime = 60\nscopes_array = false",
        &[("KEYSTONE_LISTEN", "127.0.0.1:2"), ("KEYSTONE_TOKENS_SCOPES_ARRAY", "true")],
    )
    .unwrap();

    assert_eq!(config.listen.port(), 2);
    assert_eq!(config.issuer, "http://127.0.0.1:2");
    assert_eq!(config.tokens.access_token_lifetime, 60);
    assert!(config.tokens.scopes_array);
}

#[test]
fn every_mistake_is_reported_at_once_with_its_key() {
    let mistakes = load(
        "listn = '127.0.0.1:1'\nissuer = 'ftp://x'\n[tokens]\nbyte_budget = 'big'\nlifetime = 1\n[sessions]\ngrace = 61",
        &[("KEYSTONE_DATABASE_URI", "x"), ("KEYSTONE_LIMITS_LOGIN_WINDOW", "soon")],
    )
    .unwrap_err();

    assert_eq!(
        mistakes,
        [
            "`issuer` must be an http(s) URL in lower case without user, query, fragment or final slash",
            "`tokens.byte_budget` must be a whole number, but is a TOML string",
            "`sessions.grace` must be a whole number from 0 to 60",
            "`KEYSTONE_LIMITS_LOGIN_WINDOW` must be a whole number from 1 to 86400",
            "unknown setting `listn`; did you mean `listen`?",
            "unknown setting `tokens.lifetime`",
            "unknown setting `KEYSTONE_DATABASE_URI`; did you mean `KEYSTONE_DATABASE_URL`?",
        ]
    );
}

#[test]
fn the_environment_wins_over_the_other_spelling_in_the_file() {
    let url = |text: &str, environment: &[(&str, &str)]| {
        load(text, environment).unwrap().database.url.unwrap().expose().to_owned()
    };

    let inline = url("database_url_file = 'database'", &[("KEYSTONE_DATABASE_URL", "postgres://env/k")]);
    let file = url("database_url = 'postgres://file/k'", &[("KEYSTONE_DATABASE_URL_FILE", "database")]);

    assert_eq!((inline.as_str(), file.as_str()), ("postgres://env/k", "postgres://u:hunter2@db/k"));
}

#[test]
fn a_byte_order_mark_is_named() {
    let mistakes = load("key_encryption_key_file = 'marked.key'", &[]).unwrap_err();

    let says = "`key_encryption_key_file` names a file that begins with a byte order mark; save it as ASCII";
    assert_eq!(mistakes, [says]);
    // TOML's own reader passes over one.
    assert_eq!(load("\u{feff}listen = '127.0.0.1:1'", &[]).unwrap().listen.port(), 1);
}

#[test]
fn a_syntax_error_names_the_line_and_quotes_no_secret() {
    let mistakes = load("mode = 'development'\ndatabase_url = \"postgres://u:hunter2@db", &[]).unwrap_err();

    assert!(mistakes[0].starts_with("keystone.toml, line 2: "), "{mistakes:?}");
    assert!(!mistakes.concat().contains("hunter2"), "{mistakes:?}");
}

#[test]
fn an_issuer_has_one_spelling() {
    for wrong in [
        "https://id.example.com/",
        "https://ID.example.com",
        "https://id.example.com:443",
        "https://u@id.example.com",
        "https://id.example.com?a",
        "https://id.example.com#a",
        "id.example.com",
        "https://",
        "https://id.example.com/a/",
        " https://id.example.com",
    ] {
        assert!(load(&format!("issuer = '{wrong}'"), &[]).is_err(), "{wrong}");
    }
    assert!(load("issuer = 'https://id.example.com/tenant'", &[]).is_ok());
}

#[test]
fn an_issuer_has_a_path_that_can_be_served() {
    for wrong in ["/a%20b", "/a*", "/*", "/{a}", "/:a", "/a//b", "/a;b", "/a@b", "/a,b"] {
        let mistakes = load(&format!("issuer = 'https://id.example.com{wrong}'"), &[]).unwrap_err();
        assert!(
            mistakes.concat().contains("`issuer` must have a path of only letters"),
            "{wrong}: {mistakes:?}"
        );
    }
    assert!(load("issuer = 'https://id.example.com/Tenant-1/v1.0_~'", &[]).is_ok());
}

#[test]
fn production_accepts_a_complete_set_up() {
    assert_eq!(load(PRODUCTION, &[]).unwrap().mode, Mode::Production);
}

///
#[test]
fn production_refuses_development_keys_http_and_cheap_hashes() {
    let without_key = load("mode = 'production'\nissuer = 'https://a.example'", &[]).unwrap_err().concat();
    let development_key =
        load(PRODUCTION, &[("KEYSTONE_KEY_ENCRYPTION_KEY_FILE", "dev.key")]).unwrap_err().concat();
    let http = load(PRODUCTION, &[("KEYSTONE_ISSUER", "http://a.example")]).unwrap_err().concat();
    let cheap = load(PRODUCTION, &[("KEYSTONE_PASSWORDS_MEMORY_KIB", "1024")]).unwrap_err().concat();

    assert!(without_key.contains("`key_encryption_key` is missing"), "{without_key}");
    assert!(development_key.contains("is a development key"), "{development_key}");
    assert!(http.contains("must begin with https://"), "{http}");
    assert!(cheap.contains("must be at least 12288"), "{cheap}");
}

#[test]
fn in_production_somebody_ends_tls() {
    let files = [("KEYSTONE_TLS_CERTIFICATE_FILE", "a.crt"), ("KEYSTONE_TLS_KEY_FILE", "a.key")];
    let plain = PRODUCTION.replace("limits.trusted_proxies = ['10.0.0.0/8']", "");

    let nobody = load(&plain, &[]).unwrap_err();
    let ours = load(&plain, &files).unwrap();

    assert_eq!(
        nobody,
        [
            "`limits.trusted_proxies` is missing; in production, list the proxy that terminates TLS, or set `tls.certificate_file` and `tls.key_file`"
        ]
    );
    assert!(!ours.asks_for_tls() && load(PRODUCTION, &[]).unwrap().asks_for_tls());
    assert!(!load("", &[]).unwrap().asks_for_tls());
}

#[test]
fn a_certificate_comes_with_its_key_and_makes_the_issuer_https() {
    let files = [("KEYSTONE_TLS_CERTIFICATE_FILE", "a.crt"), ("KEYSTONE_TLS_KEY_FILE", "a.key")];

    assert_eq!(load("", &files).unwrap().issuer, "https://127.0.0.1:8000");
    assert_eq!(
        load("issuer = 'http://id.example.com'", &files).unwrap_err(),
        ["`issuer` must begin with https://, as `tls.certificate_file` is set"]
    );
    assert_eq!(
        load("", &files[..1]).unwrap_err(),
        ["`tls.key_file` is missing; `tls.certificate_file` requires it"]
    );
    assert_eq!(
        load("", &files[1..]).unwrap_err(),
        ["`tls.certificate_file` is missing; `tls.key_file` requires it"]
    );
}

#[test]
fn secrets_print_as_dots() {
    let key = format!("kskek_{}", "ab".repeat(32));
    let config =
        load("database_url = 'postgres://u:hunter2@db/k'", &[("KEYSTONE_KEY_ENCRYPTION_KEY", &key)]).unwrap();

    let printed = format!("{config:?}");
    assert!(!printed.contains("hunter2") && !printed.contains("abab"), "{printed}");
}

#[test]
fn the_waits_of_keys_keep_their_formulas_by_default() {
    let keys = load("", &[]).unwrap().keys;

    assert_eq!(keys.shortest_lead().as_secs(), 3635);
    assert_eq!(keys.shortest_tail().as_secs(), 950);
    assert_eq!(keys.rotation_interval.as_secs(), 30 * 86_400);
}

#[test]
fn each_wait_that_is_too_short_names_its_formula() {
    let mistakes = load(
        "[tokens]\nmax_access_token_lifetime = 3600\n[keys]\nlead = 3634\ntail = 3649\njwks_max_age = 3001\nrotation_interval = 3648",
        &[],
    )
    .unwrap_err();

    assert_eq!(
        mistakes,
        [
            "`keys.lead` must be at least 3635: `keys.propagation` 30 + `keys.cache` 3600 + `keys.skew` 5",
            "`keys.tail` must be at least 3650: `tokens.max_access_token_lifetime` 3600 + `keys.leeway` 30 + 4 × `keys.skew` 5",
            "`keys.jwks_max_age` must be at most 3000: `keys.cache` 3600 - the 600 for which a verifier uses its copy",
            "`keys.rotation_interval` must be at least `keys.lead` and `keys.tail`: a key must be published before it signs and stay published after",
        ]
    );
    assert!(
        load("[keys]\nlead = 3635\ntail = 950\njwks_max_age = 3000\nrotation_interval = 3635", &[]).is_ok()
    );
}

#[test]
fn tokens_are_signed_with_one_of_three_algorithms_and_never_with_a_shared_secret() {
    let with = |name: &str| load(&format!("[keys]\nalgorithm = '{name}'"), &[]);

    assert_eq!(load("", &[]).unwrap().keys.algorithm, Algorithm::EdDsa);
    for algorithm in Algorithm::ALL {
        assert_eq!(with(algorithm.as_str()).unwrap().keys.algorithm, algorithm);
    }
    for wrong in ["HS256", "none", "rs256", "Ed25519", "PS256"] {
        let expected = "`keys.algorithm` must be \"EdDSA\", \"ES256\" or \"RS256\"";
        assert_eq!(with(wrong).unwrap_err(), [expected], "{wrong}");
    }
}

#[test]
fn a_previous_key_is_read_like_the_key_and_needs_it() {
    let both = load(PRODUCTION, &[("KEYSTONE_KEY_ENCRYPTION_KEY_PREVIOUS_FILE", "good.key")]).unwrap();
    let alone = load("key_encryption_key_previous_file = 'good.key'", &[]).unwrap_err();
    let wrong = load(PRODUCTION, &[("KEYSTONE_KEY_ENCRYPTION_KEY_PREVIOUS", "short")]).unwrap_err().concat();

    assert!(both.key_encryption_key.is_some());
    assert_eq!(
        alone,
        ["`key_encryption_key_previous` has an effect only together with `key_encryption_key`"]
    );
    assert!(wrong.starts_with("`key_encryption_key_previous` must be `kskek_`"), "{wrong}");
}

#[test]
fn urls_that_hold_passwords_may_stand_in_files() {
    let files = [("KEYSTONE_DATABASE_URL_FILE", "database"), ("KEYSTONE_REDIS_URL_FILE", "redis")];
    let config = load("", &files).unwrap();
    let twice = load("database_url = 'postgres://db/k'\ndatabase_url_file = 'database'", &[]).unwrap_err();
    let gone = load("database_url_file = 'gone'\nredis_url_file = 'database'", &[]).unwrap_err();

    assert_eq!(config.database.url.unwrap().expose(), "postgres://u:hunter2@db/k");
    assert_eq!(config.redis_url.unwrap().expose(), "redis://:hunter2@redis");
    assert_eq!(twice, ["`database_url_file` and `database_url` are both set in the same place; remove one"]);
    assert!(gone[0].starts_with("`database_url_file` cannot be read: "), "{gone:?}");
    assert!(gone[1].starts_with("`redis_url_file` must begin with redis://"), "{gone:?}");
}

#[cfg(any(all(feature = "otel", feature = "sentry"), not(any(feature = "otel", feature = "sentry"))))]
const TELEMETRY: &str =
    "[telemetry]\notlp_url = 'http://c:4318'\notlp_percent = 10\nsentry_dsn = 'https://hunter2@s.example/1'";

#[test]
#[cfg(not(any(feature = "otel", feature = "sentry")))]
fn telemetry_is_refused_by_a_build_without_it() {
    let mistakes = load(TELEMETRY, &[]).unwrap_err();

    let needs = |key: &str, feature: &str| {
        format!("`telemetry.{key}` needs a build with the Cargo feature `{feature}`, which this build lacks")
    };
    let expected = [needs("otlp_url", "otel"), needs("otlp_percent", "otel"), needs("sentry_dsn", "sentry")];
    assert_eq!(mistakes, expected);
}

#[test]
#[cfg(all(feature = "otel", feature = "sentry"))]
fn telemetry_has_urls_without_a_trap_and_a_dsn_that_is_a_secret() {
    let config = load(TELEMETRY, &[]).unwrap();
    let wrong = |line: &str| load(&format!("[telemetry]\n{line}"), &[]).unwrap_err().concat();

    assert_eq!(config.telemetry.otlp_percent, 10);
    assert!(!format!("{config:?}").contains("hunter2"), "{config:?}");
    for url in ["c:4318", "http://u:p@c", "http://c?x", "grpc://c:4317", "http://c#x"] {
        assert!(wrong(&format!("otlp_url = '{url}'")).starts_with("`telemetry.otlp_url` must be"), "{url}");
    }
    assert!(wrong("sentry_dsn = 'https://s.example/1'").starts_with("`telemetry.sentry_dsn` must be"));
}

/// Key and default of each row in the tables of the reference.
fn reference() -> Vec<(&'static str, &'static str)> {
    let rows = include_str!("../../../docs/reference/configuration.md")
        .lines()
        .filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let mut cells = row.split('|').skip(1).map(str::trim);
        (cells.next().unwrap().trim_matches('`'), cells.next().unwrap())
    })
    .collect()
}

#[test]
fn the_reference_names_every_key_once_and_no_other() {
    let (_, reader) = Config::read(&source("", &[]));
    let mut known = reader.known().to_vec();
    let mut named: Vec<&str> = reference().into_iter().map(|(key, _)| key).collect();

    known.sort_unstable();
    named.sort_unstable();
    assert_eq!(named, known);
}

#[test]
fn a_default_of_the_reference_changes_nothing_when_it_is_set() {
    let unset = format!("{:?}", load("", &[]).unwrap());
    let mut tried = 0;
    for (key, default) in reference() {
        // Others are told in words.
        let Some(value) = default.strip_prefix('`').and_then(|rest| rest.strip_suffix('`')) else { continue };
        if value.contains('`') {
            continue;
        }
        let plain = value.parse::<u64>().is_ok() || value.parse::<bool>().is_ok();
        let line = if plain { format!("{key} = {value}") } else { format!("{key} = '{value}'") };

        assert_eq!(format!("{:?}", load(&line, &[]).unwrap()), unset, "{line}");
        tried += 1;
    }
    assert!(tried > 30, "only {tried} defaults were found");
}
