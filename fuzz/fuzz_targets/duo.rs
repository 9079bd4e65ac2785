//! Any octets as an answer of Duo: nobody is let in by what does not say so, and no text can break a log.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rlm_mfa::engine::provider::{PushOutcome, PushResponse};
use rlm_mfa::factor::push::duo::answer::{self, PreauthResult};
use rlm_mfa::types::{Factor, FactorChoice, Printable};

fuzz_target!(|octets: &[u8]| {
    let body: serde_json::Value = serde_json::from_slice(octets).unwrap_or_default();
    let word = |name: &str| match body["stat"].as_str() {
        Some("OK") => body["response"][name].as_str().unwrap_or_default(),
        _ => "",
    };
    let fits = |text: &Printable| text.as_str().len() <= 253 && !text.as_str().contains(char::is_control);

    match answer::read_preauth(octets) {
        Ok(PreauthResult::Allow(text)) => assert!(word("result") == "allow" && fits(&text)),
        Ok(PreauthResult::Deny(text)) => assert!(word("result") == "deny" && fits(&text)),
        Ok(PreauthResult::Enroll(text)) => assert!(fits(&text)),
        Ok(PreauthResult::Auth(devices)) => {
            assert!(devices.iter().all(|device| fits(&device.label)));
            for wanted in FactorChoice::all_words().map(|(_, choice)| Some(choice)).chain([None]) {
                if let Some((device, factor)) = answer::choose_device(&devices, wanted) {
                    assert!(device.capabilities.iter().any(|able| able == factor.as_str()));
                }
            }
        }
        Err(_) => {}
    }
    for said in [answer::read_auth(octets), answer::read_auth_status(octets)].into_iter().flatten() {
        assert!(said.push_question().is_none_or(|id| id.expose() == word("txid").as_bytes()));
        for factor in [Factor::Push, Factor::Phone, Factor::Sms, Factor::Passcode] {
            match said.push_response(factor, &Printable::new("phone")) {
                Ok(Some(PushResponse { outcome, message, .. })) => {
                    assert!(fits(&message));
                    match outcome {
                        PushOutcome::Approved { .. } => {
                            assert_eq!((word("result"), word("status")), ("allow", "allow"));
                            assert_ne!(factor, Factor::Sms);
                        }
                        PushOutcome::Bypassed => {
                            assert_eq!((word("result"), word("status")), ("allow", "bypass"))
                        }
                        _ => assert_ne!(word("result"), "allow"),
                    }
                }
                Err(text) => assert!(!text.to_string().contains(char::is_control)),
                Ok(_) => {}
            }
        }
    }
    let _ = answer::read_ping(octets);
    assert!(answer::read_failure(octets).is_none_or(|(_, text)| fits(&text)));
});
