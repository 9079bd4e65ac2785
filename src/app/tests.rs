//! All of it together: real factors, the real runtime, a store in memory or on disk.

use super::open::verify;
use super::services::{App, Dependencies, GRACE, PATIENCE};
use super::{LoginPacket, LoginProgress, WaitMode, draw_entropy, now};
use crate::config::push::NumberMatch;
use crate::config::{Config, FailureLimits};
use crate::engine::challenge::ChallengeState;
use crate::engine::fake::{Memory, Mood, Says, Told, yes};
use crate::engine::port::{
    Account, AttemptCommit, AttemptFinding, CodeSending, EnrolledToken, NewCode, PasswordConfirmation,
    StateDigest, Store, StoreFuture,
};
use crate::engine::provider::PushProvider;
use crate::engine::{
    AttemptSource, Decision, Gate, LoginAttempt, LoginRequest, PasswordProof, PasswordStatus,
    PasswordVerifier, Reason, Step, SubmittedPassword, Verdict,
};
use crate::factor::passcode_at;
use crate::store::{Administration, NewToken, SqliteStore};
use crate::text::ClientVoice;
use crate::types::{Factor, Mode, Secret, Timestamp, TokenId, UserName};
use crate::waiting::{AttemptFingerprint, ParkedHandle};
use std::sync::Arc;
use std::time::{Duration, Instant};

fn token() -> EnrolledToken {
    EnrolledToken {
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
        sent: Vec::new(),
        created: Timestamp::default(),
    }
}

fn app() -> (App, Arc<Memory>) {
    let store = Arc::new(Memory::with("alice", [token()]));
    let config = Arc::<Config>::default();
    let memory = Arc::clone(&store) as Arc<dyn Store>;
    let outside = Dependencies {
        store: memory,
        verify: verify(&config),
        provider: None,
        messages: None,
        authorities: None,
    };
    let app = App::build_with(config, outside, Duration::from_millis(20));
    (app.unwrap(), store)
}

fn decide(app: &App, attempt: LoginAttempt) -> Decision {
    match app.start_here(attempt) {
        Step::Decided(decision) => *decision,
        Step::Ask(_) => panic!("nobody is asked here"),
    }
}

/// A login at time step 100 with the code of step `shown`.
fn attempt(shown: i64) -> LoginAttempt {
    LoginAttempt::new(
        LoginRequest {
            at: Timestamp::from_seconds(3000),
            user: b"Alice".to_vec(),
            source: AttemptSource::default(),
            dialogue: true,
            dice: draw_entropy(),
            ..LoginRequest::default()
        },
        Mode::Passcode,
        PasswordStatus::NotRequired,
        SubmittedPassword::Plain(Secret::new(passcode_at(&token(), shown))),
    )
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
    config.store.key = crate::config::KeySource::File(folder.path().join("mfa.key"));
    SqliteStore::create_store(&config.store).unwrap();
    let config = Arc::new(config);

    let store = SqliteStore::open(&config.store).unwrap();
    let alice = UserName::from_canonical("alice");
    store.add_user(&alice, "", now()).unwrap();
    let EnrolledToken { factor, algorithm, digits, period, secret, pin, next, codes, .. } = token();
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
    let reasons = [105, 106, 106].map(|shown| decide(&app, attempt(shown)).reason());
    assert_eq!(reasons, [Reason::WrongCode, Reason::Resynchronised, Reason::SpentCode]);
}

#[test]
fn datagram_that_comes_again_has_its_passcode_though_its_time_step_is_over() {
    use crate::engine::{DatagramRecord, EarlierDecision, PacketRole};
    let new = |shown| LoginAttempt { datagram: DatagramRecord::New, ..attempt(shown) };
    let later = |shown, decision: &Decision| {
        let earlier = Arc::new(EarlierDecision::new(decision, PacketRole::First).unwrap());
        let at = Timestamp::from_seconds(3060);
        LoginAttempt {
            datagram: DatagramRecord::Again(earlier),
            ..attempt(shown).map_request(|request| request.at = at)
        }
    };
    let (app, _) = app();
    let first = decide(&app, new(99));
    let second = decide(&app, new(101));
    assert_eq!([first.reason(), second.reason()], [Reason::Right; 2]);
    for (shown, decision) in [(99, &first), (101, &second)] {
        let repeated = decide(&app, later(shown, decision));
        assert_eq!(repeated.reason(), Reason::Repeated, "{shown}");
        let code = repeated.passcode().map(|code| code.expose().to_vec());
        assert_eq!(code, Some(passcode_at(&token(), shown).into_bytes()), "what answers a CHAP challenge");
        let other = decide(&app, later(100, decision));
        assert_eq!(other.verdict(), Verdict::Reject, "not another passcode");
    }
    let (app, _) = self::app();
    let [_, resynchronised] = [105, 106].map(|shown| decide(&app, new(shown)));
    assert_eq!(resynchronised.reason(), Reason::Resynchronised);
    assert_eq!(decide(&app, later(106, &resynchronised)).reason(), Reason::Repeated);
}

#[test]
fn store_that_hangs_is_unavailable_and_keeps_nobody_waiting() {
    let (app, store) = app();
    store.be(Mood::Hangs);
    let decision = decide(&app, attempt(100));
    assert_eq!(decision.verdict(), Verdict::Unavailable);
    assert_eq!(decision.user, Some(UserName::from_canonical("alice")));
    assert!(decision.detail.unwrap().starts_with("store did not answer within"));
    assert_eq!(app.record_attempt(attempt(100), AttemptFinding::Exempt).verdict(), Verdict::Unavailable);
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

/// A store that takes longer than a login waits on its thread.
struct Slow(Memory);

impl Slow {
    fn slowly<T: Send + 'static>(answer: StoreFuture<T>) -> StoreFuture<T> {
        let (wake, woken) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || {
            std::thread::sleep(2 * GRACE);
            wake.send(())
        });
        Box::pin(async move {
            let _ = woken.await;
            answer.await
        })
    }
}

impl Store for Slow {
    fn find_account(&self, name: &UserName) -> StoreFuture<Option<Account>> {
        Self::slowly(self.0.find_account(name))
    }

    fn find_password_hash(&self, name: &UserName) -> StoreFuture<Option<String>> {
        Self::slowly(self.0.find_password_hash(name))
    }

    fn check_gate(
        &self,
        name: &UserName,
        source: &AttemptSource,
        limits: FailureLimits,
        standing: PasswordProof,
        now: Timestamp,
    ) -> StoreFuture<Gate> {
        self.0.check_gate(name, source, limits, standing, now)
    }

    fn locked_until(&self, name: &UserName) -> StoreFuture<Timestamp> {
        self.0.locked_until(name)
    }

    fn commit_attempt(&self, settlement: AttemptCommit) -> StoreFuture<Reason> {
        self.0.commit_attempt(settlement)
    }

    fn confirm_passcode(&self, confirmation: PasswordConfirmation) -> StoreFuture<Reason> {
        self.0.confirm_passcode(confirmation)
    }

    fn redeem_challenge(
        &self,
        state: StateDigest,
        name: &UserName,
        source: &AttemptSource,
        now: Timestamp,
    ) -> StoreFuture<Option<ChallengeState>> {
        self.0.redeem_challenge(state, name, source, now)
    }

    fn code_not_sent(&self, code: NewCode) -> StoreFuture<()> {
        self.0.code_not_sent(code)
    }

    fn remember_code(&self, code: NewCode) -> StoreFuture<CodeSending> {
        self.0.remember_code(code)
    }
}

/// An app that asks users, and whose store is slow.
fn slow_app(number_match: NumberMatch, says: Says) -> (App, Arc<Told>) {
    let mut config = Config::default();
    config.push.number_match = number_match;
    let (store, told) = (Arc::new(Slow(Memory::with("alice", []))), Arc::new(Told::to(says)));
    let provider = Some(Arc::clone(&told) as Arc<dyn PushProvider>);
    let outside =
        Dependencies { store, verify: verify(&config), provider, messages: None, authorities: None };
    let app = App::build_with(Arc::new(config), outside, PATIENCE);
    (app.unwrap(), told)
}

/// A login of alice, whose password was right.
fn ask(app: &App, port: u16, dialogue: bool) -> ParkedHandle {
    let attempt = LoginAttempt {
        mode: Mode::Auto,
        ..attempt(0)
            .with_verified_password(PasswordVerifier::Server)
            .map_request(|request| request.dialogue = dialogue)
    };
    let fingerprint = AttemptFingerprint { digest: [1; 32], datagram: None, roams: false, port };
    match app.decide_or_wait(
        attempt,
        LoginPacket {
            fingerprint,
            limit: None,
            patience: WaitMode::Park,
            voice: ClientVoice::default_voice(),
        },
    ) {
        LoginProgress::Waiting(seat) => seat,
        LoginProgress::Done(decision) => panic!("{decision:?}"),
    }
}

/// What takes longer stands still.
const SOON: Duration = Duration::from_secs(30);

/// What a packet is told.
fn told(app: &App, seat: &ParkedHandle) -> Decision {
    let since = Instant::now();
    while since.elapsed() < SOON {
        if let Some(decision) = app.take_decision(seat) {
            return decision;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("it was told nothing")
}

#[test]
fn number_is_shown_though_the_store_be_slow() {
    let (app, provider) = slow_app(NumberMatch::Required, Says::Nothing);
    let decisions = [1, 1].map(|port| told(&app, &ask(&app, port, true)));
    let number = provider.asked()[0].number.clone().unwrap();
    for decision in decisions {
        assert_eq!(decision.verdict(), Verdict::Challenge);
        assert!(decision.message.concat().contains(&number));
        assert!(crate::engine::is_state(decision.state().unwrap().as_bytes()));
    }
    let other = told(&app, &ask(&app, 2, true));
    assert_eq!(other.reason(), Reason::AlreadyWaiting);
    assert_eq!(other.message, ["A request is already waiting."]);
    let mute = told(&app, &ask(&app, 1, false));
    assert_eq!(mute.reason(), Reason::NeedsChallenge);
    assert_eq!(provider.asked().len(), 1);
}

#[test]
fn packets_of_one_attempt_ask_once_though_the_store_be_slow() {
    let (app, provider) = slow_app(NumberMatch::Off, Says::Nothing);
    let seats = [1, 1, 1].map(|port| ask(&app, port, true));
    let superseded =
        || seats.iter().filter_map(|seat| app.take_decision(seat)).map(|d| d.reason()).collect::<Vec<_>>();
    let (since, mut reasons) = (Instant::now(), Vec::new());
    while reasons.len() < 2 && since.elapsed() < SOON {
        reasons.extend(superseded());
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(reasons, [Reason::Superseded; 2]);
    assert_eq!((provider.asked().len(), app.wait_statuses().len()), (1, 1));
    app.close();
    assert_eq!(provider.cancelled(), 1, "what is asked is taken back at the end");
}

#[test]
fn yes_lets_in_though_the_store_be_slow() {
    let (app, _provider) = slow_app(NumberMatch::Off, Says::Later(Ok(yes())));
    assert_eq!(told(&app, &ask(&app, 1, false)).reason(), Reason::Approved);
}
