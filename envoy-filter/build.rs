//! Gives the module a ceiling, because Envoy gives it none.
#![expect(clippy::disallowed_methods, reason = "cargo tells a build script the target in its environment")]

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|target| target == "wasm32") {
        println!("cargo::rustc-link-arg-cdylib=--max-memory={MAX_BYTES}");
    }
}

/// Some times what full caches and large key sets take.
const MAX_BYTES: usize = 128 << 20;
