//! Any octets as an answer of privacyIDEA: read or refused. Nobody is let in but by its yes, by HTTP 200, by a token of his.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rlm_mfa::engine::provider::PushOutcome;
use rlm_mfa::factor::push::privacyidea::fuzz::{confirmed, passcode, polled, triggered};
use serde_json::Value;

fuzz_target!(|octets: &[u8]| {
    // Numbers that are too large are none to it, even where nobody looks at them.
    let Ok(said) = serde_json::from_slice::<Value>(octets) else {
        let _ = (passcode(200, octets), triggered(200, octets), polled(200, octets), confirmed(200, octets));
        return;
    };
    let (yes, no) = (said["result"]["value"] == true, said["result"]["value"] == false);
    let is_clean = said["result"]["status"] == true;
    let serial = &said["detail"]["serial"];
    for status in [200, 302, 400, 500] {
        let is_said = |word: bool| assert!(status == 200 && is_clean && word);
        if let Some(PushOutcome::Approved { device, .. }) = passcode(status, octets) {
            is_said(yes && serial.is_string());
            assert!(device.as_str().len() <= 253 && !device.as_str().contains(char::is_control));
        }
        if let Some((transaction, serials)) = triggered(status, octets) {
            is_said(no && said["detail"]["transaction_id"] == transaction.as_str());
            assert!(
                !serials.is_empty() && transaction.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
            );
        }
        if polled(status, octets) == Some(true) {
            is_said(yes);
        }
        if let Some(PushOutcome::Approved { .. }) = confirmed(status, octets) {
            is_said(yes && (serial == "PUSH1" || said["detail"].is_null()));
            let user = &said["detail"]["user"]["username"];
            assert!(user.as_str().is_none_or(|user| user.to_lowercase() == "alice"));
        }
    }
});
