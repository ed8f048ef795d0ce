//! Whether this engine does as it should on this machine: a compiler that was wrong about it would let tokens through.
//!
//! A host asks once, when it starts the module and no request waits yet. What a first token would be kept waiting for, the
//! compiling of what it runs through, is then done as well.

use wasm_bindgen::prelude::wasm_bindgen;

use crate::Engine;

/// Returns whether a good token is accepted, and one with a wrong signature refused.
#[wasm_bindgen(js_name = selfTest)]
pub fn self_test() -> bool {
    let mut engine = Engine::new("a".to_owned(), vec!["a".to_owned()], None, None);
    let restored = engine.restore(KEYS, 1.0);
    let good = engine.verify(TOKEN.as_bytes(), 1.0);
    let mut changed = TOKEN.as_bytes().to_vec();
    // The first letter of the first claim's value.
    if let Some(letter) = changed.get_mut(66) {
        *letter = b'i';
    }
    let wrong = engine.verify(&changed, 1.0);
    restored.is_none() && good.starts_with('[') && wrong.starts_with("{\"code\":\"signature\"")
}

/// The key of RFC 8037 A.1, as a snapshot.
const KEYS: &str = r#"{"issuer":"a","fetched_at":1,"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
const TOKEN: &str = "eyJhbGciOiJFZERTQSIsImtpZCI6ImsiLCJ0eXAiOiJhdCtqd3QifQ.eyJpc3MiOiJhIiwic3ViIjoiYSIsImF1ZCI6ImEiLCJjbGllbnRfaWQiOiJhIiwianRpIjoiYSIsImlhdCI6MSwiZXhwIjoyfQ.o2ud9aU22x9ie0wBx_n1nnkulx6vm6QFB6UpUukesWeB85UK3WhempL8aiYEzsRGj89CQcoW5zfqx5nWtXY4Bw";

#[cfg(test)]
mod tests {
    #[test]
    fn the_engine_passes() {
        assert!(super::self_test());
    }
}
