//! Any octets as the answer of a webhook: read or refused. Nobody is let in but by the word `approved` to this question, with
//! the number that was shown; and nothing is signed without the key.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rlm_mfa::engine::provider::PushOutcome;
use rlm_mfa::factor::push::webhook::fuzz::{is_signed, read};
use serde_json::Value;

const KEY: &str = "a key that nobody else has";

fuzz_target!(|octets: &[u8]| {
    for number in [None, Some("42")] {
        match read(octets, "1", number) {
            Ok(Some(PushOutcome::Approved { device, .. })) => {
                // Numbers that are too large are none to it, even where nobody looks at them.
                let Ok(said) = serde_json::from_slice::<Value>(octets) else { continue };
                assert_eq!((&said["id"], &said["status"]), (&"1".into(), &"approved".into()));
                assert!(number.is_none_or(|number| said["number"] == number));
                assert!(device.as_str().len() <= 253 && !device.as_str().contains(char::is_control));
            }
            Ok(_) => {}
            Err(trouble) => assert!(!trouble.to_string().contains(char::is_control)),
        }
    }
    let mut parts = octets.splitn(3, |octet| *octet == b'\n');
    if let (Some(timestamp), Some(signature), Some(body)) = (parts.next(), parts.next(), parts.next()) {
        assert!(!is_signed(timestamp, signature, body, KEY, "00", 1_700_000_000));
    }
});
