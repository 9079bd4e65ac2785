//! The whole of it but for the disk: real factors, the real runtime, a store in memory.

use super::*;
use crate::engine::fake::{Memory, Mood};
use crate::engine::port::Token;
use crate::engine::{Password, Reason, Source, Verdict};
use crate::factor::passcode_at;
use crate::types::{Factor, Mode, TokenId};

fn token() -> Token {
    Token {
        id: TokenId(1),
        serial: "totp1".into(),
        factor: Factor::Totp,
        algorithm: Default::default(),
        digits: Default::default(),
        period: Default::default(),
        secret: Secret::new("12345678901234567890"),
        pin: None,
        enabled: true,
        next: 0,
        drift: 0,
        resync: None,
        codes: Vec::new(),
        created: Timestamp::default(),
    }
}

fn app() -> (App, Arc<Memory>) {
    let store = Arc::new(Memory::with("alice", [token()]));
    let app = App::over(Arc::default(), Arc::clone(&store) as Arc<dyn Store>, Duration::from_millis(20));
    (app.unwrap(), store)
}

/// A login at time step 100 with the code of step `shown`.
fn attempt(shown: i64) -> Attempt {
    Attempt {
        at: Timestamp::from_seconds(3000),
        user: b"Alice".to_vec(),
        source: Source::default(),
        mode: Mode::Passcode,
        first_factor: Default::default(),
        password: Password::Plain(Secret::new(passcode_at(&token(), shown))),
    }
}

#[test]
fn code_fired_by_many_threads_at_once_lets_in_one() {
    let (app, store) = app();
    let accepts: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..16)
            .map(|_| {
                scope.spawn(|| {
                    (0..50).filter(|_| app.decide(attempt(100)).verdict() == Verdict::Accept).count()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(accepts, 1);
    assert_eq!(store.audit().len(), 800);
}

#[test]
fn drifted_token_is_resynchronised_by_two_logins() {
    let (app, _) = app();
    let reasons = [105, 106, 106].map(|shown| app.decide(attempt(shown)).reason);
    assert_eq!(reasons, [Reason::WrongCode, Reason::Resynchronised, Reason::SpentCode]);
}

#[test]
fn store_that_hangs_is_unavailable_and_keeps_nobody_waiting() {
    let (app, store) = app();
    store.be(Mood::Hangs);
    let decision = app.decide(attempt(100));
    assert_eq!(decision.verdict(), Verdict::Unavailable);
    assert_eq!(decision.user, Some(UserName::from_canonical("alice")));
    assert!(decision.detail.unwrap().starts_with("store did not answer within"));
    assert_eq!(app.note(attempt(100), Finding::Exempt).verdict(), Verdict::Unavailable);
    app.close();
}

#[test]
fn app_without_a_store_does_not_open() {
    let mut config = Config::default();
    config.store.filename = "/nonexistent/mfa.db".into();
    assert!(App::open(Arc::new(config)).is_err());
}

#[test]
fn app_is_shared_by_threads() {
    fn is_shared<T: Send + Sync + 'static>() {}
    is_shared::<App>();
}
