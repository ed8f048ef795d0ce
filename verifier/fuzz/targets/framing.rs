#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| keystone_fuzz::framing::check(input));
