//! Exports where the module's stack is, so that a host can put it back after a call that ended with an exception.
#![expect(clippy::disallowed_methods, reason = "cargo tells a build script the target in its environment")]

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|target| target == "wasm32") {
        println!("cargo::rustc-link-arg-cdylib=--export=__stack_pointer");
    }
}
