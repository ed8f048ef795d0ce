//! Clients that know nothing of Ed25519: what their libraries say of tokens that are signed with something else.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use keystone_tests::cast;
use keystone_tests::issuer::Issuer;
use keystone_tests::node::Node;
use serde_json::Value;

use crate::lab::{Alone, Lab, promises, serving_the_cast};

pub(crate) const PROMISES: &[(&str, Alone)] =
    promises![tokens_of_other_algorithms_are_read_by_other_libraries];

fn tokens_of_other_algorithms_are_read_by_other_libraries(lab: &Lab) -> Result<()> {
    let node = Node::new(&lab.tools, &lab.directory("other-libraries")?)?;
    for (name, algorithm) in [("RS256", Algorithm::RS256), ("ES256", Algorithm::ES256)] {
        let home = lab.issuer_home(name, |settings| {
            settings.sections = format!("[keys]\nalgorithm = \"{name}\"\n");
        })?;
        let issuer = serving_the_cast(&home)?;
        let alice = issuer.login("alice")?;

        let by_crate = by_jsonwebtoken(&issuer, algorithm, &alice.access)?;
        let args = [&home.url(), cast::AUDIENCE, name, &alice.access];
        let by_package: Value =
            serde_json::from_str(&node.run("jose.mjs", &args, Duration::from_secs(60))?)?;

        assert_eq!(by_crate, by_package);
        assert_eq!(by_crate.get("scope"), Some(&"orders:read".into()));
        issuer.tokens(&issuer.refresh_grant(alice.refresh()?))?;
        // Keystone's own verifiers stay strict.
        let ours = node.verify(&home.url(), cast::AUDIENCE, &[&alice.access])?;
        assert_eq!(ours.first().and_then(|verdict| verdict.get("code")), Some(&"alg".into()));
        let explained = home.command_reading(&["explain"], &alice.access)?.succeeded()?;
        let told = format!("Envoy filter and npm package reject it: alg ({name}; they accept EdDSA only)");
        ensure!(explained.contains(&told), "{explained}");
    }
    Ok(())
}

fn by_jsonwebtoken(issuer: &Issuer, algorithm: Algorithm, token: &str) -> Result<Value> {
    let keys: JwkSet =
        serde_json::from_value(issuer.site.get("/.well-known/jwks.json").send()?.expect(200)?.json()?)?;
    let kid = decode_header(token)?.kid.context("the token names no key")?;
    let key = DecodingKey::from_jwk(keys.find(&kid).context("the key is not published")?)?;
    let mut rules = Validation::new(algorithm);
    rules.set_issuer(&[issuer.site.url("")]);
    rules.set_audience(&[cast::AUDIENCE]);
    Ok(decode(token, &key, &rules)?.claims)
}
