//! Any text as an enrolment: what is read makes the same codes when it is printed and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rlm_mfa::types::OtpAuth;

fuzz_target!(|text: &str| {
    if let Ok(read) = OtpAuth::parse(text) {
        let again = OtpAuth::parse(&read.to_uri()).expect("what is printed can be read");
        assert_eq!(
            (read.oath, read.secret, read.algorithm, read.digits),
            (again.oath, again.secret, again.algorithm, again.digits)
        );
    }
});
