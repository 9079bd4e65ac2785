//! The protocol of doc/webhook.md against the example server, and against one that lies.

use crate::harness::SOON;
use crate::harness::webhook::{KEY, Webhook};
use rlm_mfa::config::push;
use rlm_mfa::engine::provider::{
    AskOutcome, ProviderError, PushOutcome, PushProvider, PushQuestion, PushRequest, PushRequestKind,
};
use rlm_mfa::types::{Factor, FactorChoice, Passcode, Printable, Secret};
use std::sync::Arc;
use std::time::Duration;

fn provider_at(url: &str, key: &str) -> Arc<dyn PushProvider> {
    provider_within(20, url, key)
}

/// With that `api_timeout`.
fn provider_within(seconds: u64, url: &str, key: &str) -> Arc<dyn PushProvider> {
    let webhook = push::WebhookOptions { url: url.parse().unwrap(), secret: Secret::new(key) };
    let http = push::HttpOptions { timeout: Duration::from_secs(seconds), ca_file: None, proxy: None };
    let config = push::PushOptions {
        provider: Some(push::ProviderOptions::Webhook(webhook)),
        http,
        ..push::PushOptions::default()
    };
    rlm_mfa::factor::push::open(&config).unwrap().unwrap()
}

fn provider(server: &Webhook) -> Arc<dyn PushProvider> {
    provider_at(&server.url(), KEY)
}

fn ask(user: &str) -> PushRequest {
    PushRequest {
        user: user.to_owned(),
        asking: PushRequestKind::Device(None),
        client: "192.0.2.1".to_owned(),
        calling_station: "198.51.100.7".to_owned(),
        number: None,
        limit: Duration::from_secs(25),
    }
}

fn with_number(user: &str) -> PushRequest {
    PushRequest { number: Some("42".to_owned()), ..ask(user) }
}

async fn question(provider: &Arc<dyn PushProvider>, ask: PushRequest) -> PushQuestion {
    match provider.start_push(ask).await {
        Ok(AskOutcome::Waiting(question)) => question,
        other => panic!("nobody is waited for: {other:?}"),
    }
}

/// What came of it.
async fn answer(
    provider: &Arc<dyn PushProvider>,
    question: &PushQuestion,
) -> Result<PushOutcome, ProviderError> {
    tokio::time::timeout(SOON, provider.await_answer(question))
        .await
        .expect("an answer in time")
        .map(|told| told.outcome)
}

fn approved(user: &str, factor: Factor) -> PushOutcome {
    PushOutcome::Approved { factor, device: Printable::new(format!("phone of {user}")) }
}

/// The text of the failure; anything else is none.
fn failure<T: std::fmt::Debug>(result: Result<T, ProviderError>, case: &str) -> String {
    match result {
        Err(ProviderError::Failed(text)) => text,
        other => panic!("{case}: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_status_has_its_outcome() {
    let server = Webhook::start();
    let provider = provider(&server);
    for (status, outcome) in [
        ("approved", approved("alice", Factor::Push)),
        ("denied", PushOutcome::Denied),
        ("fraud", PushOutcome::Fraud),
        ("expired", PushOutcome::Expired),
        ("unknown", PushOutcome::Unknown),
        ("locked", PushOutcome::Locked),
        ("no_device", PushOutcome::NoDevice),
    ] {
        let question = question(&provider, ask("alice")).await;
        assert_eq!(question.device.as_str(), "phone of alice");
        assert_eq!(server.decide("alice", status), 1);
        assert_eq!(answer(&provider, &question).await, Ok(outcome.clone()), "{status}");
        server.preset(Some("bob"), status, Duration::ZERO);
        match (provider.start_push(ask("bob")).await, outcome) {
            (Ok(AskOutcome::Decided(told)), PushOutcome::Approved { factor, .. }) => {
                assert_eq!(told, approved("bob", factor).into());
            }
            (Ok(AskOutcome::Decided(told)), outcome) => assert_eq!(told, outcome.into()),
            other => panic!("{status}: {other:?}"),
        }
    }
    assert_eq!((server.asked(), server.cancelled()), (14, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn server_learns_who_asks_for_what() {
    let server = Webhook::start();
    let provider = provider(&server);
    let choice = FactorChoice { factor: Factor::Phone, device: 2 };
    let name = "J\u{fc}rgen \"O\u{2019}Neil\" \\";
    let question = question(
        &provider,
        PushRequest { asking: PushRequestKind::Device(Some(choice)), ..with_number(name) },
    )
    .await;
    assert_eq!((question.factor, question.subject.as_str()), (Factor::Phone, name));
    let pending = server.pending();
    assert_eq!(pending.len(), 1);
    let told = &pending[0];
    assert_eq!((told.user.as_str(), told.client.as_str()), (name, "192.0.2.1"));
    assert_eq!((told.calling_station.as_str(), told.expires_in), ("198.51.100.7", 25));
    assert_eq!((told.factor.as_str(), told.device, told.number.as_deref()), ("phone", Some(2), Some("42")));
    assert_eq!(told.id.len(), 32);
    server.approve(name);
    assert!(matches!(
        answer(&provider, &question).await,
        Ok(PushOutcome::Approved { factor: Factor::Phone, .. })
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn number_has_to_come_back_from_the_device() {
    let server = Webhook::start();
    let provider = provider(&server);
    let right = question(&provider, with_number("alice")).await;
    server.approve_with("alice", "42");
    assert_eq!(answer(&provider, &right).await, Ok(approved("alice", Factor::Push)));

    let wrong = question(&provider, with_number("alice")).await;
    server.approve_with("alice", "24");
    assert_eq!(answer(&provider, &wrong).await, Ok(PushOutcome::Denied));

    let missing = question(&provider, with_number("alice")).await;
    server.fault("poll", "no_number", 1);
    assert!(failure(answer(&provider, &missing).await, "no number").contains("number"));
    server.fault("ask", "no_number", 1);
    failure(provider.start_push(with_number("alice")).await, "no number");
    server.fault("ask", "other_number", 1);
    let told = provider.start_push(with_number("alice")).await;
    assert!(
        matches!(&told, Ok(AskOutcome::Decided(told)) if told.outcome == PushOutcome::Denied),
        "{told:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_users_answer_is_not_anothers() {
    let server = Webhook::start();
    let provider = provider(&server);
    let (alice, bob) = (question(&provider, ask("alice")).await, question(&provider, ask("bob")).await);
    let again = question(&provider, ask("alice")).await;
    server.deny("bob");
    assert_eq!(answer(&provider, &bob).await, Ok(PushOutcome::Denied));
    server.approve("alice");
    for question in [alice, again] {
        assert_eq!(answer(&provider, &question).await, Ok(approved("alice", Factor::Push)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn held_poll_is_answered_when_the_user_is() {
    let server = Webhook::with(&["--interval", "0.1", "--hold", "20"]);
    let provider = provider_within(2, &server.url(), KEY);
    let question = question(&provider, ask("alice")).await;
    let waiting = tokio::spawn(provider.await_answer(&question));
    // Longer than api_timeout, which is not for polls.
    tokio::time::sleep(Duration::from_secs(3)).await;
    server.approve("alice");
    assert_eq!(waiting.await.unwrap(), Ok(approved("alice", Factor::Push).into()));
    assert_eq!(server.polled(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn question_is_taken_back() {
    let server = Webhook::start();
    let provider = provider(&server);
    let question = question(&provider, ask("alice")).await;
    assert_eq!(server.pending().len(), 1);
    provider.cancel_push(&question).await;
    assert_eq!((server.pending().len(), server.cancelled()), (0, 1));
    assert_eq!(answer(&provider, &question).await, Ok(PushOutcome::Expired));
    let dead = provider_at("http://127.0.0.1:1/ask", KEY);
    dead.cancel_push(&question).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unanswered_question_expires_at_the_server() {
    let server = Webhook::start();
    let provider = provider(&server);
    let question = question(&provider, PushRequest { limit: Duration::from_secs(1), ..ask("alice") }).await;
    assert_eq!(answer(&provider, &question).await, Ok(PushOutcome::Expired));
}

#[tokio::test(flavor = "multi_thread")]
async fn poll_goes_where_the_server_says_if_that_is_itself() {
    let server = Webhook::start();
    let provider = provider(&server);
    server.fault("ask", "relative", 1);
    let question = question(&provider, ask("alice")).await;
    server.approve("alice");
    assert_eq!(answer(&provider, &question).await, Ok(approved("alice", Factor::Push)));
    server.fault("ask", "poll_url", 1);
    assert!(failure(provider.start_push(ask("bob")).await, "another server").contains("poll_url"));
}

/// What no fault may do.
const BROKEN: [&str; 28] = [
    "204",
    "302",
    "307",
    "401",
    "404",
    "500",
    "503",
    "close",
    "cut",
    "huge",
    "page",
    "unsigned",
    "stale",
    "early",
    "wrong_key",
    "unbound",
    "changed",
    "replayed",
    "reflected",
    "truncated",
    "array",
    "empty",
    "null",
    "deep",
    "other_id",
    "unknown_status",
    "wrong_type",
    "factor",
];

#[tokio::test(flavor = "multi_thread")]
async fn broken_answer_is_neither_yes_nor_no() {
    let server = Webhook::start();
    let url = format!("{}?key=marker-in-the-query", server.url());
    let provider = provider_at(&url, KEY);
    // So that there is something to replay.
    let before = question(&provider, ask("alice")).await;
    server.approve("alice");
    assert_eq!(answer(&provider, &before).await, Ok(approved("alice", Factor::Push)));
    for kind in BROKEN {
        server.fault("ask", kind, 1);
        let first = failure(provider.start_push(ask("bob")).await, kind);
        server.fault("ask", "none", 0);
        server.decide_all("denied");
        let question = question(&provider, ask("bob")).await;
        server.fault("poll", kind, 9);
        let second = failure(answer(&provider, &question).await, kind);
        server.fault("poll", "none", 0);
        for text in [first, second] {
            assert!(text.len() < 200 && !text.contains(char::is_control), "{text}");
            assert!(!text.contains("marker") && !text.contains(KEY) && !text.contains("approved"), "{text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_key_needs_no_pause() {
    let server = Webhook::start();
    let provider = provider(&server);
    let question = question(&provider, ask("alice")).await;
    server.approve("alice");
    server.fault("poll", "two_keys", 1);
    assert_eq!(answer(&provider, &question).await, Ok(approved("alice", Factor::Push)));
}

#[tokio::test(flavor = "multi_thread")]
async fn poll_that_fails_once_is_tried_again() {
    let server = Webhook::start();
    let provider = provider(&server);
    for kind in ["503", "close", "cut"] {
        let question = question(&provider, ask("alice")).await;
        server.approve("alice");
        server.fault("poll", kind, 3);
        assert_eq!(answer(&provider, &question).await, Ok(approved("alice", Factor::Push)), "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_server_that_is_not_there_is_unreachable() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let gone = provider_at(&format!("http://{free}/ask"), KEY);
    assert!(matches!(gone.start_push(ask("alice")).await, Err(ProviderError::Unreachable(_))));

    let server = Webhook::start();
    let provider = provider_within(2, &server.url(), KEY);
    server.fault("ask", "slow", 1);
    failure(provider.start_push(ask("alice")).await, "it may have asked the user");
    let question = question(&provider, ask("alice")).await;
    drop(server);
    failure(answer(&provider, &question).await, "the user was asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_key_is_told_to_the_administrator() {
    let server = Webhook::start();
    let provider = provider_at(&server.url(), "another key of this length");
    assert!(failure(provider.start_push(ask("alice")).await, "wrong key").contains("hmac_key"));
    assert_eq!(server.asked(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn text_of_the_server_is_made_fit_for_a_log() {
    let server = Webhook::start();
    let provider = provider(&server);
    server.fault("ask", "control", 1);
    let question = question(&provider, ask("alice")).await;
    assert_eq!(question.device.as_str(), "phone\\x0d\\x0a\\x1b[31mof \\u{202e}alice");
    server.fault("ask", "interval", 1);
    let Ok(AskOutcome::Waiting(question)) = provider.start_push(ask("alice")).await else {
        panic!("waiting")
    };
    assert_eq!(question.interval, Duration::from_secs(10));
}

#[tokio::test(flavor = "multi_thread")]
async fn passcodes_are_not_for_it() {
    let server = Webhook::start();
    let provider = provider(&server);
    assert!(!provider.takes_passcodes());
    let asking = PushRequestKind::Passcode(Passcode::parse(b"123456").unwrap());
    failure(provider.start_push(PushRequest { asking, ..ask("alice") }).await, "a passcode");
    assert_eq!(server.asked(), 0);
}

#[tokio::test]
async fn probe_asks_nobody_and_knows_whether_the_key_is_right() {
    let server = Webhook::start();
    let well = provider(&server).probe_service().await.unwrap();
    assert_eq!(well.as_deref(), Some("it answers, and takes our key"));
    assert_eq!((server.asked(), server.polled()), (0, 0));
    let text = failure(provider_at(&server.url(), "another key").probe_service().await, "another key");
    assert!(text.contains("it does not take our signature"), "{text}");
    server.fault("poll", "wrong_key", 1);
    failure(provider(&server).probe_service().await, "its key is another");
    let url = server.url();
    drop(server);
    assert!(matches!(provider_at(&url, KEY).probe_service().await, Err(ProviderError::Unreachable(_))));
}
