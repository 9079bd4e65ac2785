//! A provider that misbehaves, at each of its endpoints: none of it is an approval, and none of it counts as
//! unreachable.

use super::fake::{BACKCHANNEL, DISCOVERY, Fake, KEYS, Say, TOKEN};
use super::keys::Pair;
use super::{approved, failed, login};
use crate::harness::SOON;
use jsonwebtoken::Algorithm;
use rlm_mfa::engine::provider::{AskOutcome, ProviderError, PushOutcome, PushRequest, PushResponse};
use rlm_mfa::types::Printable;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

/// Answers that are none, wherever they come from.
fn nonsense(fake: &Fake) -> Vec<(&'static str, Say)> {
    let text = |status, body: &str| Say::Text(status, "content-type: application/json\r\n", body.into());
    vec![
        ("a redirect", Say::Text(302, "location: /elsewhere\r\n", fake.metadata().to_string())),
        ("a permanent redirect", Say::Text(308, "location: /elsewhere\r\n", String::new())),
        ("no JSON", text(200, "<html>Welcome</html>")),
        ("an empty answer", text(200, "")),
        ("an empty object", text(200, "{}")),
        ("half an object", text(200, "{\"id_token\": \"a\", \"auth_req")),
        ("a list", text(200, "[]")),
        ("null", text(200, "null")),
        ("numbers for words", text(200, "{\"id_token\": 1, \"auth_req_id\": 1, \"issuer\": 1, \"keys\": 1}")),
        ("not found", text(404, "{}")),
        ("an unknown error", text(400, "{\"error\": \"no_such_error\"}")),
        ("an error of no kind", text(400, "{\"error\": {\"approved\": true}}")),
        ("an unknown status", text(299, &fake.metadata().to_string())),
        ("no content", Say::Text(204, "", String::new())),
        ("half an answer", Say::Half),
        ("a flood", Say::Flood { told: true }),
        ("a flood of unknown length", Say::Flood { told: false }),
    ]
}

/// Answers of a server that is not well.
fn unwell() -> Vec<(&'static str, Say)> {
    let page = |status| Say::Text(status, "retry-after: 1\r\n", "{\"id_token\": \"a\"}".into());
    vec![("too many requests", page(429)), ("an error", page(500)), ("unavailable", page(503))]
}

fn keys() -> Value {
    json!({ "keys": [Pair::new(Algorithm::EdDSA).public("a", json!({}))] })
}

#[test]
fn nobody_is_asked_before_the_provider_and_its_keys_are_known() {
    let fake = Fake::start(keys());
    let another = {
        let mut metadata = fake.metadata();
        metadata["issuer"] = "http://127.0.0.1/realm".into();
        metadata
    };
    let cases = nonsense(&fake).into_iter().chain(unwell());
    for (name, say) in cases.chain([("another issuer", Say::Json(200, another))]) {
        for (path, right) in [(DISCOVERY, fake.metadata()), (KEYS, keys())] {
            fake.say(path, say.clone());
            let text = failed(fake.asker().ask(login("alice")));
            assert!(!text.contains("secret"), "{name} from {path}: {text}");
            fake.say(path, Say::Json(200, right));
        }
    }
    for path in [DISCOVERY, KEYS] {
        fake.say(path, Say::Silence);
        let start = Instant::now();
        assert!(matches!(fake.hasty().ask(login("alice")), Err(ProviderError::Unreachable(_))), "{path}");
        assert!(start.elapsed() < SOON);
        fake.say(path, Say::Json(200, if path == KEYS { keys() } else { fake.metadata() }));
    }
    assert_eq!(fake.seen(BACKCHANNEL).len() + fake.seen("/elsewhere").len(), 0);
    assert!(fake.flooded.load(Ordering::Relaxed) < 50_000_000, "floods are not read to their end");
}

#[test]
fn question_that_may_have_been_put_is_not_that_of_an_unreachable_provider() {
    let fake = Fake::start(keys());
    let more = [("silence", Say::Silence), ("the end of the connection", Say::HangUp)];
    for (name, say) in nonsense(&fake).into_iter().chain(unwell()).chain(more) {
        let asker = if matches!(say, Say::Silence) { fake.hasty() } else { fake.asker() };
        fake.say(BACKCHANNEL, say);
        let text = failed(asker.ask(login("alice")));
        assert!(!text.contains("secret"), "{name}: {text}");
    }
    assert_eq!(fake.seen("/elsewhere").len(), 0);
}

#[test]
fn errors_of_the_backchannel_endpoint_are_told_apart() {
    let fake = Fake::start(keys());
    let decided =
        [(400, "unknown_user_id", PushOutcome::Unknown), (403, "access_denied", PushOutcome::Refused)];
    for (status, code, outcome) in decided {
        let said = json!({ "error": code, "error_description": "not from\r\nhere" });
        fake.say(BACKCHANNEL, Say::Json(status, said));
        match fake.asker().ask(login("alice")) {
            Ok(AskOutcome::Decided(found)) => {
                assert_eq!(found, PushResponse::with_log_text(outcome, Printable::new("not from here")));
            }
            other => panic!("{code}: {other:?}"),
        }
    }
    let remedies = [
        (401, "invalid_client", "check client_id, client_auth, client_secret"),
        (400, "unauthorized_client", "allow it at the provider"),
        (400, "invalid_scope", "check scope"),
        (400, "missing_user_code", "switch it off"),
        (400, "invalid_binding_message", "check number_match"),
        (400, "invalid_request", "check login_hint"),
    ];
    for (status, code, remedy) in remedies {
        let said = json!({ "error": code, "error_description": "secret-of-radius is wrong" });
        fake.say(BACKCHANNEL, Say::Json(status, said));
        let text = failed(fake.asker().ask(PushRequest { number: Some("47".into()), ..login("alice") }));
        assert!(text.contains(code) && text.contains(remedy) && !text.contains("secret-of"), "{text}");
    }
    assert!(fake.seen(BACKCHANNEL).iter().all(|form| form.contains("&login_hint=alice&")));
    assert!(fake.seen(BACKCHANNEL).last().unwrap().contains("&binding_message=47&"));
}

#[test]
fn poll_that_is_answered_by_nonsense_is_no_approval() {
    let fake = Fake::start(keys());
    let cases = nonsense(&fake);
    std::thread::scope(|scope| {
        for (name, say) in &cases {
            scope.spawn(move || {
                let fake = Fake::start(keys());
                let (asker, question) = fake.asked();
                fake.say(TOKEN, say.clone());
                let text = failed(asker.answer(&question));
                assert!(!text.contains("secret"), "{name}: {text}");
                assert_eq!(fake.seen("/elsewhere").len(), 0);
            });
        }
    });
}

#[test]
fn poll_that_is_not_answered_is_repeated_and_the_approval_behind_it_counts() {
    let key = Pair::new(Algorithm::ES384);
    let more = [("silence", Say::Silence), ("one broken connection", Say::HangUp)];
    std::thread::scope(|scope| {
        for (name, say) in unwell().into_iter().chain(more) {
            let key = &key;
            scope.spawn(move || {
                let fake = Fake::start(json!({ "keys": [key.public("a", json!({}))] }));
                let asker = if matches!(say, Say::Silence) { fake.hasty() } else { fake.asker() };
                let question = asker.question(login("alice"));
                fake.say(TOKEN, say);
                let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
                let claims = json!({
                    "iss": fake.issuer, "sub": "alice", "aud": "radius", "iat": now, "exp": now + 60
                });
                let token = key.sign(Some("a"), &claims);
                std::thread::scope(|scope| {
                    let answer = scope.spawn(|| asker.answer(&question));
                    while fake.seen(TOKEN).is_empty() {
                        std::thread::sleep(Duration::from_millis(10));
                    }
                    std::thread::sleep(Duration::from_millis(100));
                    fake.say(TOKEN, Say::Json(200, json!({ "id_token": token })));
                    assert_eq!(answer.join().unwrap(), Ok(approved()), "{name}");
                });
            });
        }
    });
}

#[test]
fn poll_carries_the_question_and_the_proof_of_the_client() {
    let fake = Fake::start(keys());
    let (asker, question) = fake.asked();
    fake.say(TOKEN, Say::Json(400, json!({ "error": "access_denied" })));
    assert_eq!(asker.answer(&question), Ok(PushOutcome::Denied));
    assert_eq!(
        fake.seen(TOKEN),
        ["grant_type=urn%3Aopenid%3Aparams%3Agrant-type%3Aciba&auth_req_id=1&client_id=radius&\
          client_secret=secret-of-radius"]
    );
}
