//! Logins as stories, on a store in memory and tokens whose passcode is their secret.

use super::evaluation::dummy_token;
use super::fake::{Memory, Mood};
use super::port::*;
use super::*;
use crate::config::Config;
use crate::types::{CaseRule, Digits};
use crate::types::{Factor, Secret};
use crate::types::{Mode, Timestamp, TokenId, UserName};
use md5::{Digest, Md5};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// The passcode is the token's PIN and secret, right once; `drifted` before it makes one out of reach.
struct Secrets;

impl PasscodeVerifier for Secrets {
    fn verify_passcode(
        &self,
        token: &EnrolledToken,
        presented: &PresentedFactor,
        _: Timestamp,
    ) -> TokenMatch {
        let pin = token.pin.as_ref().map_or(&[][..], Secret::expose);
        let passcode = [pin, token.secret.expose()].concat();
        match presented {
            p if p.equals(&passcode) && token.next > 0 => TokenMatch::Spent,
            p if p.equals(&passcode) => TokenMatch::Right {
                spend: SpendPasscode::Step { step: 0, drift: 0, resynchronised: false },
                passcode: Secret::new(passcode),
            },
            p if p.equals(&[b"drifted", &passcode[..]].concat()) => TokenMatch::Drifted { step: 7 },
            _ => TokenMatch::No,
        }
    }

    fn passcode_length(&self, token: &EnrolledToken) -> usize {
        token.pin.as_ref().map_or(0, Secret::len) + token.secret.len()
    }
}

fn token(id: i64, code: &str) -> EnrolledToken {
    let digits = Digits::new(u64::try_from(code.len()).unwrap()).unwrap();
    let serial = format!("totp{id}");
    EnrolledToken { id: TokenId(id), serial, secret: Secret::new(code), digits, ..dummy_token() }
}

struct Site {
    engine: Engine,
    store: Arc<Memory>,
}

fn site_with(config: Config, tokens: impl IntoIterator<Item = EnrolledToken>) -> Site {
    let store = Arc::new(Memory::with("alice", tokens));
    let engine = Engine::new(Arc::new(config), store.clone(), Arc::new(Secrets), Secret::new("tag key"));
    Site { engine, store }
}

fn site(tokens: impl IntoIterator<Item = EnrolledToken>) -> Site {
    site_with(Config::default(), tokens)
}

fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("nothing here ever waits"),
    }
}

fn attempt(user: &str, password: SubmittedPassword) -> LoginAttempt {
    LoginAttempt::new(
        LoginRequest {
            at: Timestamp::from_seconds(1_000_000),
            user: user.into(),
            source: AttemptSource { client: "192.0.2.1".into(), ..AttemptSource::default() },
            ..LoginRequest::default()
        },
        Mode::Passcode,
        PasswordStatus::NotRequired,
        password,
    )
}

fn plain(field: impl Into<Vec<u8>>) -> SubmittedPassword {
    SubmittedPassword::Plain(Secret::new(field))
}

impl Site {
    fn decide(&self, attempt: LoginAttempt) -> Decision {
        ready(self.engine.decide_without_waiting(attempt))
    }

    fn login(&self, user: &str, code: &str) -> Reason {
        self.decide(attempt(user, plain(code))).reason()
    }

    /// In mode `append`, whose password the server checks later.
    fn first_half(&self, field: impl Into<Vec<u8>>) -> Decision {
        self.decide(appended("alice", field))
    }

    /// The server has found the password right.
    fn confirm(&self, decision: &Decision, after: Duration) -> Decision {
        let pending = decision.pending().expect("a right passcode").accept.clone();
        ready(self.engine.confirm_passcode(*pending, Timestamp::from_seconds(1_000_000).plus(after)))
    }

    /// The same with every password right: the reason, and the password that was left.
    fn append(&self, field: impl Into<Vec<u8>>) -> (Reason, Option<Secret>) {
        let decision = self.first_half(field);
        let reason = match decision.verdict() {
            Verdict::Pending => self.confirm(&decision, Duration::ZERO).reason(),
            _ => decision.reason(),
        };
        (reason, decision.password().cloned())
    }
}

/// Each with chance of its own.
fn appended(user: &str, field: impl Into<Vec<u8>>) -> LoginAttempt {
    static COUNT: std::sync::atomic::AtomicU8 = std::sync::atomic::AtomicU8::new(0);
    let seed = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    LoginAttempt {
        mode: Mode::Append,
        password_status: PasswordStatus::Unverified { by: PasswordVerifier::Server },
        ..attempt(user, plain(field)).map_request(|request| {
            request.dice = Some(AttemptEntropy { state: [seed; 16], conversation: [seed; 16], code: [0; 8] })
        })
    }
}

fn chap(code: &str) -> SubmittedPassword {
    let response = Md5::new().chain_update([1]).chain_update(code).chain_update("challenge").finalize();
    SubmittedPassword::Chap { id: 1, challenge: b"challenge".to_vec(), response: response.into() }
}

#[test]
fn code_spent_with_one_token_does_not_pass_with_another_of_the_same_secret() {
    for order in [[1, 2], [2, 1]] {
        let site = site(order.map(|id| token(id, "111111")));
        let reason = || ready(site.engine.decide_without_waiting(attempt("alice", plain("111111")))).reason();
        assert_eq!([reason(), reason()], [Reason::Right, Reason::SpentCode]);
    }
}

#[test]
fn right_code_lets_in_once_and_names_its_token() {
    let site = site([token(1, "111111"), token(2, "222222")]);
    let decision = site.decide(attempt("EXAMPLE\\Alice", plain("222 222")));
    assert_eq!((decision.verdict(), decision.reason()), (Verdict::Accept, Reason::Right));
    assert_eq!(decision.user, Some(UserName::from_canonical("alice")));
    assert_eq!(decision.token(), Some("totp2"));
    assert_eq!(decision.factor(), Some(Factor::Totp));
    assert_eq!(decision.passcode(), Some(&Secret::new("222222")));
    assert_eq!(decision.password(), None);
    assert_eq!(site.login("alice", "222222"), Reason::SpentCode);
    assert_eq!(site.login("alice", "111111"), Reason::Right);
}

#[test]
fn every_refusal_has_its_own_reason_in_the_trail_and_nothing_else_in_the_answer() {
    let site = site([EnrolledToken { enabled: false, ..token(1, "111111") }]);
    for (user, code, reason) in [
        ("bob", "111111", Reason::UnknownUser),
        ("alice", "111111", Reason::NotEnrolled),
        ("", "111111", Reason::NameMissing),
        ("a\0b", "111111", Reason::NameWithControl),
    ] {
        let decision = site.decide(attempt(user, plain(code)));
        assert_eq!(decision.reason(), reason);
        assert!(decision.token().is_none() && decision.factor().is_none() && decision.passcode().is_none());
    }
    let names: Vec<_> = site.store.audit().into_iter().map(|(user, _)| user).collect();
    assert_eq!(names, ["bob", "alice", "", ""]);
}

#[test]
fn unknown_and_known_users_are_slowed_alike() {
    let site = site([token(1, "111111")]);
    for (user, wrong) in [("bob", Reason::UnknownUser), ("alice", Reason::WrongCode)] {
        for code in ["000001", "000002", "000003"] {
            assert_eq!(site.login(user, code), wrong);
        }
        assert_eq!(site.login(user, "111111"), Reason::Slowed);
    }
}

#[test]
fn failures_after_a_right_password_lock_and_a_right_code_does_not_open() {
    let site = site([token(1, "111111")]);
    let limits = Config::default().lockout;
    let mut now = Timestamp::from_seconds(1_000_000);
    for n in 0..limits.lock_after {
        let wrong = attempt("alice", plain(format!("00000{n}")));
        let wrong = LoginAttempt {
            password_status: PasswordStatus::Verified { by: PasswordVerifier::Client },
            ..wrong.map_request(|request| request.at = now)
        };
        let expected = if n + 1 < limits.lock_after { Reason::WrongCode } else { Reason::LockedNow };
        assert_eq!(site.decide(wrong).reason(), expected);
        now = now.plus(Duration::from_secs(100));
    }
    let right = attempt("alice", plain("111111")).map_request(|request| request.at = now);
    assert_eq!(site.decide(right.clone()).verdict(), Verdict::Locked);
    assert_eq!(site.store.token("totp1").next, 0, "the code was not spent");
    assert_eq!(
        site.decide(right.map_request(|request| request.at = now.plus(limits.lock_time))).reason(),
        Reason::Right
    );
}

#[test]
fn retransmitted_wrong_code_counts_once() {
    let site = site([token(1, "111111")]);
    for _ in 0..5 {
        assert_eq!(site.login("alice", "000000"), Reason::WrongCode);
    }
    assert_eq!(site.store.strikes(1), 1);
}

#[test]
fn no_password_is_answered_alike_whether_the_user_is_known_or_not() {
    let site = site([token(1, "111111")]);
    for user in ["alice", "bob"] {
        assert_eq!(site.decide(attempt(user, SubmittedPassword::Absent)).reason(), Reason::NoPassword);
    }
}

#[test]
fn empty_field_is_a_wrong_code() {
    let site = site([token(1, "111111")]);
    for field in ["", "   ", "--"] {
        assert_eq!(site.login("alice", field), Reason::WrongCode);
    }
}

#[test]
fn code_out_of_reach_is_remembered_for_the_next() {
    let site = site([token(1, "111111"), token(2, "222222")]);
    assert_eq!(site.login("alice", "drifted222222"), Reason::WrongCode);
    assert_eq!(site.store.token("totp2").resync.map(|r| r.step), Some(7));
    assert_eq!(site.store.token("totp1").resync, None);
}

#[test]
fn append_cuts_each_tokens_own_length() {
    let pin = Some(Secret::new("ab12"));
    let site = site([token(1, "111111"), token(2, "22222222"), EnrolledToken { pin, ..token(3, "333333") }]);
    for (field, reason, password) in [
        ("hunter2111111", Reason::Right, Some("hunter2")),
        ("hunter2111111", Reason::SpentCode, None),
        ("hunter222222222", Reason::Right, Some("hunter2")),
        ("hunter2333333", Reason::WrongCode, None),
        ("hunter2AB12 333-333", Reason::Right, Some("hunter2")),
        ("AB12333333", Reason::WrongCode, None),
    ] {
        let (found, left) = site.append(field);
        assert_eq!((found, left), (reason, password.map(Secret::new)), "{field}");
    }
}

#[test]
fn append_cuts_at_the_last_delimiter() {
    let config = Config { delimiter: Some(",".into()), ..Config::default() };
    let site = site_with(config, [token(1, "111111"), token(2, "22222222")]);
    assert_eq!(site.append("se,cret,111111"), (Reason::Right, Some(Secret::new("se,cret"))));
    assert_eq!(site.append("secret22222222"), (Reason::WrongCode, None));
    assert_eq!(site.append("secret,22222222"), (Reason::Right, Some(Secret::new("secret"))));
}

/// Guesses of the password behind right passcodes are failures, and no accept.
#[test]
fn passcode_before_an_unchecked_password_is_a_failure_until_that_was_right() {
    let site = site((1..=4).map(|id| token(id, &id.to_string().repeat(6))));
    for (n, code) in ["111111", "222222", "333333"].into_iter().enumerate() {
        let decision = site.first_half(format!("guess{code}"));
        assert_eq!((decision.verdict(), decision.reason()), (Verdict::Pending, Reason::PasswordPending));
        assert!(!decision.lets_in() && !decision.proven && decision.state().is_none());
        assert_eq!(decision.password(), Some(&Secret::new("guess")));
        assert_eq!(site.store.strikes(1), u32::try_from(n + 1).unwrap());
    }
    assert_eq!(site.first_half("guess444444").reason(), Reason::Slowed);
    assert_eq!(site.store.token("totp4").next, 0);
}

#[test]
fn right_password_takes_the_failure_back_once() {
    let site = site([token(1, "111111"), token(2, "222222")]);
    assert_eq!(site.first_half("hunter2000000").reason(), Reason::WrongCode);
    let first = site.first_half("hunter2111111");
    assert_eq!(site.store.strikes(1), 2);
    let accept = site.confirm(&first, Duration::from_secs(1));
    assert_eq!((accept.verdict(), accept.reason()), (Verdict::Accept, Reason::Right));
    assert_eq!((accept.factor(), accept.token()), (Some(Factor::Totp), Some("totp1")));
    assert_eq!(site.store.strikes(1), 0);
    let again = site.confirm(&first, Duration::from_secs(1));
    assert_eq!((again.verdict(), again.reason()), (Verdict::Reject, Reason::NotConfirmed));
    let trail: Vec<_> = site.store.audit().into_iter().map(|(_, reason)| reason).collect();
    assert_eq!(trail, [Reason::WrongCode, Reason::PasswordPending, Reason::Right, Reason::NotConfirmed]);
}

#[test]
fn confirmation_that_cannot_be_written_is_no_accept() {
    let site = site([token(1, "111111")]);
    let first = site.first_half("hunter2111111");
    site.store.be(Mood::CannotSettle);
    assert_eq!(site.confirm(&first, Duration::ZERO).verdict(), Verdict::Unavailable);
    site.store.be(Mood::Well);
    assert_eq!(site.store.strikes(1), 1, "a failure it stays");
}

#[test]
fn login_at_the_threshold_is_not_left_locked_and_a_lock_of_others_holds() {
    let limits = crate::config::FailureLimits { lock_after: 1, lock_after_unproven: 1, ..Default::default() };
    let config = Config { lockout: limits, ..Config::default() };
    let site = site_with(config.clone(), [token(1, "111111"), token(2, "222222")]);
    let first = site.first_half("hunter2111111");
    assert_eq!(site.first_half("hunter2222222").reason(), Reason::Locked, "until it is confirmed");
    assert_eq!(site.confirm(&first, Duration::from_secs(1)).reason(), Reason::Right);
    assert_eq!(site.append("hunter2222222").0, Reason::Right);

    let config =
        Config { lockout: crate::config::FailureLimits { lock_after_unproven: 2, ..limits }, ..config };
    let site = site_with(config, [token(1, "111111")]);
    let first = site.first_half("hunter2111111");
    assert_eq!(site.first_half("hunter2000000").reason(), Reason::LockedNow);
    let locked = site.confirm(&first, Duration::from_secs(1));
    assert_eq!((locked.reason(), locked.proven), (Reason::Locked, true));
}

#[test]
fn lock_without_an_end_has_no_minutes_behind_a_pending_password_either() {
    let site = site([token(1, "111111")]);
    let first = site.first_half("hunter2111111");
    site.store.lock(1, Timestamp::FOREVER);
    let locked = site.confirm(&first, Duration::from_secs(1));
    assert_eq!((locked.reason(), locked.proven, locked.locked()), (Reason::Locked, true, None));
}

/// Without the right password nothing is told: neither by a text nor by a State.
#[test]
fn nothing_is_told_before_the_password_was_checked() {
    let site = site([token(1, "111111")]);
    site.store.enrol("alice", EnrolledToken { enabled: false, ..token(2, "222222") });
    let silent = |attempt: LoginAttempt| {
        let decision = site.decide(attempt.map_request(|request| request.dialogue = true));
        assert!(!decision.lets_in() && !decision.proven, "{:?}", decision.reason());
        assert!(decision.question().is_none() && decision.state().is_none() && decision.locked().is_none());
    };
    for mode in [Mode::Append, Mode::Challenge, Mode::Auto] {
        for (user, field) in [("alice", "x000000"), ("alice", "x222222"), ("alice", ""), ("bob", "x111111")] {
            silent(LoginAttempt { mode, ..appended(user, field) });
        }
    }
}

#[test]
fn append_keeps_the_octets_of_the_password() {
    let site = site([token(1, "111111")]);
    assert_eq!(site.append(b"J\xfcr gen-111111"), (Reason::Right, Some(Secret::new(b"J\xfcr gen-"))));
}

#[test]
fn append_refuses_a_password_that_a_directory_would_take_for_none() {
    let site = site([token(1, "111111")]);
    for field in [&b"111111"[..], b"\x00111111", b"\x00\x00111111"] {
        assert_eq!(site.append(field), (Reason::WrongCode, None), "{field:?}");
    }
    assert_eq!(site.store.token("totp1").next, 0);
}

#[test]
fn append_refuses_a_digest_though_it_be_over_the_right_code() {
    let site = site([token(1, "111111")]);
    for user in ["alice", "bob"] {
        let digest = LoginAttempt { mode: Mode::Append, ..attempt(user, chap("111111")) };
        assert_eq!(site.decide(digest).reason(), Reason::NeedsPap);
    }
    assert_eq!(site.store.token("totp1").next, 0);
}

#[test]
fn code_that_answers_a_challenge_comes_back() {
    let pin = Some(Secret::new("ab12"));
    let site = site([token(1, "111111"), EnrolledToken { pin, ..token(2, "222222") }]);
    let decision = site.decide(attempt("alice", chap("ab12222222")));
    assert_eq!((decision.reason(), decision.passcode()), (Reason::Right, Some(&Secret::new("ab12222222"))));
    assert_eq!(site.decide(attempt("alice", chap("ab12222222"))).reason(), Reason::SpentCode);
    assert_eq!(site.decide(attempt("alice", chap("222222"))).reason(), Reason::WrongCode);

    let (challenge, peer_challenge) = ([1; 16], [2; 16]);
    let hash = mschap::challenge_hash(&peer_challenge, &challenge, b"alice");
    let response = mschap::nt_response(&hash, b"111111");
    let names = vec![b"EXAMPLE\\alice".to_vec(), b"alice".to_vec()];
    let answer = SubmittedPassword::MsChap2 { id: 0, challenge, peer_challenge, response, names };
    let decision = site.decide(attempt("EXAMPLE\\alice", answer));
    assert_eq!((decision.reason(), decision.passcode()), (Reason::Right, Some(&Secret::new("111111"))));
}

#[test]
fn store_that_cannot_answer_never_lets_in() {
    let site = site([token(1, "111111")]);
    for mood in [Mood::CannotFind, Mood::CannotSettle] {
        site.store.be(mood);
        let decision = site.decide(attempt("alice", plain("111111")));
        assert_eq!(decision.verdict(), Verdict::Unavailable);
        assert_eq!(decision.detail.as_deref(), Some("disk is full"));
        assert!(decision.passcode().is_none() && decision.password().is_none() && decision.token().is_none());
    }
    site.store.be(Mood::CannotSettle);
    let exempt = ready(
        site.engine.record_attempt(attempt("alice", SubmittedPassword::Absent), AttemptFinding::Exempt),
    );
    assert_eq!(exempt.verdict(), Verdict::Unavailable);
    site.store.be(Mood::Well);
    assert_eq!(site.login("alice", "111111"), Reason::Right);
}

#[test]
fn exemption_and_refusal_of_the_guard_are_recorded() {
    let site = site([token(1, "111111")]);
    let exempt = ready(
        site.engine.record_attempt(attempt("Alice", SubmittedPassword::Absent), AttemptFinding::Exempt),
    );
    assert_eq!(exempt.verdict(), Verdict::Accept);
    let finding = AttemptFinding::Refused(RefusalReason::Undecided);
    let refused = ready(site.engine.record_attempt(attempt("alice", SubmittedPassword::Absent), finding));
    assert_eq!(refused.verdict(), Verdict::Reject);
    let alice = |reason| ("alice".to_owned(), reason);
    assert_eq!(site.store.audit(), [alice(Reason::Exempt), alice(Reason::Undecided)]);
}

#[test]
fn case_of_the_name_counts_where_the_site_says_so() {
    let mut config = Config::default();
    config.names.case = CaseRule::Keep;
    let site = site_with(config, [token(1, "111111")]);
    assert_eq!(site.login("Alice", "111111"), Reason::UnknownUser);
    assert_eq!(site.login("alice", "111111"), Reason::Right);
}

proptest::proptest! {
    #[test]
    fn no_field_is_ever_let_in_without_the_code(field: Vec<u8>, append: bool, user in "alice|bob|\\PC*") {
        let site = site([token(1, "111111"), token(2, "22222222")]);
        let mode = if append { Mode::Append } else { Mode::Passcode };
        let digits: String = String::from_utf8_lossy(&field).chars().filter(char::is_ascii_digit).collect();
        let decision = site.decide(LoginAttempt { mode, ..attempt(&user, plain(field)) });
        if !digits.contains("111111") && !digits.contains("22222222") {
            proptest::prop_assert_ne!(decision.verdict(), Verdict::Accept);
        }
    }
}

/// In mode `append`, each from a place of its own.
fn from_everywhere(site: &Site, fields: impl IntoIterator<Item = String>) -> Vec<Decision> {
    let send = |(n, field): (usize, String)| {
        let source = AttemptSource {
            calling_station: n.to_string(),
            ..attempt("alice", SubmittedPassword::Absent).request.source.clone()
        };
        site.decide(LoginAttempt {
            mode: Mode::Append,
            ..attempt("alice", plain(field)).map_request(|request| request.source = source)
        })
    };
    fields.into_iter().enumerate().map(send).collect()
}

#[test]
fn guesses_with_other_passwords_do_not_hold_up_who_has_the_right_one() {
    let site = site([token(1, "111111")]);
    let guesses = from_everywhere(&site, (0..90).map(|n| format!("other{n}222222")));
    assert!(guesses.iter().all(|guess| guess.reason() == Reason::WrongCode));
    assert_eq!(site.append("secret111111").0, Reason::Right);
}

#[test]
fn guesses_with_the_right_password_make_a_second_code_necessary() {
    let site = site([token(1, "111111")]);
    let _ = from_everywhere(&site, (0..90).map(|n| format!("secret{}", 222_222 + n)));
    assert_eq!(site.append("secret111111").0, Reason::AnotherCode);
}

#[test]
fn failures_over_many_names_are_held_back_and_told_of_once() {
    let site = site([token(1, "111111")]);
    let failures: Vec<_> =
        (0..40).map(|n| site.decide(attempt(&format!("user{n}"), plain("222222")))).collect();
    let held = failures.iter().filter(|failure| !failure.hold.is_zero()).count();
    let alarms = failures.iter().filter(|failure| failure.alarm.is_some()).count();
    assert_eq!((held, alarms), (11, 1));
    assert_eq!(site.login("alice", "111111"), Reason::Right);
    let proven = LoginAttempt {
        password_status: PasswordStatus::Verified { by: PasswordVerifier::Client },
        ..attempt("alice", plain("222222"))
    };
    assert!(site.decide(proven).hold.is_zero());
}
