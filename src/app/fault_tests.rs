//! Providers that fail, servers that stop, threads that run out: what becomes of the logins that wait for them.

use super::open::verify;
use super::services::{App, Dependencies, PATIENCE};
use super::{LoginPacket, LoginProgress, WaitMode, now};
use crate::config::Config;
use crate::engine::fake::Memory;
use crate::engine::port::Store;
use crate::engine::provider::{
    AskOutcome, ProviderError, ProviderFuture, PushProvider, PushQuestion, PushRequest, PushResponse,
};
use crate::engine::{
    AttemptSource, LoginAttempt, LoginRequest, PasswordStatus, PasswordVerifier, Reason, SubmittedPassword,
};
use crate::text::ClientVoice;
use crate::types::{Factor, Mode, Printable, Secret};
use crate::waiting::{AttemptFingerprint, ParkedHandle};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// What a provider does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum FakeProviderBehaviour {
    PanicsAsked,
    PanicsAnswering,
    /// The user does not answer.
    Silent,
    /// The push arrives late, and the user does not answer.
    Slow,
}

#[derive(Clone)]
struct FakeProvider {
    manner: FakeProviderBehaviour,
    asked: Arc<AtomicU32>,
    cancelled: Arc<AtomicU32>,
}

impl FakeProvider {
    fn new(manner: FakeProviderBehaviour) -> Self {
        Self { manner, asked: Arc::default(), cancelled: Arc::default() }
    }

    fn call_counts(&self) -> (u32, u32) {
        (self.asked.load(Ordering::SeqCst), self.cancelled.load(Ordering::SeqCst))
    }
}

impl PushProvider for FakeProvider {
    fn name(&self) -> &'static str {
        "fake"
    }

    fn start_push(&self, ask: PushRequest) -> ProviderFuture<Result<AskOutcome, ProviderError>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let manner = self.manner;
        Box::pin(async move {
            assert!(manner != FakeProviderBehaviour::PanicsAsked, "told to");
            if manner == FakeProviderBehaviour::Slow {
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
            Ok(AskOutcome::Waiting(PushQuestion {
                id: Secret::new("1"),
                subject: ask.user,
                factor: Factor::Push,
                device: Printable::new("phone"),
                interval: Duration::from_secs(1),
            }))
        })
    }

    fn await_answer(&self, _: &PushQuestion) -> ProviderFuture<Result<PushResponse, ProviderError>> {
        assert!(self.manner != FakeProviderBehaviour::PanicsAnswering, "told to");
        Box::pin(std::future::pending())
    }

    fn cancel_push(&self, _: &PushQuestion) -> ProviderFuture<()> {
        self.cancelled.fetch_add(1, Ordering::SeqCst);
        Box::pin(async {})
    }
}

fn build_app(provider: &FakeProvider) -> (App, Arc<Memory>) {
    let store = Arc::new(Memory::default());
    let config = Config { mode: Mode::Auto, ..Config::default() };
    let (memory, asks) = (Arc::clone(&store) as Arc<dyn Store>, Arc::new(provider.clone()));
    let verify = verify(&config);
    let outside =
        Dependencies { store: memory, verify, provider: Some(asks), messages: None, authorities: None };
    let mut app = App::build_with(Arc::new(config), outside, PATIENCE).unwrap();
    app.start_responder(Box::new(|_| ())).unwrap();
    (app, store)
}

/// A login of a user whose password was right.
fn password_verified_login(app: &App, user: &str, patience: WaitMode) -> LoginProgress {
    let attempt = LoginAttempt::new(
        LoginRequest {
            at: now(),
            user: user.into(),
            source: AttemptSource::default(),
            ..LoginRequest::default()
        },
        Mode::Auto,
        PasswordStatus::Verified { by: PasswordVerifier::Server },
        SubmittedPassword::Absent,
    );
    let fingerprint = AttemptFingerprint { digest: [0; 32], datagram: None, roams: true, port: 1 };
    app.decide_or_wait(
        attempt,
        LoginPacket { fingerprint, limit: None, patience, voice: ClientVoice::default_voice() },
    )
}

fn parked_handle(progress: LoginProgress) -> ParkedHandle {
    match progress {
        LoginProgress::Waiting(seat) => seat,
        LoginProgress::Done(decision) => panic!("decided: {decision:?}"),
    }
}

#[test]
fn provider_that_panics_lets_nobody_in() {
    for manner in [FakeProviderBehaviour::PanicsAsked, FakeProviderBehaviour::PanicsAnswering] {
        let provider = FakeProvider::new(manner);
        let (app, _) = build_app(&provider);
        let parked = parked_handle(password_verified_login(&app, "alice", WaitMode::Park));
        let start = Instant::now();
        let decision = loop {
            if let Some(decision) = app.take_decision(&parked) {
                break decision;
            }
            assert!(start.elapsed() < Duration::from_secs(30));
            std::thread::sleep(Duration::from_millis(5));
        };
        assert_eq!(decision.reason(), Reason::Unavailable);
        let decision = app.block_for_decision(
            parked_handle(password_verified_login(&app, "bob", WaitMode::Block)),
            &|| false,
        );
        assert_eq!(decision.reason(), Reason::Unavailable);
        assert_eq!(provider.call_counts().0, 2);
    }
}

#[test]
fn thread_that_waits_is_freed_when_the_server_stops() {
    let provider = FakeProvider::new(FakeProviderBehaviour::Silent);
    let (app, _) = build_app(&provider);
    let start = Instant::now();
    let decision = app
        .block_for_decision(parked_handle(password_verified_login(&app, "alice", WaitMode::Block)), &|| true);
    assert_eq!(decision.reason(), Reason::Cancelled);
    drop(app);
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    assert_eq!(provider.call_counts(), (1, 1));
}

#[test]
fn nobody_is_asked_for_a_login_that_finds_no_thread_to_wait_on() {
    let provider = FakeProvider::new(FakeProviderBehaviour::Silent);
    let (app, store) = build_app(&provider);
    let first = parked_handle(password_verified_login(&app, "alice", WaitMode::Block));
    let LoginProgress::Done(decision) = password_verified_login(&app, "bob", WaitMode::Block) else {
        panic!("it waits")
    };
    assert_eq!(decision.reason(), Reason::Busy);
    assert_eq!(store.audit(), [("bob".to_owned(), Reason::Busy)]);
    let _parked = parked_handle(password_verified_login(&app, "carol", WaitMode::Park));
    drop(first);
    let _second = parked_handle(password_verified_login(&app, "dave", WaitMode::Block));
    drop(app);
    assert_eq!(provider.call_counts(), (3, 3));
}

#[test]
fn question_that_is_on_its_way_when_the_server_stops_is_taken_back() {
    let provider = FakeProvider::new(FakeProviderBehaviour::Slow);
    let (app, store) = build_app(&provider);
    let _seat = parked_handle(password_verified_login(&app, "alice", WaitMode::Park));
    drop(app);
    assert_eq!(provider.call_counts(), (1, 1));
    assert_eq!(store.audit(), [("alice".to_owned(), Reason::Cancelled)]);
}
