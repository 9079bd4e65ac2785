//! Against a real provider that knows nothing of us: the npm package oidc-provider.

use super::{Asker, approved, failed, login, open};
use crate::harness::ciba::{Ciba, Counts};
use rlm_mfa::config::push::{self, ClientAuth};
use rlm_mfa::engine::provider::{AskOutcome, ProviderError, PushOutcome, PushRequest, PushRequestKind};
use rlm_mfa::types::{Factor, FactorChoice, Passcode, Secret};
use serde_json::json;
use std::time::{Duration, Instant};

fn asker(server: &Ciba, config: push::CibaOptions) -> Asker {
    Asker::new(config, Some(server.ca_file()))
}

#[test]
fn approval_on_the_phone_is_an_approval_and_denial_is_none() {
    let server = Ciba::start();
    let asker = asker(&server, server.config());
    let question = asker.question(login("alice"));
    assert_eq!((question.factor, question.device.as_str()), (Factor::Push, "ciba"));
    assert_eq!(server.pending()[0].user, "alice");
    assert_eq!((server.pending()[0].scope.as_str(), server.pending()[0].expiry), ("openid", 25));
    assert_eq!(server.pending()[0].binding_message, None);
    server.approve();
    assert_eq!(asker.answer(&question), Ok(approved()));

    // The same question has no second answer.
    assert!(failed(asker.answer(&question)).contains("invalid_grant"));

    let question = asker.question(login("bob"));
    server.deny();
    assert_eq!(asker.answer(&question), Ok(PushOutcome::Denied));
    assert_eq!(server.asked(), 2);
}

#[test]
fn number_is_shown_on_the_phone() {
    let server = Ciba::start();
    let asker = asker(&server, server.config());
    asker.question(PushRequest { number: Some("47".into()), ..login("alice") });
    assert_eq!(server.pending()[0].binding_message.as_deref(), Some("47"));
}

#[test]
fn provider_that_refuses_the_number_asks_nobody() {
    let server = Ciba::start();
    let asker = asker(&server, server.config());
    let text = failed(asker.ask(PushRequest { number: Some("four-seven".into()), ..login("alice") }));
    assert!(text.contains("invalid_binding_message") && text.contains("number_match"), "{text}");
    assert_eq!(server.asked(), 0);
}

#[test]
fn question_that_nobody_answers_expires() {
    let server = Ciba::start();
    let asker = asker(&server, server.config());
    let question = asker.question(PushRequest { limit: Duration::from_millis(1500), ..login("alice") });
    assert_eq!(server.pending()[0].expiry, 2);
    assert_eq!(asker.answer(&question), Ok(PushOutcome::Expired));
}

#[test]
fn unknown_user_and_second_device_are_told_at_once() {
    let server = Ciba::start();
    let asker = asker(&server, server.config());
    let decided = |ask: PushRequest| match asker.ask(ask) {
        Ok(AskOutcome::Decided(response)) => response.outcome,
        other => panic!("{other:?}"),
    };
    let device = |factor, device| PushRequestKind::Device(Some(FactorChoice { factor, device }));
    assert_eq!(decided(login("nobody")), PushOutcome::Unknown);
    assert_eq!(
        decided(PushRequest { asking: device(Factor::Push, 2), ..login("alice") }),
        PushOutcome::NoDevice
    );
    assert_eq!(
        decided(PushRequest { asking: device(Factor::Sms, 1), ..login("alice") }),
        PushOutcome::NoDevice
    );
    assert_eq!(server.asked(), 0);
    asker.question(PushRequest { asking: device(Factor::Push, 1), ..login("alice") });

    assert!(!asker.provider.takes_passcodes());
    let passcode = PushRequestKind::Passcode(Passcode::parse(b"123456").unwrap());
    assert!(failed(asker.ask(PushRequest { asking: passcode, ..login("alice") })).contains("no passcodes"));
    assert_eq!(server.asked(), 1);
}

#[test]
fn slow_down_is_obeyed() {
    let server = Ciba::with(&json!({ "slow": 1 }));
    let asker = asker(&server, server.config());
    let question = asker.question(login("alice"));
    std::thread::scope(|scope| {
        let answer = scope.spawn(|| asker.answer(&question));
        while server.counts().slowed == 0 {
            std::thread::sleep(Duration::from_millis(20));
        }
        let slowed = Instant::now();
        server.approve();
        assert_eq!(answer.join().unwrap(), Ok(approved()));
        // A second as before, and five more.
        assert!(slowed.elapsed() > Duration::from_millis(5900), "{:?}", slowed.elapsed());
    });
    assert_eq!(server.counts(), Counts { asked: 1, polls: 1, early: 0, slowed: 1 });
}

#[test]
fn client_proves_itself_in_each_way() {
    let server = Ciba::start();
    let ways = [
        ("radius/basic:1", ClientAuth::Basic(server.secret())),
        ("radius/post:1", ClientAuth::Post(server.secret())),
        ("rs256", ClientAuth::Key { file: server.key_file("rs256"), id: None }),
        ("es256", ClientAuth::Key { file: server.key_file("es256"), id: Some("key of es256".into()) }),
        ("es384", ClientAuth::Key { file: server.key_file("es384"), id: None }),
        ("eddsa", ClientAuth::Key { file: server.key_file("eddsa"), id: None }),
    ];
    for (client, auth) in ways {
        let config = push::CibaOptions { client_id: client.into(), auth, ..server.config() };
        let asker = asker(&server, config);
        let question = asker.question(login("alice"));
        server.approve();
        assert_eq!(asker.answer(&question), Ok(approved()), "{client}");
    }
}

#[test]
fn client_that_cannot_prove_itself_is_told_which_options_to_check() {
    let server = Ciba::start();
    let wrong = || Secret::new("wrong");
    let proofs = [
        ("radius/basic:1", ClientAuth::Basic(wrong())),
        ("radius/post:1", ClientAuth::Post(wrong())),
        ("rs256", ClientAuth::Key { file: server.key_file("es256"), id: None }),
        ("nobody", ClientAuth::Basic(server.secret())),
    ];
    for (client, auth) in proofs {
        let config = push::CibaOptions { client_id: client.into(), auth, ..server.config() };
        let text = failed(asker(&server, config).ask(login("alice")));
        assert!(text.contains("invalid_client") && text.contains("check client_id, client_auth"), "{text}");
    }
    assert_eq!(server.asked(), 0);
}

#[test]
fn key_file_that_cannot_be_used_is_told_when_the_provider_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let open = |name: &str| {
        let auth = ClientAuth::Key { file: folder.path().join(name), id: None };
        let issuer = "https://id.example.test".parse().unwrap();
        let config = push::CibaOptions {
            issuer,
            client_id: "radius".into(),
            auth,
            scope: String::new(),
            login_hint: "{user}".into(),
            user_claim: "sub".into(),
        };
        open(config, None).err().unwrap()
    };
    std::fs::write(folder.path().join("text"), "not a key").unwrap();
    assert!(open("missing").starts_with("private_key_file /"), "{}", open("missing"));
    assert!(open("text").contains("/text: no private key that can be used"), "{}", open("text"));
}

#[test]
fn user_is_found_and_recognised_by_his_address_in_any_case() {
    let server = Ciba::start();
    let by_mail = |user_claim: &str, scope: &str| push::CibaOptions {
        login_hint: "{user}@EXAMPLE.test".into(),
        user_claim: user_claim.into(),
        scope: scope.into(),
        ..server.config()
    };
    let answer = |config: push::CibaOptions, user: &str| {
        let asker = asker(&server, config);
        let question = asker.question(login(user));
        assert_eq!(question.subject, format!("{user}@EXAMPLE.test"));
        server.approve();
        asker.answer(&question)
    };
    assert_eq!(answer(by_mail("email", "email"), "alice"), Ok(approved()));
    let text = failed(answer(by_mail("email", ""), "alice"));
    assert!(text.contains("check user_claim and scope"), "{text}");
    let text = failed(answer(by_mail("email", "email"), "mallory"));
    assert!(text.contains("email_verified"), "{text}");
    let text = failed(answer(by_mail("sub", ""), "alice"));
    assert!(text.contains("APPROVAL OF ANOTHER USER"), "{text}");
}

#[test]
fn error_code_that_nobody_knows_is_no_approval() {
    let server = Ciba::start();
    let asker = asker(&server, server.config());
    let question = asker.question(login("alice"));
    server.fail("transaction_failed");
    assert!(failed(asker.answer(&question)).contains("transaction_failed"));
}

#[test]
fn provider_whose_certificate_nobody_vouches_for_is_refused() {
    let server = Ciba::start();
    let text = failed(Asker::new(server.config(), None).ask(login("alice")));
    assert!(text.contains("certificate"), "{text}");
    assert_eq!(server.asked(), 0);
}

#[test]
fn provider_that_is_not_there_is_unreachable_before_the_question_and_waited_for_after_it() {
    let server = Ciba::start();
    let asker = asker(&server, server.config());
    let question = asker.question(login("alice"));
    let fresh = Asker::new(server.config(), Some(server.ca_file()));
    drop(server);
    assert_eq!(asker.answer_within(&question, Duration::from_secs(4)), None);
    assert!(matches!(fresh.ask(login("alice")), Err(ProviderError::Unreachable(_))));
}

#[test]
fn probe_reads_metadata_and_keys_and_asks_nobody() {
    let server = Ciba::start();
    let asker = asker(&server, server.config());
    let well = asker.runtime.block_on(asker.provider.probe_service()).unwrap().unwrap();
    assert!(well.starts_with("its metadata and its keys are good"), "{well}");
    assert_eq!(server.asked(), 0);
}
