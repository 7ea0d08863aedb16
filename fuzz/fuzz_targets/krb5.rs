#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| relaywatch::fuzzing::krb5(bytes));
