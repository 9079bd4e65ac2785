//! All of it together: real factors, the real runtime, a store in memory or on disk.

use super::*;
use crate::engine::fake::{Memory, Mood};
use crate::engine::port::Token;
use crate::engine::{Password, Reason, Source, Verdict};
use crate::factor::passcode_at;
use crate::store::{Admin, NewToken};
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
    let app =
        App::over(Arc::default(), Arc::clone(&store) as Arc<dyn Store>, None, Duration::from_millis(20));
    (app.unwrap(), store)
}

fn decide(app: &App, attempt: Attempt) -> Decision {
    match app.begin(attempt) {
        Begun::Decided(decision) => decision,
        Begun::Ask(_) => panic!("nobody is asked here"),
    }
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

/// How many of 16 threads' simultaneous tries with one code are accepted.
fn fire(app: &App, tries: usize) -> usize {
    std::thread::scope(|scope| {
        let accepted =
            || (0..tries).filter(|_| decide(app, attempt(100)).verdict() == Verdict::Accept).count();
        let threads: Vec<_> = (0..16).map(|_| scope.spawn(accepted)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    })
}

#[test]
fn code_fired_by_many_threads_at_once_lets_in_one() {
    let (app, store) = app();
    assert_eq!(fire(&app, 50), 1);
    assert_eq!(store.audit().len(), 800);
}

#[test]
fn code_fired_at_a_store_on_disk_lets_in_one_and_none_after_it_was_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config::default();
    config.store.filename = folder.path().join("mfa.db");
    config.store.key = crate::config::Key::File(folder.path().join("mfa.key"));
    Sqlite::create(&config.store, None).unwrap();
    let config = Arc::new(config);

    let store = Sqlite::open(&config.store).unwrap();
    let alice = UserName::from_canonical("alice");
    store.add_user(&alice, "", now()).unwrap();
    let Token { factor, algorithm, digits, period, secret, pin, next, codes, .. } = token();
    let new = NewToken { factor, serial: None, algorithm, digits, period, secret, pin, next, codes };
    store.add_token(&alice, new, now()).unwrap();
    store.close();

    for accepts in [1, 0] {
        let app = App::open(Arc::clone(&config), 32, Box::new(|_| ())).unwrap();
        assert_eq!(fire(&app, 5), accepts);
        app.close();
    }
}

#[test]
fn drifted_token_is_resynchronised_by_two_logins() {
    let (app, _) = app();
    let reasons = [105, 106, 106].map(|shown| decide(&app, attempt(shown)).reason);
    assert_eq!(reasons, [Reason::WrongCode, Reason::Resynchronised, Reason::SpentCode]);
}

#[test]
fn store_that_hangs_is_unavailable_and_keeps_nobody_waiting() {
    let (app, store) = app();
    store.be(Mood::Hangs);
    let decision = decide(&app, attempt(100));
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
    assert!(App::open(Arc::new(config), 32, Box::new(|_| ())).is_err());
}

#[test]
fn app_is_shared_by_threads() {
    fn is_shared<T: Send + Sync + 'static>() {}
    is_shared::<App>();
}
