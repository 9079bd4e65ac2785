//! Any octets as what a mail relay says before TLS: the lines of one answer with the code that was wanted, and nothing behind it;
//! or a refusal that holds no mailbox and no code.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rlm_mfa::factor::message::DeliveryError;
use rlm_mfa::factor::message::smtp::fuzz::expect;

fuzz_target!(|octets: &[u8]| {
    for code in ["220", "250"] {
        match expect(octets, code) {
            Ok((lines, rest)) => {
                let answer = &octets[..octets.len() - rest.len()];
                assert!(answer.len() <= 16 * 1024 && answer.ends_with(b"\n"));
                let read: Vec<_> = answer.split_inclusive(|octet| *octet == b'\n').collect();
                assert_eq!(read.len(), lines.len());
                for (n, line) in read.iter().enumerate() {
                    assert!(line.starts_with(code.as_bytes()));
                    // All lines but the last one say that there are more (RFC 5321, section 4.2.1).
                    assert_eq!(line.get(3) == Some(&b'-'), n + 1 < read.len());
                }
            }
            Err(DeliveryError::Refused(text)) => {
                assert!(!text.contains('@') && !text.contains(char::is_control), "{text}");
                // What was made visible has digits of its own.
                let is_code =
                    |word: &str| !word.contains('\\') && word.bytes().filter(u8::is_ascii_digit).count() > 5;
                assert!(!text.split_whitespace().any(is_code), "{text}");
            }
            Err(DeliveryError::Unreachable(text)) => assert!(!text.contains(char::is_control), "{text}"),
            Err(fault @ DeliveryError::Unsure(_)) => panic!("{fault}"),
        }
    }
});
