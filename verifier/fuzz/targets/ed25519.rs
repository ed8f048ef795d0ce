#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| keystone_fuzz::ed25519::check(input));
