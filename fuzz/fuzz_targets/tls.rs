#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| relaywatch::fuzzing::tls(bytes));
