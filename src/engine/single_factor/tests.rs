//! Users who are let in by the password alone, on a store in memory.

use super::*;
use crate::config::Config;
use crate::config::policy::{EnrolmentGrace, EnrolmentOptions, PolicyOptions};
use crate::engine::LoginRequest;
use crate::engine::evaluation::dummy_token;
use crate::engine::fake::{Memory, Mood, Nothing, Says, Told, yes};
use crate::engine::port::EnrolledToken;
use crate::engine::prompt::QuestionKind;
use crate::engine::provider::{PushOutcome, PushProvider};
use crate::engine::{
    AttemptEntropy, AttemptSource, PasswordStatus, PasswordVerifier, Step, UserAttributes, Verdict,
};
use crate::types::{Secret, Timestamp, TokenId};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

struct Site {
    engine: Engine,
    store: Arc<Memory>,
}

fn site(
    policy: PolicyOptions,
    provider: Option<Told>,
    tokens: impl IntoIterator<Item = EnrolledToken>,
) -> Site {
    let store = Arc::new(Memory::with("alice", tokens));
    let config = Config { policy, delimiter: Some(",".into()), ..Config::default() };
    let engine = Engine::new(Arc::new(config), store.clone(), Arc::new(Nothing), Secret::new("tag key"));
    let provider = provider.map(|told| -> Arc<dyn PushProvider> { Arc::new(told) });
    Site { engine: engine.with_push_provider(provider).with_delivery(vec![Factor::Email]), store }
}

fn accept(logins: u32) -> PolicyOptions {
    let grace = EnrolmentGrace { until: None, logins: Some(logins) };
    PolicyOptions { unenrolled: UnenrolledRule::Accept(grace), ..PolicyOptions::default() }
}

fn enroll(url: Option<&str>) -> PolicyOptions {
    let enroll = EnrolmentOptions { url: url.map(str::to_owned), ..EnrolmentOptions::default() };
    PolicyOptions { unenrolled: UnenrolledRule::Enroll(enroll), ..PolicyOptions::default() }
}

fn remember() -> PolicyOptions {
    PolicyOptions { remember: Duration::from_secs(3600), ..PolicyOptions::default() }
}

/// A login with a verified password.
fn vouched(mode: Mode) -> LoginAttempt {
    LoginAttempt {
        proof: password("hello"),
        ..LoginAttempt::new(
            LoginRequest {
                at: Timestamp::from_seconds(1_000_000),
                user: b"alice".to_vec(),
                source: AttemptSource {
                    client: "192.0.2.1".into(),
                    calling_station: "home".into(),
                    request: None,
                },
                dialogue: true,
                dice: Some(AttemptEntropy { state: [1; 16], conversation: [2; 16], code: [3; 8] }),
                ..LoginRequest::default()
            },
            mode,
            PasswordStatus::Verified { by: PasswordVerifier::Server },
            SubmittedPassword::Absent,
        )
    }
}

fn password(text: &str) -> Option<VerifiedPassword> {
    Some(VerifiedPassword::Password(Secret::new(text)))
}

fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("nothing here ever waits"),
    }
}

impl Site {
    /// What a login comes to, the provider's answer included, and whether it was asked for one.
    fn login(&self, attempt: LoginAttempt) -> (Reason, bool) {
        match at_once(self.engine.start(attempt)) {
            Step::Decided(decision) => (decision.reason(), false),
            Step::Ask(undecided) => {
                let limit = Duration::from_secs(25);
                let ended =
                    at_once(self.engine.ask_user(*undecided, None, limit, None, std::future::pending()));
                (ended.decision.reason(), true)
            }
        }
    }

    fn reason(&self, attempt: LoginAttempt) -> Reason {
        self.login(attempt).0
    }
}

fn token() -> EnrolledToken {
    EnrolledToken { id: TokenId(1), serial: "totp1".into(), ..dummy_token() }
}

#[test]
fn user_without_a_token_is_let_in_as_often_as_policy_says() {
    let named = |is_named| Some(UserAttributes { is_named, ..UserAttributes::default() });
    for (user, grants) in [("alice", None), ("alice", named(false)), ("unknown", named(true))] {
        let site = site(accept(1), None, []);
        let attempt = LoginAttempt {
            grants,
            ..vouched(Mode::Append).map_request(|request| request.user = user.into())
        };
        let login = || site.reason(attempt.clone());
        assert_eq!([login(), login()], [Reason::LetInUnenrolled, Reason::NotEnrolled], "{user}");
    }
    let site = site(PolicyOptions::default(), None, []);
    assert_ne!(site.reason(vouched(Mode::Append)).verdict(), Verdict::Accept);
}

#[test]
fn name_that_neither_store_nor_directory_has_is_not_let_in_without_a_token() {
    for mode in [Mode::Append, Mode::Challenge, Mode::Auto] {
        for grants in [None, Some(UserAttributes::default())] {
            let site = site(accept(100), None, [token()]);
            for user in ["unknown", "al ice", "a\u{301}lice"] {
                let attempt = LoginAttempt {
                    grants: grants.clone(),
                    ..vouched(mode).map_request(|request| request.user = user.into())
                };
                assert_eq!(site.reason(attempt), Reason::UnknownUser, "{mode:?} {user}");
            }
        }
    }
    let refused = site(accept(100), Some(Told::to(Says::AtOnce(Ok(PushOutcome::Unknown.into())))), [token()]);
    let attempt = vouched(Mode::Auto).map_request(|request| request.user = b"unknown".to_vec());
    assert_eq!(
        refused.login(attempt),
        (Reason::UnknownUser, true),
        "nor one that the provider does not know"
    );
}

#[test]
fn who_had_a_token_is_not_let_in_without_one() {
    let disabled = || EnrolledToken { enabled: false, ..token() };
    for mode in [Mode::Append, Mode::Challenge, Mode::Auto] {
        let refused = site(accept(100), None, [disabled()]);
        assert_eq!(refused.reason(vouched(mode)), Reason::NotEnrolled, "{mode:?}");
        let grants = Some(UserAttributes { is_named: true, ..UserAttributes::default() });
        assert_eq!(refused.reason(LoginAttempt { grants, ..vouched(mode) }), Reason::NotEnrolled, "{mode:?}");
    }
    let refused =
        site(accept(100), Some(Told::to(Says::AtOnce(Ok(PushOutcome::Unknown.into())))), [disabled()]);
    assert_eq!(refused.login(vouched(Mode::Auto)), (Reason::NotEnrolled, true));
    let told = site(enroll(None), None, [disabled()]);
    assert_eq!(told.reason(vouched(Mode::Append)), Reason::MustEnroll, "they may enrol anew");
}

#[test]
fn user_without_a_token_is_let_in_until_the_end() {
    let end = vouched(Mode::Append).request.at;
    let until = |until| {
        let grace = EnrolmentGrace { until: Some(until), logins: None };
        site(
            PolicyOptions { unenrolled: UnenrolledRule::Accept(grace), ..PolicyOptions::default() },
            None,
            [],
        )
    };
    assert_eq!(
        until(end.plus(Duration::from_millis(1))).reason(vouched(Mode::Append)),
        Reason::LetInUnenrolled
    );
    assert_eq!(until(end).reason(vouched(Mode::Append)), Reason::NotEnrolled);
}

#[test]
fn nobody_is_let_in_whose_password_nobody_has_checked() {
    let site = site(accept(1), None, []);
    for mode in [Mode::Passcode, Mode::Append, Mode::Auto] {
        for password in [
            SubmittedPassword::Absent,
            SubmittedPassword::Plain(Secret::new("hello")),
            SubmittedPassword::Plain(Secret::new("")),
        ] {
            let attempt =
                LoginAttempt { password_status: PasswordStatus::NotRequired, password, ..vouched(mode) };
            assert!(!site.reason(attempt).verdict().lets_in(), "{mode:?}");
        }
    }
    let client =
        LoginAttempt { password: SubmittedPassword::Plain(Secret::new("x")), ..vouched(Mode::Passcode) };
    assert_eq!(self::site(accept(1), None, []).reason(client), Reason::LetInUnenrolled, "the client has");
}

#[test]
fn user_with_a_token_is_not_let_in_without_it() {
    let site = site(accept(1), None, [token()]);
    assert!(!site.reason(vouched(Mode::Append)).verdict().lets_in());
    assert!(!at_once(site.engine.types_password_alone(b"alice")));
    assert!(at_once(site.engine.types_password_alone(b"bob")));
    site.store.be(Mood::CannotFind);
    assert!(!at_once(site.engine.types_password_alone(b"bob")), "who knows what he has");
    assert_eq!(site.reason(vouched(Mode::Append)), Reason::Unavailable);
}

#[test]
fn with_a_provider_it_says_who_is_not_enrolled() {
    let says = |outcome: PushOutcome| Some(Told::to(Says::AtOnce(Ok(outcome.into()))));
    assert_eq!(
        site(accept(1), says(PushOutcome::Unknown), []).login(vouched(Mode::Auto)),
        (Reason::LetInUnenrolled, true)
    );
    assert_eq!(
        site(accept(1), says(PushOutcome::Unknown), [token()]).reason(vouched(Mode::Auto)),
        Reason::UnknownToProvider
    );
    assert_eq!(
        site(accept(1), says(PushOutcome::NoDevice), []).reason(vouched(Mode::Auto)),
        Reason::NoDevice
    );
    assert_eq!(site(accept(1), says(PushOutcome::Denied), []).reason(vouched(Mode::Auto)), Reason::Denied);
    let site = site(accept(1), says(PushOutcome::Unknown), []);
    let answer =
        LoginAttempt { password: SubmittedPassword::Plain(Secret::new("123456")), ..vouched(Mode::Passcode) };
    assert!(!site.reason(answer).verdict().lets_in(), "he may have let the question on his device pass");
    let unproven = LoginAttempt {
        password_status: PasswordStatus::NotRequired,
        password: SubmittedPassword::Plain(Secret::new("push")),
        ..vouched(Mode::Passcode)
    };
    assert!(matches!(at_once(site.engine.start(unproven)), Step::Ask(it) if !it.is_proven()));
    assert!(!at_once(site.engine.types_password_alone(b"alice")));
}

#[test]
fn link_to_enrol_goes_to_the_registered_mailbox_or_nowhere() {
    let url = Some("https://mfa.example.test/{user}");
    for (policy, mail, reason) in [
        (enroll(url), "alice@example.test", Reason::Invited),
        (enroll(url), "", Reason::MustEnroll),
        (enroll(None), "alice@example.test", Reason::MustEnroll),
    ] {
        let site = site(policy, None, []);
        site.store.register("alice", mail);
        assert_eq!(site.reason(vouched(Mode::Append)), reason);
        assert_eq!(reason.verdict(), Verdict::Reject);
        let mailbox = at_once(site.engine.registered_mailbox(&UserName::from_canonical("alice"))).unwrap();
        assert_eq!(mailbox.as_ref().map_or("", Mailbox::as_str), mail);
    }
}

#[test]
fn challenge_to_enrol_has_no_right_answer() {
    let site = site(enroll(Some("https://mfa.example.test/{user}")), None, []);
    let Step::Decided(told) = at_once(site.engine.start(vouched(Mode::Challenge))) else {
        panic!("somebody is asked")
    };
    assert_eq!((told.verdict(), told.reason()), (Verdict::Challenge, Reason::MustEnroll));
    let asks = told.question().map(|question| question.asks.clone());
    assert_eq!(
        asks,
        Some(QuestionKind::Enroll { link: None, to: None }),
        "the link is not for whoever has the password"
    );
    let answer = LoginAttempt {
        password: SubmittedPassword::Plain(Secret::new("123456")),
        mode: Mode::Passcode,
        proof: None,
        ..vouched(Mode::Challenge)
            .map_request(|request| request.state = told.state().map(|state| state.as_bytes().to_vec()))
    };
    site.store.enrol("alice", token());
    let Step::Decided(decision) = at_once(site.engine.start(answer)) else { panic!("somebody is asked") };
    assert_eq!((decision.verdict(), decision.reason()), (Verdict::Reject, Reason::MustEnroll));

    let mute = vouched(Mode::Challenge).map_request(|request| request.dialogue = false);
    let Step::Decided(told) = at_once(site.engine.start(mute)) else { panic!("somebody is asked") };
    assert_ne!(told.verdict(), Verdict::Challenge);
}

#[test]
fn conversation_that_ends_well_is_remembered() {
    let site = site(remember(), Some(Told::to(Says::Later(Ok(yes())))), []);
    let Step::Ask(asked) = at_once(site.engine.start(vouched(Mode::Challenge))) else {
        panic!("nobody is asked")
    };
    let limit = Duration::from_secs(25);
    let ended = at_once(site.engine.ask_user(*asked, None, limit, None, std::future::pending()));
    assert_eq!(ended.decision.verdict(), Verdict::Challenge);
    let answer = LoginAttempt {
        password: SubmittedPassword::Plain(Secret::new("push")),
        proof: None,
        ..vouched(Mode::Passcode).map_request(|request| {
            request.state = ended.decision.state().map(|state| state.as_bytes().to_vec())
        })
    };
    assert_eq!(site.login(answer), (Reason::Approved, true));
    assert_eq!(site.login(vouched(Mode::Challenge)), (Reason::Remembered, false));
}

#[test]
fn remembered_user_is_not_asked_again() {
    let asks = || Some(Told::to(Says::Later(Ok(yes()))));
    let site = site(remember(), asks(), []);
    assert_eq!(site.login(vouched(Mode::Auto)), (Reason::Approved, true));
    assert_eq!(site.login(vouched(Mode::Auto)), (Reason::Remembered, false));
    let away = AttemptSource { calling_station: "away".into(), ..vouched(Mode::Auto).request.source.clone() };
    let nowhere = AttemptSource { calling_station: String::new(), ..away.clone() };
    let later = vouched(Mode::Auto).request.at.plus(Duration::from_secs(3600));
    for other in [
        LoginAttempt { proof: None, ..vouched(Mode::Auto) },
        LoginAttempt { proof: password(""), ..vouched(Mode::Auto) },
        LoginAttempt { proof: password("other"), ..vouched(Mode::Auto) },
        vouched(Mode::Auto).map_request(|request| request.user = b"bob".to_vec()),
        vouched(Mode::Auto).map_request(|request| request.source = away),
        vouched(Mode::Auto).map_request(|request| request.source = nowhere.clone()),
        vouched(Mode::Auto).map_request(|request| request.source = nowhere),
        vouched(Mode::Auto).map_request(|request| request.at = later),
    ] {
        assert_eq!(site.login(other.clone()), (Reason::Approved, true), "{other:?}");
    }
    let off = self::site(PolicyOptions::default(), asks(), []);
    assert_eq!(
        [off.login(vouched(Mode::Auto)), off.login(vouched(Mode::Auto))],
        [(Reason::Approved, true); 2]
    );
}

#[test]
fn question_does_not_hold_the_password() {
    let site = site(remember(), Some(Told::to(Says::Nothing)), []);
    let Step::Ask(undecided) = at_once(site.engine.start(vouched(Mode::Auto))) else {
        panic!("nobody is asked")
    };
    assert!(matches!(undecided.attempt.proof, Some(VerifiedPassword::Mark(_))));
}

#[test]
fn store_that_cannot_tell_whom_it_remembers_lets_nobody_in() {
    let site = site(remember(), Some(Told::to(Says::Later(Ok(yes())))), []);
    assert_eq!(site.reason(vouched(Mode::Auto)), Reason::Approved);
    for mood in [Mood::CannotFind, Mood::CannotSettle] {
        site.store.be(mood);
        assert_eq!(site.login(vouched(Mode::Auto)), (Reason::Unavailable, false));
    }
}
