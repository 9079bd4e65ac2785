//! Logins whose password is ours to have checked, on a store in memory and an authority that says what it is told to.

use super::super::directory::PasswordBackend;
use super::*;
use crate::config::policy::{
    EnrolmentGrace, GroupName, PolicyException, PolicyOptions, RequiredFor, UnenrolledRule,
};
use crate::config::reply::ReplyRule;
use crate::config::{Config, FailureLimits};
use crate::engine::LoginRequest;
use crate::engine::Step;
use crate::engine::directory::RawAttribute;
use crate::engine::directory::{BackendUnavailable, UserDirectory};
use crate::engine::evaluation::dummy_token;
use crate::engine::fake::{Knows, Memory, Mood, Says, Told, yes};
use crate::engine::port::{EnrolledToken, PasscodeVerifier, SpendPasscode, TokenMatch};
use crate::engine::provider::PushProvider;
use crate::engine::{
    AttemptEntropy, AttemptSource, LoginEndpoint, PasswordStatus, PresentedFactor, Reason, Verdict,
};
use crate::engine::{PolicyContext, PreAuthFacts};
use crate::types::{DomainRule, NameRules, Secret, Timestamp, TokenId};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

mod recall;
mod repeat;

/// The passcode is the token's secret, once.
struct Secrets;

impl PasscodeVerifier for Secrets {
    fn verify_passcode(
        &self,
        token: &EnrolledToken,
        presented: &PresentedFactor,
        _: Timestamp,
    ) -> TokenMatch {
        match presented.equals(token.secret.expose()) {
            true if token.next > 0 => TokenMatch::Spent,
            true => TokenMatch::Right {
                spend: SpendPasscode::Step { step: 0, drift: 0, resynchronised: false },
                passcode: token.secret.clone(),
            },
            false => TokenMatch::No,
        }
    }

    fn passcode_length(&self, token: &EnrolledToken) -> usize {
        token.secret.len()
    }
}

struct Site {
    engine: Engine,
    store: Arc<Memory>,
    knows: Arc<Knows>,
}

fn token(id: i64, code: &str) -> EnrolledToken {
    EnrolledToken { id: TokenId(id), serial: format!("totp{id}"), secret: Secret::new(code), ..dummy_token() }
}

fn person() -> DirectoryUser {
    DirectoryUser {
        name: "alice".into(),
        mail: Mailbox::parse("alice@example.test").ok(),
        groups: Some(vec![DistinguishedName::parse("cn=VPN,dc=example,dc=test").unwrap()]),
        ..DirectoryUser::default()
    }
}

/// `user` has a token of the code 111111.
fn site_of(config: Config, user: &str) -> Site {
    let store = Arc::new(Memory::with(user, [token(1, "111111"), token(2, "222222"), token(3, "333333")]));
    let knows = Arc::new(Knows::person(person()));
    let config = Config { delimiter: Some(",".into()), ..config };
    let engine = Engine::new(Arc::new(config), store.clone(), Arc::new(Secrets), Secret::new("tag key"));
    let (authority, directory) =
        (Arc::clone(&knows) as Arc<dyn PasswordBackend>, Arc::clone(&knows) as Arc<dyn UserDirectory>);
    Site { engine: engine.with_password_backend(Some(authority), Some(directory)), store, knows }
}

fn site(config: Config) -> Site {
    site_of(config, "alice")
}

fn stored_as(text: &str) -> Config {
    let stored_as = NameTemplate::parse(text).unwrap();
    let names = NameRules { domain: DomainRule::Keep, ..NameRules::default() };
    Config { stored_as, names, ..Config::default() }
}

fn attempt(mode: Mode, password: SubmittedPassword) -> LoginAttempt {
    LoginAttempt::new(
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
        PasswordStatus::Unverified { by: PasswordVerifier::Module },
        password,
    )
}

fn plain(field: &str) -> SubmittedPassword {
    SubmittedPassword::Plain(Secret::new(field))
}

fn append(field: &str) -> LoginAttempt {
    attempt(Mode::Append, plain(field))
}

fn challenge(field: &str) -> LoginAttempt {
    attempt(Mode::Challenge, plain(field))
}

/// The answer to the challenge of that decision.
fn answer(told: &Decision, field: &str) -> LoginAttempt {
    let state = told.state().map(|state| state.as_bytes().to_vec());
    challenge(field).map_request(|request| {
        request.state = state;
        request.dice = dice(9);
    })
}

fn dice(seed: u8) -> Option<AttemptEntropy> {
    Some(AttemptEntropy { state: [seed; 16], conversation: [seed; 16], code: [seed; 8] })
}

fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("nothing here ever waits"),
    }
}

impl Site {
    fn begin(&self, attempt: LoginAttempt) -> Step {
        at_once(self.engine.start(attempt))
    }

    fn decide(&self, attempt: LoginAttempt) -> Decision {
        match self.begin(attempt) {
            Step::Decided(decision) => *decision,
            Step::Ask(_) => panic!("somebody is asked"),
        }
    }

    fn reason(&self, attempt: LoginAttempt) -> Reason {
        self.decide(attempt).reason()
    }

    /// Number of passwords that the backend was asked about.
    fn asked(&self) -> usize {
        self.knows.asked().len()
    }

    fn audit(&self) -> Vec<Reason> {
        self.store.audit().into_iter().map(|(_, reason)| reason).collect()
    }
}

fn away() -> AuthFailure {
    BackendUnavailable("no answer".into()).into()
}

/// Each refusal, with its reason, whether it proves the password, and whether it counts as a guess.
fn refusals() -> [(AuthFailure, Reason, bool, bool); 12] {
    [
        (AuthFailure::Wrong, Reason::WrongPassword, false, true),
        (AuthFailure::Unknown, Reason::UnknownToDirectory, false, true),
        (AuthFailure::Expired, Reason::PasswordExpired, true, false),
        (AuthFailure::MustChange, Reason::MustChangePassword, true, false),
        (AuthFailure::Disabled, Reason::AccountDisabled, true, false),
        (AuthFailure::Restricted, Reason::LogonRestricted, true, false),
        (AuthFailure::NotMember, Reason::NotMember, true, false),
        (AuthFailure::Locked, Reason::AccountLocked, false, false),
        (AuthFailure::Ambiguous, Reason::Blocked, false, false),
        (AuthFailure::Blocked("no".into()), Reason::Blocked, false, false),
        (AuthFailure::NeedsPap, Reason::NeedsPap, false, false),
        (away(), Reason::DirectoryUnavailable, false, false),
    ]
}

#[test]
fn nobody_is_asked_about_a_password_before_the_code_behind_it_is_right() {
    let site = site(Config::default());
    for (field, reason) in [
        ("secret,000000", Reason::WrongCode),
        ("secret", Reason::WrongCode),
        ("", Reason::NoPassword),
        (",111111", Reason::WrongCode),
        ("111111", Reason::WrongCode),
    ] {
        let source = AttemptSource { calling_station: field.into(), ..append("").request.source.clone() };
        assert_eq!(
            site.reason(append(field).map_request(|request| request.source = source)),
            reason,
            "{field}"
        );
    }
    assert_eq!(site.asked(), 0);
    assert_eq!(site.reason(append("secret,111111")), Reason::Right);
    let asked = site.knows.asked();
    assert!(
        matches!(&asked[..], [Credentials { password: SubmittedPassword::Plain(it), .. }] if it.expose() == b"secret")
    );
    assert_eq!(site.reason(append("secret,111111")), Reason::SpentCode);
    assert_eq!(site.asked(), 1);
}

#[test]
fn wrong_password_behind_a_right_code_costs_the_code() {
    let site = site(Config::default());
    site.knows.say(Err(AuthFailure::Wrong));
    let decision = site.decide(append("wrong,111111"));
    assert_eq!((decision.verdict(), decision.reason()), (Verdict::Reject, Reason::WrongPassword));
    assert!(!decision.proven && decision.grants.is_none() && decision.state().is_none());
    assert_eq!(site.audit(), [Reason::WrongPassword], "one row, and no accept");
    site.knows.say(Ok(person().into()));
    assert_eq!(site.reason(append("secret,111111")), Reason::SpentCode, "it has cost the code");
}

#[test]
fn code_whose_password_could_not_be_asked_about_is_not_spent() {
    let site = site(Config::default());
    site.knows.say(Err(away()));
    assert_eq!(site.reason(append("secret,111111")), Reason::DirectoryUnavailable);
    site.knows.say(Ok(person().into()));
    assert_eq!(site.reason(append("secret,111111")), Reason::Right);
    assert_eq!(site.audit(), [Reason::DirectoryUnavailable, Reason::Right]);
}

#[test]
fn while_a_password_is_asked_about_nobody_else_uses_its_code() {
    let site = site(Config::default());
    site.knows.say_nothing();
    let mut first = pin!(site.engine.start(append("secret,111111")));
    let mut context = Context::from_waker(Waker::noop());
    assert!(first.as_mut().poll(&mut context).is_pending());
    assert_eq!(site.audit(), [], "nothing is known of it yet");
    assert_eq!(site.reason(append("other,111111")), Reason::SpentCode);
    assert_eq!(site.asked(), 1);
    site.knows.say(Ok(person().into()));
    assert!(
        matches!(first.poll(&mut context), Poll::Ready(Step::Decided(it)) if it.reason() == Reason::Right)
    );
    assert_eq!(site.audit(), [Reason::SpentCode, Reason::Right]);
}

#[test]
fn code_of_a_login_that_was_given_up_is_free_again() {
    let site = site(Config::default());
    site.knows.say_nothing();
    {
        let mut first = pin!(site.engine.start(append("secret,111111")));
        assert!(first.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    site.knows.say(Ok(person().into()));
    assert_eq!(site.reason(append("secret,111111")), Reason::Right);
}

#[test]
fn each_refusal_has_its_reason_and_only_guesses_count() {
    for (field, mode) in [("secret", Mode::Challenge), ("secret,111111", Mode::Append)] {
        for (denied, reason, is_proven, counts) in refusals() {
            let site = site(Config::default());
            site.knows.say(Err(denied.clone()));
            let decision = site.decide(attempt(mode, plain(field)));
            assert_eq!(decision.reason(), reason, "{denied:?}");
            assert!(!decision.lets_in() && decision.state().is_none(), "{denied:?}");
            assert_eq!(decision.proven, is_proven, "{denied:?}: only who knows the password may read why");
            assert_eq!(site.store.strikes(1), u32::from(counts), "{denied:?}");
            assert_eq!(site.audit(), [reason]);
        }
    }
}

#[test]
fn whoever_has_nothing_but_the_token_does_not_guess_passwords_for_ever() {
    let site = site(Config::default());
    site.knows.say(Err(AuthFailure::Wrong));
    for (guess, code) in [("one", "111111"), ("two", "222222"), ("three", "333333")] {
        assert_eq!(site.reason(append(&format!("{guess},{code}"))), Reason::WrongPassword);
    }
    assert_eq!(site.store.strikes(1), 3, "a right code clears nothing before the password");
    site.store.enrol("alice", token(4, "444444"));
    assert_eq!(site.reason(append("four,444444")), Reason::Slowed);
    assert_eq!(site.asked(), 3);
    site.knows.say(Ok(person().into()));
    let later = append("secret,444444")
        .map_request(|request| request.at = append("").request.at.plus(Duration::from_secs(600)));
    assert_eq!(site.reason(later), Reason::Right);
    assert_eq!(site.store.strikes(1), 0, "both were right");
}

#[test]
fn nobody_is_asked_about_users_who_are_locked_here() {
    let limits = FailureLimits { lock_after_unproven: 1, slow_after: 100, ..FailureLimits::default() };
    for (field, mode) in
        [("secret", Mode::Challenge), ("secret", Mode::Auto), ("secret,111111", Mode::Append)]
    {
        let site = site(Config { lockout: limits, ..Config::default() });
        site.knows.say(Err(AuthFailure::Wrong));
        assert_eq!(site.reason(challenge("wrong")), Reason::LockedNow);
        site.knows.say(Ok(person().into()));
        let locked = site.decide(attempt(mode, plain(field)));
        assert_eq!((locked.reason(), locked.proven), (Reason::Locked, false), "{mode:?}");
        assert_eq!(site.asked(), 1, "{mode:?}");
    }
}

#[test]
fn right_password_alone_leads_to_a_challenge_and_no_further() {
    let site = site(Config::default());
    let told = site.decide(challenge("secret"));
    assert_eq!((told.verdict(), told.reason(), told.proven), (Verdict::Challenge, Reason::Challenged, true));
    assert_eq!(site.reason(answer(&told, "111111")), Reason::Right);
    assert_eq!(site.asked(), 1, "the answer is no password");
    let decision = site.decide(answer(&told, "222222"));
    assert_eq!((decision.reason(), decision.verdict()), (Reason::BadState, Verdict::Reject));
    let mute = challenge("secret").map_request(|request| request.dialogue = false);
    assert_eq!(site.decide(mute).verdict(), Verdict::Reject);
}

#[test]
fn answer_is_good_for_whoever_was_asked_only() {
    let site = site(Config::default());
    let from = |station: &str| AttemptSource {
        calling_station: station.into(),
        ..challenge("").request.source.clone()
    };
    for (seed, spoil) in [
        Box::new(|answer: LoginAttempt| answer.map_request(|request| request.user = b"bob".to_vec()))
            as Box<dyn Fn(LoginAttempt) -> LoginAttempt>,
        Box::new(|answer: LoginAttempt| answer.map_request(|request| request.source = from("away"))),
        Box::new(|answer: LoginAttempt| {
            answer.map_request(|request| request.at = request.at.plus(Duration::from_secs(3600)))
        }),
    ]
    .iter()
    .enumerate()
    {
        let told = site.decide(challenge("secret").map_request(|request| request.dice = dice(seed as u8)));
        assert_eq!(site.reason(spoil(answer(&told, "111111"))), Reason::BadState);
        assert_eq!(site.reason(answer(&told, "111111")), Reason::BadState, "it is gone");
    }
}

#[test]
fn challenge_from_where_no_password_was_asked_for_does_not_stand_for_one() {
    let site = site(Config::default());
    let site = Site { engine: site.engine.with_delivery(vec![crate::types::Factor::Sms]), ..site };
    // A packet of mode passcode may be followed by one of another mode.
    let passcode = LoginAttempt {
        password_status: PasswordStatus::NotRequired,
        ..attempt(Mode::Passcode, plain("sms"))
    };
    let Step::Ask(undecided) = site.begin(passcode) else { panic!("nobody is asked") };
    let asks = QuestionKind::Code { factor: crate::types::Factor::Sms, to: String::new() };
    let told = at_once(site.engine.close_asking(*undecided, RefusalReason::CodesSent.into(), asks));
    assert!(told.state().is_some() && !told.proven);
    assert_eq!(site.reason(answer(&told, "111111")), Reason::BadState);
    assert_eq!(site.asked(), 0);
}

#[test]
fn challenge_is_answered_only_where_it_was_put() {
    let endpoint = |instance: &str, server: &str| LoginEndpoint {
        instance: instance.into(),
        virtual_server: server.into(),
    };
    let here = endpoint("mfa", "default");
    let put =
        |site: &Site| site.decide(challenge("secret").map_request(|request| request.endpoint = here.clone()));
    for elsewhere in [endpoint("mfa", "other"), endpoint("other", "default"), LoginEndpoint::default()] {
        let site = site(Config::default());
        let told = put(&site);
        let there = answer(&told, "111111").map_request(|request| request.endpoint = elsewhere.clone());
        assert_eq!(site.reason(there), Reason::BadState, "{elsewhere:?}");
        let again = answer(&told, "111111").map_request(|request| request.endpoint = here.clone());
        assert_eq!(site.reason(again), Reason::BadState, "it is gone");
    }
    let site = site(Config::default());
    let told = put(&site);
    assert_eq!(
        site.reason(answer(&told, "111111").map_request(|request| request.endpoint = here.clone())),
        Reason::Right
    );
}

#[test]
fn challenge_is_answered_only_where_the_same_one_checks_passwords() {
    use PasswordStatus::{NotRequired, Unverified, Verified};
    use PasswordVerifier::{Client, Module, Server};
    let good = |told: PasswordStatus, here: PasswordStatus| {
        let site = site(Config { mode: Mode::Challenge, ..Config::default() });
        let first =
            LoginAttempt { password_status: told, ..attempt(Mode::Challenge, SubmittedPassword::Absent) };
        let told = site.decide(first);
        assert!(told.state().is_some(), "{told:?}");
        site.reason(LoginAttempt { password_status: here, ..answer(&told, "111111") }) == Reason::Right
    };
    for (by, here) in [
        (Server, Unverified { by: Server }),
        (Module, Unverified { by: Module }),
        (Client, Verified { by: Client }),
    ] {
        assert!(good(Verified { by }, here), "{by:?}");
        for other in
            [NotRequired, Unverified { by: Server }, Unverified { by: Module }, Verified { by: Client }]
        {
            assert_eq!(good(Verified { by }, other), other == here, "{by:?} at {other:?}");
        }
    }
}

#[test]
fn question_of_whoever_checks_the_password_goes_there_and_back() {
    let site = site(Config::default());
    let asks = || Ok(PasswordResponse::Asks { text: vec!["Token?".into()], state: b"its own".to_vec() });
    site.knows.say(asks());
    let told = site.decide(challenge("secret"));
    assert_eq!((told.verdict(), told.proven), (Verdict::Challenge, false));
    let asked = told.question().map(|prompt| prompt.asks.clone());
    assert_eq!(asked, Some(QuestionKind::Relayed { text: vec!["Token?".into()] }));
    site.knows.say(Ok(person().into()));
    let then = site.decide(answer(&told, "7"));
    let claims = site.knows.asked();
    assert_eq!(claims[1].state.as_deref(), Some(&b"its own"[..]));
    assert!(matches!(&claims[1].password, SubmittedPassword::Plain(it) if it.expose() == b"7"));
    assert_eq!(
        (then.verdict(), then.proven),
        (Verdict::Challenge, true),
        "his password was right; now we ask"
    );
    assert_eq!(site.reason(answer(&then, "111111")), Reason::Right);
}

#[test]
fn answer_to_such_a_question_is_nothing_else() {
    let asks = || Ok(PasswordResponse::Asks { text: vec!["Token?".into()], state: b"its own".to_vec() });
    let client = |answer| LoginAttempt {
        mode: Mode::Passcode,
        password_status: PasswordStatus::Verified { by: PasswordVerifier::Client },
        ..answer
    };
    let nobody = |answer| LoginAttempt {
        mode: Mode::Passcode,
        password_status: PasswordStatus::NotRequired,
        ..answer
    };
    let bob = |answer: LoginAttempt| answer.map_request(|request| request.user = b"bob".to_vec());
    for spoil in [&client as &dyn Fn(LoginAttempt) -> LoginAttempt, &nobody, &bob] {
        let site = site(Config::default());
        site.knows.say(asks());
        let told = site.decide(challenge("secret"));
        site.knows.say(Ok(person().into()));
        assert_eq!(site.reason(spoil(answer(&told, "111111"))), Reason::BadState);
        assert_eq!(site.reason(answer(&told, "111111")), Reason::BadState, "it is gone");
        assert_eq!(site.asked(), 1);
    }
    let site = site(Config::default());
    site.knows.say(asks());
    let told = site.decide(challenge("secret"));
    site.knows.say(Err(AuthFailure::Wrong));
    assert_eq!(
        site.reason(answer(&told, "111111")),
        Reason::WrongPassword,
        "a right code is no answer to it"
    );
    site.knows.say(asks());
    let beside = site.decide(append("secret,111111"));
    assert_eq!((beside.reason(), beside.verdict()), (Reason::Blocked, Verdict::Reject));
}

#[test]
fn who_is_exempt_needs_his_password() {
    let exception = PolicyException {
        name: "vpn".into(),
        groups: vec![GroupName::new("vpn")],
        ..PolicyException::default()
    };
    let policy = PolicyOptions { exceptions: vec![exception], ..PolicyOptions::default() };
    for mode in [Mode::Append, Mode::Challenge, Mode::Auto] {
        let site = site(Config { policy: policy.clone(), ..Config::default() });
        let login = || attempt(mode, plain("secret"));
        let unlang = PreAuthFacts { exempt: Some(true), ..PreAuthFacts::default() };
        let by_unlang = || login().map_request(|request| request.unchecked = unlang.clone());
        assert_eq!([site.reason(login()), site.reason(by_unlang())], [Reason::Exempt; 2], "{mode:?}");
        for (denied, reason, ..) in refusals() {
            let site = self::site(Config { policy: policy.clone(), ..Config::default() });
            site.knows.say(Err(denied));
            assert_eq!([site.reason(login()), site.reason(by_unlang())], [reason; 2], "{mode:?}");
        }
        for password in [SubmittedPassword::Absent, plain("")] {
            let empty = attempt(mode, password).map_request(|request| request.unchecked = unlang.clone());
            assert_eq!(site.reason(empty), Reason::NoPassword, "{mode:?}");
        }
        let not =
            login().map_request(|request| request.unchecked = PreAuthFacts { exempt: Some(false), ..unlang });
        assert!(!site.decide(not).verdict().lets_in(), "{mode:?}: unlang has its word first");
    }
}

#[test]
fn groups_of_unlang_and_of_the_directory_both_count() {
    let exception = |group: &str| {
        let one = PolicyException {
            name: "one".into(),
            groups: vec![GroupName::new(group)],
            ..PolicyException::default()
        };
        Config {
            policy: PolicyOptions { exceptions: vec![one], ..PolicyOptions::default() },
            ..Config::default()
        }
    };
    let set = PolicyContext { groups: Some(vec!["staff".into()]), ..PolicyContext::default() };
    let login = || {
        challenge("secret").map_request(|request| {
            request.unchecked = PreAuthFacts { who: set.clone(), ..PreAuthFacts::default() }
        })
    };
    for (group, reason) in [("staff", Reason::Exempt), ("vpn", Reason::Exempt), ("other", Reason::Challenged)]
    {
        assert_eq!(site(exception(group)).reason(login()), reason, "{group}");
    }
    let required = RequiredFor { groups: vec![GroupName::new("wheel")], ..RequiredFor::default() };
    let config =
        Config { policy: PolicyOptions { required, ..PolicyOptions::default() }, ..Config::default() };
    let site = site(config);
    assert_eq!(site.reason(challenge("secret")), Reason::Exempt, "not required");
    site.knows.say(Ok(DirectoryUser { groups: None, ..person() }.into()));
    assert_eq!(site.reason(challenge("secret")), Reason::Challenged, "groups that nobody has read");
}

#[test]
fn clients_are_told_what_reply_says_of_his_groups() {
    let one = |name: &str, group: Option<&str>, text: &str| ReplyRule {
        name: name.into(),
        groups: group.map(GroupName::new).into_iter().collect(),
        attributes: vec![("Filter-Id".into(), NameTemplate::parse(text).unwrap())],
    };
    let replies = vec![
        one("vpn", Some("vpn"), "vpn-{user}"),
        one("it", Some("it"), "it"),
        one("all", None, "{department}"),
        one("mail", None, "{mail}"),
        one("empty", None, "{gecos}"),
        one("blank", None, "x-{title}"),
    ];
    let site = site(Config { replies, ..Config::default() });
    let mut empty = person();
    empty.attributes.insert("gecos".into(), vec![String::new()]);
    empty.attributes.insert("title".into(), vec![" ".into()]);
    site.knows.say(Ok(empty.into()));
    let grants = site.decide(append("secret,111111")).grants.unwrap();
    let told: Vec<_> = grants.reply.iter().map(|(_, value)| value.as_str()).collect();
    assert_eq!(told, ["vpn-alice", "alice@example.test"], "what nobody knows of him is left out");
    assert_eq!(grants.groups, Some(vec!["VPN".into()]));
    site.knows.say(Err(AuthFailure::Wrong));
    assert_eq!(site.decide(append("secret,222222")).grants, None);
}

#[test]
fn keys_of_another_server_are_not_written_down() {
    let raw = |kind, value: &[u8]| RawAttribute { kind, value: value.to_vec() };
    let key = raw(26, &[0, 0, 1, 55, 17, 4, 1, 2]);
    let reply = vec![raw(25, b"class"), raw(69, b"\0tunnel"), key];
    let site = site(Config::default());
    site.knows.say(Ok(DirectoryUser { reply: reply.clone(), ..person() }.into()));
    assert_eq!(site.decide(append("secret,111111")).grants.unwrap().raw, reply);
    let told = site.decide(challenge("secret"));
    let decision = site.decide(answer(&told, "222222"));
    assert_eq!(decision.grants.unwrap().raw, [raw(25, b"class")]);
}

#[test]
fn tokens_are_found_under_the_name_that_they_are_stored_as() {
    for (template, user) in [("{mail}", "alice@example.test"), ("{user}@example.test", "alice@example.test")]
    {
        let site = site_of(stored_as(template), user);
        assert_eq!(site.reason(append("secret,111111")), Reason::Right, "{template}");
        let told = site.decide(challenge("secret"));
        assert_eq!(site.reason(answer(&told, "222222")), Reason::Right, "{template}");
        assert!(site.store.audit().iter().all(|(name, _)| name == user), "{template}");
        assert!(site.knows.asked().iter().all(|claim| claim.user.as_str() == "alice"), "{template}");
        site.knows.say(Err(AuthFailure::Wrong));
        assert_eq!(site.reason(append("wrong,333333")), Reason::WrongPassword, "{template}");
        assert_eq!(site.store.strikes(1), 1, "{template}");
    }
}

#[test]
fn code_of_one_and_password_of_another_let_nobody_in() {
    let site = site_of(stored_as("{mail}"), "alice@example.test");
    let other = DirectoryUser { mail: Mailbox::parse("mallory@example.test").ok(), ..person() };
    site.knows.say(Ok(other.into()));
    let decision = site.decide(append("secret,111111"));
    assert_eq!((decision.reason(), decision.verdict()), (Reason::Blocked, Verdict::Reject));
    assert_eq!(site.audit(), [Reason::Blocked]);
}

#[test]
fn who_lacks_what_his_name_is_made_of_is_refused() {
    for mode in [Mode::Append, Mode::Challenge, Mode::Auto] {
        let site = site_of(stored_as("{mail}"), "alice");
        let nameless = DirectoryUser { mail: None, ..person() };
        site.knows.find(Ok(Some(nameless.clone())));
        site.knows.say(Ok(nameless.into()));
        let field = if mode == Mode::Append { "secret,111111" } else { "secret" };
        let decision = site.decide(attempt(mode, plain(field)));
        assert_eq!((decision.reason(), decision.verdict()), (Reason::Blocked, Verdict::Reject), "{mode:?}");
        assert!(decision.detail.is_some_and(|why| why.contains("stored_as")), "{mode:?}");
    }
}

#[test]
fn user_whom_the_directory_does_not_know_is_not_taken_for_one_without_a_token() {
    let grace = EnrolmentGrace { until: None, logins: None };
    let policy = PolicyOptions { unenrolled: UnenrolledRule::Accept(grace), ..PolicyOptions::default() };
    let site = site_of(Config { policy, ..stored_as("{mail}") }, "alice@example.test");
    site.knows.find(Ok(None));
    let vouched = challenge("secret").with_verified_password(PasswordVerifier::Server);
    assert_eq!(site.reason(vouched.clone()), Reason::UnknownToDirectory, "by whoever else has checked it");
    site.knows.find(Err(BackendUnavailable("no answer".into())));
    assert_eq!(site.reason(vouched), Reason::DirectoryUnavailable);
}

#[test]
fn digest_of_a_password_is_for_whoever_can_check_one() {
    let digest = || SubmittedPassword::Chap { id: 1, challenge: b"challenge".to_vec(), response: [7; 16] };
    let site = site(Config::default());
    assert_eq!(site.reason(attempt(Mode::Append, digest())), Reason::NeedsPap, "nothing can be cut off");
    assert_eq!(site.asked(), 0);
    let decision =
        site.decide(attempt(Mode::Challenge, digest()).map_request(|request| request.dialogue = false));
    assert_eq!((decision.reason(), decision.proven), (Reason::NeedsChallenge, true));
    assert!(matches!(
        &site.knows.asked()[..],
        [Credentials { password: SubmittedPassword::Chap { id: 1, .. }, .. }]
    ));
    site.knows.say(Err(AuthFailure::NeedsPap));
    let decision = site.decide(attempt(Mode::Challenge, digest()));
    assert_eq!((decision.reason(), decision.proven), (Reason::NeedsPap, false));
    assert_eq!(site.store.strikes(1), 0);
}

#[test]
fn what_gives_no_answer_lets_nobody_in() {
    for (field, mode) in
        [("secret", Mode::Challenge), ("secret", Mode::Auto), ("secret,111111", Mode::Append)]
    {
        let site = site(Config::default());
        site.knows.say(Err(away()));
        let decision = site.decide(attempt(mode, plain(field)));
        assert_eq!(decision.verdict(), Verdict::Unavailable, "{mode:?}");
        assert_eq!(decision.detail.as_deref(), Some("no answer"), "{mode:?}");
        for mood in [Mood::CannotFind, Mood::CannotSettle] {
            site.knows.say(Ok(person().into()));
            site.store.be(mood);
            let field = field.replace("111111", "222222");
            assert_eq!(site.decide(attempt(mode, plain(&field))).verdict(), Verdict::Unavailable, "{mood:?}");
        }
        let engine = Engine { authority: None, ..self::site(Config::default()).engine };
        let nobody = Site { engine, ..self::site(Config::default()) };
        assert_eq!(nobody.decide(attempt(mode, plain(field))).verdict(), Verdict::Unavailable, "{mode:?}");
    }
    let group = RequiredFor { groups: vec![GroupName::new("vpn")], ..RequiredFor::default() };
    let site = site(Config {
        policy: PolicyOptions { required: group, ..PolicyOptions::default() },
        ..Config::default()
    });
    site.knows.find(Err(BackendUnavailable("no answer".into())));
    assert_eq!(site.reason(append("secret,111111")), Reason::DirectoryUnavailable);
    assert_eq!(site.asked(), 0);
}

#[test]
fn device_is_asked_after_the_password_only() {
    let told = Arc::new(Told::to(Says::Later(Ok(yes()))));
    let site = site(Config::default());
    let provider: Arc<dyn PushProvider> = Arc::clone(&told) as _;
    let site = Site { engine: site.engine.with_push_provider(Some(provider)), ..site };
    for (mode, field) in [(Mode::Auto, "secret"), (Mode::Auto, "secret,push"), (Mode::Append, "secret,push")]
    {
        site.knows.say(Err(AuthFailure::Wrong));
        let wrong = field.replace("secret", &format!("wrong {mode:?}"));
        let station = AttemptSource { calling_station: wrong.clone(), ..append("").request.source.clone() };
        let refused =
            site.reason(attempt(mode, plain(&wrong)).map_request(|request| request.source = station));
        assert_eq!(refused, Reason::WrongPassword, "{mode:?} {field}");
        site.knows.say(Ok(person().into()));
        let Step::Ask(undecided) = site.begin(attempt(mode, plain(field))) else {
            panic!("{mode:?} {field}")
        };
        assert!(undecided.is_proven() && undecided.password.is_none(), "{mode:?} {field}");
        let limit = Duration::from_secs(25);
        let ended = at_once(site.engine.ask_user(*undecided, None, limit, None, std::future::pending()));
        assert_eq!(ended.decision.reason(), Reason::Approved, "{mode:?} {field}");
        assert!(ended.decision.grants.is_some(), "{mode:?} {field}");
    }
    assert_eq!(told.asked().len(), 3);
}
