//! privacyIDEA: a real server with real phones, and one that lies.

mod fake;
mod server;

use crate::harness::{SOON, oath};
use fake::{Fake, Reply};
use rlm_mfa::config::push;
use rlm_mfa::engine::provider::{
    AskOutcome, ProviderError, PushOutcome, PushProvider, PushQuestion, PushRequest, PushRequestKind,
    PushResponse,
};
use rlm_mfa::types::{Factor, FactorChoice, Passcode, Printable, Secret};
use serde_json::{Value, json};
use server::Server;
use std::sync::Arc;
use std::time::Duration;

fn provider_with(url: &str, realm: Option<&str>, trigger: &str) -> Arc<dyn PushProvider> {
    provider_within(20, url, realm, trigger)
}

/// With that `api_timeout`.
fn provider_within(seconds: u64, url: &str, realm: Option<&str>, trigger: &str) -> Arc<dyn PushProvider> {
    let privacyidea = push::PrivacyIdeaOptions {
        url: url.parse().unwrap(),
        realm: realm.map(str::to_owned),
        trigger: Secret::new(trigger),
    };
    let http = push::HttpOptions { timeout: Duration::from_secs(seconds), ca_file: None, proxy: None };
    let config = push::PushOptions {
        provider: Some(push::ProviderOptions::PrivacyIdea(privacyidea)),
        http,
        ..push::PushOptions::default()
    };
    rlm_mfa::factor::push::open(&config).unwrap().unwrap()
}

fn real() -> (&'static Server, Arc<dyn PushProvider>) {
    let server = Server::get();
    (server, provider_with(&server.url(), Some("gear"), ""))
}

fn ask(user: &str) -> PushRequest {
    PushRequest {
        user: user.to_owned(),
        asking: PushRequestKind::Device(None),
        client: "192.0.2.1".to_owned(),
        calling_station: String::new(),
        number: None,
        limit: Duration::from_secs(25),
    }
}

fn with_passcode(user: &str, passcode: &str) -> PushRequest {
    PushRequest {
        asking: PushRequestKind::Passcode(Passcode::parse(passcode.as_bytes()).unwrap()),
        ..ask(user)
    }
}

async fn decided(provider: &Arc<dyn PushProvider>, ask: PushRequest) -> PushOutcome {
    response(provider, ask).await.outcome
}

async fn response(provider: &Arc<dyn PushProvider>, ask: PushRequest) -> PushResponse {
    match provider.start_push(ask).await {
        Ok(AskOutcome::Decided(response)) => response,
        other => panic!("nothing is decided: {other:?}"),
    }
}

async fn question(provider: &Arc<dyn PushProvider>, user: &str) -> PushQuestion {
    match provider.start_push(ask(user)).await {
        Ok(AskOutcome::Waiting(question)) => question,
        other => panic!("nobody is waited for: {other:?}"),
    }
}

async fn answer(
    provider: &Arc<dyn PushProvider>,
    question: &PushQuestion,
) -> Result<PushOutcome, ProviderError> {
    let answered =
        tokio::time::timeout(SOON, provider.await_answer(question)).await.expect("an answer in time");
    answered.map(|response| response.outcome)
}

/// Whether the question is still open after a few polls.
async fn is_open(provider: &Arc<dyn PushProvider>, question: &PushQuestion) -> bool {
    tokio::time::timeout(Duration::from_secs(5), provider.await_answer(question)).await.is_err()
}

fn failure<T: std::fmt::Debug>(result: Result<T, ProviderError>, case: &str) -> String {
    match result {
        Err(ProviderError::Failed(text)) => text,
        other => panic!("{case}: {other:?}"),
    }
}

fn approved(factor: Factor, serial: &str) -> PushOutcome {
    PushOutcome::Approved { factor, device: Printable::new(serial) }
}

#[tokio::test(flavor = "multi_thread")]
async fn passcode_is_right_once() {
    let (server, provider) = real();
    assert!(provider.takes_passcodes());
    server.oath("alice", "totp", "TOTPA", "");
    let code = oath::hotp(oath::Hash::Sha1, b"12345678901234567890", oath::step(), 6);
    let wrong = if code == "000000" { "000001" } else { "000000" };
    let refused = response(&provider, with_passcode("alice", wrong)).await;
    let words = Printable::new("wrong otp value");
    assert_eq!(
        refused,
        PushResponse::with_log_text(PushOutcome::Wrong, words),
        "the server's reason is for the log"
    );
    let right = approved(Factor::Passcode, "TOTPA");
    assert_eq!(decided(&provider, with_passcode("alice", &code)).await, right);
    assert_eq!(decided(&provider, with_passcode("alice", &code)).await, PushOutcome::Wrong);
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_user_and_realm_are_unknown() {
    let (server, provider) = real();
    assert_eq!(decided(&provider, with_passcode("nobody", "123456")).await, PushOutcome::Unknown);
    assert_eq!(decided(&provider, ask("nobody")).await, PushOutcome::Unknown);
    let elsewhere = provider_with(&server.url(), Some("elsewhere"), "");
    assert_eq!(decided(&elsewhere, ask("alice")).await, PushOutcome::Unknown);
}

#[tokio::test(flavor = "multi_thread")]
async fn push_is_approved_on_the_phone() {
    let (server, provider) = real();
    server.phone("bob", "PUSHB", "");
    server.policy("bob", "authorization", &json!({ "add_user_in_response": true }));
    let first = question(&provider, "bob").await;
    assert_eq!((first.factor, first.device.as_str()), (Factor::Push, "PUSHB"));
    assert_eq!(server.questions("PUSHB"), 1);
    let waiting = tokio::spawn(provider.await_answer(&first));
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(server.approve("PUSHB"), 1);
    assert_eq!(waiting.await.unwrap(), Ok(approved(Factor::Push, "PUSHB").into()));
    // Its yes is spent, and is none for the next question either.
    assert!(is_open(&provider, &first).await);
    let second = question(&provider, "bob").await;
    assert!(is_open(&provider, &second).await);
    assert_eq!(server.approve("PUSHB"), 1);
    let named = PushQuestion { subject: "bob@gear".to_owned(), ..second };
    assert_eq!(answer(&provider, &named).await, Ok(approved(Factor::Push, "PUSHB")));
}

#[tokio::test(flavor = "multi_thread")]
async fn push_is_declined_on_the_phone() {
    let (server, provider) = real();
    server.phone("carol", "PUSHC", "");
    let question = question(&provider, "carol").await;
    assert_eq!(server.decline("PUSHC"), 1);
    assert_eq!(answer(&provider, &question).await, Ok(PushOutcome::Denied));
    provider.cancel_push(&question).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_users_yes_is_not_anothers() {
    let (server, provider) = real();
    server.phone("dave", "PUSHD", "");
    server.phone("erin", "PUSHE", "");
    let (dave, erin) = (question(&provider, "dave").await, question(&provider, "erin").await);
    assert_eq!(server.approve("PUSHE"), 1);
    assert!(is_open(&provider, &dave).await);
    // Another user's transaction id is not enough.
    let stolen = PushQuestion { id: erin.id.clone(), ..dave.clone() };
    assert_eq!(answer(&provider, &stolen).await, Ok(PushOutcome::Denied));
    assert_eq!(answer(&provider, &erin).await, Ok(approved(Factor::Push, "PUSHE")));
}

#[tokio::test(flavor = "multi_thread")]
async fn all_phones_ask_and_one_answers() {
    let (server, provider) = real();
    server.phone("frank", "PUSHF1", "");
    server.phone("frank", "PUSHF2", "");
    server.oath("frank", "totp", "TOTPF", "");
    let second = FactorChoice { factor: Factor::Push, device: 2 };
    let asked = provider
        .start_push(PushRequest { asking: PushRequestKind::Device(Some(second)), ..ask("frank") })
        .await;
    let Ok(AskOutcome::Waiting(question)) = asked else { panic!("{asked:?}") };
    assert!(question.device.as_str().contains("PUSHF1") && question.device.as_str().contains("PUSHF2"));
    assert_eq!((server.questions("PUSHF1"), server.approve("PUSHF2")), (1, 1));
    assert_eq!(answer(&provider, &question).await, Ok(approved(Factor::Push, "PUSHF2")));
}

#[tokio::test(flavor = "multi_thread")]
async fn trigger_is_the_pin() {
    let (server, provider) = real();
    server.phone("grace", "PUSHG", "1234");
    assert_eq!(decided(&provider, ask("grace")).await, PushOutcome::NoDevice);
    let provider = provider_with(&server.url(), None, "1234");
    let question = question(&provider, "grace").await;
    server.approve("PUSHG");
    assert_eq!(answer(&provider, &question).await, Ok(approved(Factor::Push, "PUSHG")));
    // A passcode that is the PIN sends a push, and is not an accept.
    assert_eq!(decided(&provider, with_passcode("grace", "1234")).await, PushOutcome::Wrong);
    assert_eq!(server.questions("PUSHG"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn user_without_a_phone_has_no_device() {
    let (server, provider) = real();
    assert_eq!(decided(&provider, ask("heidi")).await, PushOutcome::NoDevice);
    server.oath("heidi", "hotp", "HOTPH", "");
    server.policy("heidi", "authentication", &json!({ "challenge_response": "totp hotp" }));
    assert_eq!(decided(&provider, ask("heidi")).await, PushOutcome::NoDevice);
    for factor in [Factor::Phone, Factor::Sms] {
        let asking = PushRequestKind::Device(Some(FactorChoice { factor, device: 1 }));
        assert_eq!(decided(&provider, PushRequest { asking, ..ask("bob") }).await, PushOutcome::NoDevice);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lets_in_without_asking_is_refused_and_named() {
    let (server, provider) = real();
    server.token("ivan", "spass", "SPASSI", "");
    let text = failure(provider.start_push(ask("ivan")).await, "spass");
    assert!(text.contains("DANGER") && text.contains("spass"), "{text}");
    for (user, action) in [("judy", "passOnNoToken"), ("mallory", "passOnNoUser")] {
        server.policy(user, "authentication", &json!({ action: true }));
    }
    assert!(failure(provider.start_push(ask("judy")).await, "passOnNoToken").contains("DANGER"));
    let text = failure(provider.start_push(with_passcode("judy", "123456")).await, "passOnNoToken");
    assert!(text.contains("passOnNoToken"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_under_which_nobody_could_answer_are_named() {
    let (server, provider) = real();
    for (user, action, value) in [
        ("niaj", "push_require_presence", json!(true)),
        ("olivia", "push_code_to_phone", json!(true)),
        ("peggy", "push_wait", json!("4")),
    ] {
        let serial = format!("PUSH{}", user.to_uppercase());
        server.phone(user, &serial, "");
        server.policy(user, "authentication", &json!({ action: value }));
        let asking = tokio::spawn(provider.start_push(ask(user)));
        if action == "push_wait" {
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert_eq!(server.approve(&serial), 1);
        }
        let text = failure(asking.await.unwrap(), action);
        assert!(text.contains(action), "{text}");
    }
}

/// An answer to `/validate/check` or `/validate/polltransaction`.
fn says(value: bool, detail: Value) -> Reply {
    Reply::Http(200, json!({ "result": { "status": true, "value": value }, "detail": detail }).to_string())
}

fn triggered() -> Reply {
    says(
        false,
        json!({ "transaction_id": "0123456789", "multi_challenge": [
            { "serial": "PUSH1", "type": "push", "client_mode": "poll", "transaction_id": "0123456789" }
        ]}),
    )
}

fn pending() -> Reply {
    says(false, json!({ "challenge_status": "pending" }))
}

fn accepted() -> Reply {
    says(true, json!({ "challenge_status": "accept" }))
}

fn fake(replies: &[Reply]) -> (Fake, Arc<dyn PushProvider>) {
    let fake = Fake::start(replies.to_vec());
    let provider = provider_with(&format!("{}pi?k=marker", fake.url), Some("a realm&x=y"), "tri gger+&");
    (fake, provider)
}

/// Polls without a rest.
async fn answer_at_once(provider: &Arc<dyn PushProvider>) -> Result<PushOutcome, ProviderError> {
    let question = question(provider, "alice").await;
    answer(provider, &PushQuestion { interval: Duration::from_millis(1), ..question }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_those_of_the_protocol() {
    let confirmed = says(true, json!({ "serial": "PUSH1", "message": "Found matching challenge" }));
    let (fake, provider) = fake(&[triggered(), pending(), accepted(), confirmed]);
    assert_eq!(answer_at_once(&provider).await, Ok(approved(Factor::Push, "PUSH1")));
    let form = "client=192.0.2.1&realm=a+realm%26x%3Dy";
    assert_eq!(
        fake.asked(),
        [
            format!("POST /pi/validate/check?k=marker HTTP/1.1 user=alice&pass=tri+gger%2B%26&{form}"),
            "GET /pi/validate/polltransaction?k=marker&transaction_id=0123456789 HTTP/1.1 ".to_owned(),
            "GET /pi/validate/polltransaction?k=marker&transaction_id=0123456789 HTTP/1.1 ".to_owned(),
            format!(
                "POST /pi/validate/check?k=marker HTTP/1.1 user=alice&pass=&{form}&transaction_id=0123456789"
            ),
        ]
    );
}

/// What is no answer at all.
fn broken() -> Vec<(&'static str, Reply)> {
    let yes =
        json!({ "result": { "status": true, "value": true }, "detail": { "serial": "PUSH1" } }).to_string();
    let http = |status| Reply::Http(status, yes.clone());
    vec![
        ("201", http(201)),
        ("302", http(302)),
        ("307", http(307)),
        ("403", http(403)),
        ("404", http(404)),
        ("500", http(500)),
        ("503", http(503)),
        ("empty", Reply::Http(200, String::new())),
        ("page", Reply::Http(200, "<html>true</html>".to_owned())),
        ("truncated", Reply::Http(200, yes[..yes.len() - 3].to_owned())),
        ("cut", Reply::Raw(format!("HTTP/1.1 200 x\r\ncontent-length: 1000\r\n\r\n{yes}"))),
        ("no http", Reply::Raw(yes.clone())),
        ("closed", Reply::Raw(String::new())),
        ("huge", Reply::Huge(yes.clone(), 100_000_000)),
        ("array", Reply::Http(200, format!("[{yes}]"))),
        ("deep", Reply::Http(200, "[".repeat(100_000))),
        ("text", Reply::Http(200, yes.replace("true", "\"true\""))),
        ("number", Reply::Http(200, yes.replace("true", "1"))),
        ("no value", Reply::Http(200, "{\"result\":{\"status\":true},\"detail\":{}}".to_owned())),
        (
            "twice",
            Reply::Http(200, "{\"result\":{\"status\":true,\"value\":false,\"value\":true}}".to_owned()),
        ),
        ("no status", Reply::Http(200, "{\"result\":{\"value\":true}}".to_owned())),
        ("status", Reply::Http(200, "{\"result\":{\"status\":false,\"value\":true}}".to_owned())),
        (
            "error",
            Reply::Http(
                400,
                "{\"result\":{\"status\":false,\"error\":{\"code\":905,\"message\":\"marker\\n\"}}}"
                    .to_owned(),
            ),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_answer_is_neither_yes_nor_no() {
    for (kind, reply) in broken() {
        let mut texts = Vec::new();
        let (_fake, provider) = fake(std::slice::from_ref(&reply));
        texts.push(failure(provider.start_push(ask("alice")).await, kind));
        texts.push(
            failure(provider.start_push(with_passcode("alice", "123456")).await, kind)
                .replace("123456", "marker"),
        );
        let (_fake, provider) = fake(&[triggered(), reply.clone()]);
        texts.push(failure(answer_at_once(&provider).await, kind));
        let (_fake, provider) = fake(&[triggered(), accepted(), reply]);
        texts.push(failure(answer_at_once(&provider).await, kind));
        for text in texts {
            assert!(text.len() < 300 && !text.contains(char::is_control), "{kind}: {text}");
            assert!(!text.contains("marker") && !text.contains("tri"), "{kind}: {text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lie_is_no_approval() {
    let confirmed = |detail: Value| vec![triggered(), accepted(), says(true, detail)];
    for (kind, replies) in [
        ("another token", confirmed(json!({ "serial": "SPASS1" }))),
        ("no token", confirmed(json!({ "message": "user has no token, accepted" }))),
        ("another user", confirmed(json!({ "serial": "PUSH1", "user": { "username": "bob" } }))),
        ("another transaction", confirmed(json!({ "serial": "PUSH1", "transaction_id": "1" }))),
        ("a key to press", {
            let challenge = json!({ "serial": "PUSH1", "type": "push", "presence_answer": "W" });
            vec![says(false, json!({ "transaction_id": "1", "multi_challenge": [challenge] }))]
        }),
        ("a token without its serial", {
            vec![says(false, json!({ "transaction_id": "1", "multi_challenge": [{ "type": "push" }] }))]
        }),
        ("a transaction that is none", {
            let challenge = json!({ "serial": "PUSH1", "type": "push" });
            vec![says(false, json!({ "transaction_id": "1&user=bob", "multi_challenge": [challenge] }))]
        }),
        ("no question", vec![says(true, json!({ "serial": "PUSH1", "type": "push" }))]),
    ] {
        let (_fake, provider) = fake(&replies);
        let told = match provider.start_push(ask("alice")).await {
            Ok(AskOutcome::Waiting(question)) => {
                answer(&provider, &PushQuestion { interval: Duration::from_millis(1), ..question }).await
            }
            Ok(AskOutcome::Decided(response)) => Ok(response.outcome),
            Err(trouble) => Err(trouble),
        };
        let text = failure(told, kind);
        assert!(!text.contains("bob") && !text.contains("SPASS1"), "{kind}: {text}");
    }
    for (kind, detail) in [
        ("another user", json!({ "serial": "TOTP1", "user": { "username": "bob" } })),
        ("no token", json!({ "message": "user has no token, accepted" })),
        ("nothing", Value::Null),
    ] {
        let (_fake, provider) = fake(&[says(true, detail)]);
        failure(provider.start_push(with_passcode("alice", "123456")).await, kind);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_is_no_whatever_else_is_said() {
    for poll in [
        says(true, json!({ "challenge_status": "declined" })),
        says(false, json!({ "challenge_status": "declined" })),
        says(false, json!({ "challenge_status": "cancelled" })),
    ] {
        let (fake, provider) = fake(&[triggered(), poll, says(true, json!({ "serial": "PUSH1" }))]);
        assert_eq!(answer_at_once(&provider).await, Ok(PushOutcome::Denied));
        assert_eq!(fake.asked().len(), 2);
    }
    let (_fake, provider) = fake(&[triggered(), accepted(), says(false, json!({ "serial": "PUSH1" }))]);
    assert_eq!(answer_at_once(&provider).await, Ok(PushOutcome::Denied));
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_say_less_are_understood() {
    // An older one does not tell how the question stands; a policy can take the details off a yes.
    let yes = Reply::Http(200, "{\"result\":{\"status\":true,\"value\":true}}".to_owned());
    let (_fake, provider) = fake(&[triggered(), yes.clone(), yes]);
    assert_eq!(answer_at_once(&provider).await, Ok(approved(Factor::Push, "PUSH1")));
    let (_fake, provider) = fake(&[says(false, Value::Null)]);
    assert_eq!(decided(&provider, ask("alice")).await, PushOutcome::NoDevice);
    assert_eq!(decided(&provider, with_passcode("alice", "123456")).await, PushOutcome::Wrong);
}

#[tokio::test(flavor = "multi_thread")]
async fn poll_that_fails_once_is_tried_again() {
    let confirmed = says(true, json!({ "serial": "PUSH1" }));
    let bad = [Reply::Http(503, String::new()), Reply::Raw(String::new()), Reply::Http(502, String::new())];
    let replies = [&[triggered()][..], &bad, &[pending()], &bad, &[accepted(), confirmed]].concat();
    let (_fake, provider) = fake(&replies);
    assert_eq!(answer_at_once(&provider).await, Ok(approved(Factor::Push, "PUSH1")));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_server_that_is_not_there_is_unreachable() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let gone = provider_with(&format!("http://{free}/"), None, "");
    for ask in [ask("alice"), with_passcode("alice", "123456")] {
        assert!(matches!(gone.start_push(ask).await, Err(ProviderError::Unreachable(_))));
    }
    let fake = Fake::start(vec![Reply::Silence]);
    let provider = provider_within(2, &fake.url, None, "");
    failure(provider.start_push(ask("alice")).await, "it may have asked the user");
    failure(provider.start_push(with_passcode("alice", "123456")).await, "the code may be used");
}

#[tokio::test(flavor = "multi_thread")]
async fn text_of_the_server_is_made_fit_for_a_log() {
    let serial = "PUSH\r\n\u{1b}[31m\u{202e}1";
    let challenge = json!({ "serial": serial, "type": "push" });
    let (_fake, provider) = fake(&[
        says(false, json!({ "transaction_id": "1", "multi_challenge": [challenge] })),
        accepted(),
        says(true, json!({ "serial": serial })),
    ]);
    assert_eq!(answer_at_once(&provider).await, Ok(approved(Factor::Push, serial)));
    assert!(!Printable::new(serial).as_str().contains(char::is_control));
}

#[tokio::test(flavor = "multi_thread")]
async fn number_that_nobody_would_show_is_not_asked_for() {
    let (fake, provider) = fake(&[triggered()]);
    let told = provider.start_push(PushRequest { number: Some("42".to_owned()), ..ask("alice") }).await;
    failure(told, "a number");
    assert!(fake.asked().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn probe_asks_nobody_and_knows_the_server_from_another() {
    let (server, provider) = real();
    let well = provider.probe_service().await.unwrap().unwrap();
    assert!(well.contains("it answers as a privacyIDEA server does"), "{well}");
    assert!(well.contains("does not let in a name that no user has"), "{well}");
    let elsewhere = provider_with(&server.url(), Some("elsewhere"), "");
    elsewhere.probe_service().await.expect("a realm without users lets nobody in");
    let page = Fake::start(vec![Reply::Http(200, "<html>".into())]);
    assert!(matches!(
        provider_with(&page.url, None, "").probe_service().await,
        Err(ProviderError::Failed(_))
    ));
    let [asked] = page.asked().try_into().unwrap();
    assert!(asked.starts_with("GET /validate/polltransaction?transaction_id=0000"), "{asked}");
    let nobody = provider_with("http://127.0.0.1:9/", None, "").probe_service().await;
    assert!(matches!(nobody, Err(ProviderError::Unreachable(_))), "{nobody:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn server_that_lets_in_any_name_is_found_by_the_probe() {
    let (server, _) = real();
    server.policy_of_realm("open", "authentication", &json!({ "passOnNoUser": true }));
    let text = failure(provider_with(&server.url(), Some("open"), "").probe_service().await, "passOnNoUser");
    assert!(text.contains("DANGER") && text.contains("passOnNoUser"), "{text}");
    let none = says(false, Value::Null);
    let (fake, provider) = fake(&[none.clone(), says(true, json!({ "message": "anybody" }))]);
    assert!(failure(provider.probe_service().await, "anybody").contains("DANGER"));
    let [poll, check] = fake.asked().try_into().unwrap();
    assert!(poll.starts_with("GET ") && check.contains("user=mfa-doctor-"), "{check}");
    assert!(!check.contains("client="), "the policies of no client are taken for those of all: {check}");
    // Each time another name, so that the answer says something about every name.
    let (fake, provider) = self::fake(&[none]);
    for _ in 0..2 {
        provider.probe_service().await.unwrap();
    }
    assert_ne!(fake.asked()[1], fake.asked()[3]);
}
