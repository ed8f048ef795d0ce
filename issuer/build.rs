//! A migration that is added must be built in; cargo watches only the ones that were there.

fn main() {
    println!("cargo::rerun-if-changed=../migrations");
}
