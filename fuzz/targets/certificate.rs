//! Looks for bytes that do harm: see `inboard_tests::fuzz`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| inboard_tests::fuzz::certificate(bytes));
