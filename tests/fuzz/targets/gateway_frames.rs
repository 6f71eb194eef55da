#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| clawspend_tests::fuzz::gateway_frames::check(data));
