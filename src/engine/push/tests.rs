//! Who is asked for what, and what each answer comes to: without a server, a network or a clock.

use super::*;
use crate::config::Config;
use crate::config::push::{BypassBudget, PushOptions};
use crate::engine::LoginAttempt;
use crate::engine::LoginRequest;
use crate::engine::Reason;
use crate::engine::evaluation::dummy_token;
use crate::engine::fake::{Memory, Mood, Nothing, Says, Told, yes};
use crate::engine::port::EnrolledToken;
use crate::engine::{
    AttemptEntropy, AttemptSource, PasswordStatus, PasswordVerifier, Step, SubmittedPassword, Verdict,
};
use crate::types::{Factor, Printable, Timestamp, TokenId};
use crate::types::{FactorChoice, Secret};
use std::future::{pending, ready};
use std::task::{Context, Waker};

mod limits;

struct Site {
    engine: Engine,
    store: Arc<Memory>,
    provider: Arc<Told>,
}

fn site(says: Says) -> Site {
    site_with(Config::default(), Told::to(says), [])
}

/// Alice is known to the store and has these tokens.
fn site_with<const N: usize>(config: Config, provider: Told, tokens: [EnrolledToken; N]) -> Site {
    let (store, provider) = (Arc::new(Memory::with("alice", tokens)), Arc::new(provider));
    let config = Config { delimiter: Some(",".into()), ..config };
    let engine = Engine::new(Arc::new(config), store.clone(), Arc::new(Nothing), Secret::new("tag key"));
    Site { engine: engine.with_push_provider(Some(provider.clone())), store, provider }
}

fn push(push: PushOptions) -> Config {
    Config { push, ..Config::default() }
}

fn attempt(mode: Mode, field: &str) -> LoginAttempt {
    LoginAttempt::new(
        LoginRequest {
            at: Timestamp::from_seconds(1_000_000),
            user: b"EXAMPLE\\Alice".to_vec(),
            source: AttemptSource { client: "192.0.2.1".into(), ..AttemptSource::default() },
            ..LoginRequest::default()
        },
        mode,
        match mode {
            Mode::Passcode => PasswordStatus::NotRequired,
            _ => PasswordStatus::Verified { by: PasswordVerifier::Server },
        },
        match mode {
            Mode::Auto if field.is_empty() => SubmittedPassword::Absent,
            _ => SubmittedPassword::Plain(Secret::new(field)),
        },
    )
}

/// The password was right.
fn proven() -> LoginAttempt {
    attempt(Mode::Auto, "")
}

/// Without a verified password.
fn unproven() -> LoginAttempt {
    attempt(Mode::Passcode, "push")
}

/// A passcode that the provider checks, without a verified password.
fn passcode(code: &str) -> LoginAttempt {
    attempt(Mode::Passcode, code)
}

/// What a future comes to without waiting.
fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

impl Site {
    fn undecided(&self, attempt: LoginAttempt) -> Option<PendingLogin> {
        match at_once(self.engine.start(attempt)).unwrap() {
            Step::Ask(undecided) => Some(*undecided),
            Step::Decided(_) => None,
        }
    }

    /// The result without a stop; none while the login waits.
    fn ask(&self, attempt: LoginAttempt) -> Option<Decision> {
        let undecided = self.undecided(attempt).expect("nobody is asked");
        at_once(self.engine.ask_user(undecided, None, LIMIT, None, pending())).map(|ended| ended.decision)
    }

    /// The same when the time is up.
    fn ask_until(&self, attempt: LoginAttempt, stop: StopReason) -> AskResult {
        let undecided = self.undecided(attempt).expect("nobody is asked");
        at_once(self.engine.ask_user(undecided, None, LIMIT, None, ready(stop))).unwrap()
    }

    fn reason(&self, attempt: LoginAttempt) -> Option<Reason> {
        self.ask(attempt).map(|decision| decision.reason())
    }

    fn asked(&self) -> usize {
        self.provider.asked().len()
    }

    fn trail(&self) -> Vec<Reason> {
        self.store.audit().into_iter().map(|(_, reason)| reason).collect()
    }
}

fn wants(it: &PendingLogin) -> String {
    format!("{:?}", it.wants)
}

const LIMIT: Duration = Duration::from_secs(25);

fn unreachable() -> Says {
    Says::AtOnce(Err(ProviderError::Unreachable("no route".into())))
}

#[test]
fn field_says_what_is_asked_for() {
    let device = |factor, device| {
        format!("{:?}", IntentKind::Answer(PushRequestKind::Device(Some(FactorChoice { factor, device }))))
    };
    let best = || format!("{:?}", IntentKind::Answer(PushRequestKind::Device(None)));
    let asked = |attempt| site(Says::Nothing).undecided(attempt).map(|it| wants(&it));
    for (field, wanted) in [
        ("push", Some(device(Factor::Push, 1))),
        ("PUSH", Some(device(Factor::Push, 1))),
        (" push ", Some(device(Factor::Push, 1))),
        ("push2", Some(device(Factor::Push, 2))),
        ("phone", Some(device(Factor::Phone, 1))),
        ("phone2", Some(device(Factor::Phone, 2))),
        ("sms", Some(device(Factor::Sms, 1))),
        ("", Some(best())),
        (" \t", Some(best())),
        ("123456", None),
        ("pushy", None),
        ("push 2", None),
        ("hunter2,push", None),
    ] {
        assert_eq!(asked(attempt(Mode::Passcode, field)), wanted, "{field:?}");
    }
    for (field, wanted) in [
        ("hunter2,push", Some(device(Factor::Push, 1))),
        ("hunter2,Phone2", Some(device(Factor::Phone, 2))),
        ("hunt,er2,sms", Some(device(Factor::Sms, 1))),
        ("hunter2,", None),
        (",push", None),
        ("push", None),
        ("hunter2push", None),
        ("hunter2,123456", None),
        ("hunter2,later", None),
    ] {
        assert_eq!(asked(attempt(Mode::Append, field)), wanted, "{field:?}");
    }
    let auto = attempt(Mode::Auto, "hunt,er2,push");
    let undecided = site(Says::Nothing).undecided(auto).unwrap();
    assert_eq!(undecided.password, Some(Secret::new("hunt,er2")));
    assert!(matches!(undecided.attempt.password, SubmittedPassword::Absent), "no password waits");
    assert_eq!(asked(proven()), Some(best()));
}

#[test]
fn password_with_the_delimiter_in_it_is_a_password() {
    let site = site(Says::Nothing);
    let answers = |field: &str| site.engine.has_answer(&SubmittedPassword::Plain(Secret::new(field)));
    for field in ["hunter2,push", "hunt,er2,push2", "hunter2,123456", "hunter2,abcd-efgh-ijkl"] {
        assert!(answers(field), "{field}");
    }
    for field in ["hunter2", "hunt,er2", "hunter2,", ",push", "push", "hunter2,12345", "hunter2,pushy"] {
        assert!(!answers(field), "{field}");
    }
}

#[test]
fn word_may_come_as_a_digest() {
    use md5::{Digest, Md5};
    let site = site(Says::Nothing);
    let chap = |word: &str| {
        let response = Md5::new().chain_update([1]).chain_update(word).chain_update("challenge").finalize();
        SubmittedPassword::Chap { id: 1, challenge: b"challenge".to_vec(), response: response.into() }
    };
    for word in ["push", "phone3", ""] {
        let it = site.undecided(LoginAttempt { password: chap(word), ..unproven() }).unwrap();
        assert!(
            matches!(it.wants, IntentKind::Answer(PushRequestKind::Device(choice)) if choice == FactorChoice::parse(word.as_bytes()))
        );
        assert_eq!(it.word, Some(Secret::new(word)));
    }
    assert!(site.undecided(LoginAttempt { password: chap("PUSH"), ..unproven() }).is_none());
    assert!(site.undecided(LoginAttempt { password: chap("push"), ..attempt(Mode::Append, "") }).is_none());
}

#[test]
fn passcode_is_the_providers_where_the_user_has_no_token_here() {
    let checks = |tokens| site_with(Config::default(), Told::with_passcodes(Says::Nothing), tokens);
    let provider_asked = |field, site: &Site| match site.undecided(passcode(field)).map(|it| it.wants) {
        Some(IntentKind::Answer(PushRequestKind::Passcode(_))) => true,
        Some(_) => panic!("{field:?}"),
        None => false,
    };
    let token = |enabled| EnrolledToken { id: TokenId(1), enabled, ..dummy_token() };
    assert!(provider_asked("123456", &checks([token(false)])));
    assert!(!provider_asked("123456", &checks([token(true)])));
    let none = checks([token(false)]);
    assert!(none.undecided(attempt(Mode::Append, ",123456")).is_none(), "no password, no question");
    assert!(!provider_asked("--", &none));
    let empty = none.undecided(passcode("")).unwrap();
    assert!(empty.asks_device(), "nothing is never a passcode");
}

#[test]
fn yes_is_an_accept_once_it_is_written() {
    for says in [Says::AtOnce(Ok(yes())), Says::Later(Ok(yes()))] {
        let site = site(says);
        let decision = site.ask(proven()).unwrap();
        assert_eq!((decision.verdict(), decision.reason()), (Verdict::Accept, Reason::Approved));
        assert_eq!((decision.factor(), decision.token()), (Some(Factor::Push), Some("telephone")));
        assert_eq!(site.trail(), [Reason::Approved]);
        site.store.be(Mood::CannotSettle);
        assert_eq!(site.ask(proven()).unwrap().verdict(), Verdict::Unavailable);
    }
}

#[test]
fn after_a_right_password_every_refusal_comes_at_once() {
    let enroll = PushOutcome::Enroll(Printable::new("https://enrol.example.test"));
    for (outcome, reason) in [
        (PushOutcome::Denied, Reason::Denied),
        (PushOutcome::Fraud, Reason::Fraud),
        (PushOutcome::Expired, Reason::TimedOut),
        (PushOutcome::Wrong, Reason::WrongCode),
        (PushOutcome::Sent, Reason::CodesSent),
        (PushOutcome::Locked, Reason::LockedByProvider),
        (PushOutcome::Refused, Reason::RefusedByProvider),
        (enroll, Reason::EnrollAtProvider),
        (PushOutcome::Unknown, Reason::UnknownToProvider),
        (PushOutcome::NoDevice, Reason::NoDevice),
    ] {
        let response = PushResponse::from(outcome);
        for says in [Says::AtOnce(Ok(response.clone())), Says::Later(Ok(response))] {
            let site = site(says);
            let decision = site.ask(proven()).unwrap();
            assert_eq!((decision.reason(), decision.verdict()), (reason, Verdict::Reject));
            assert_eq!(decision.quote().is_some(), reason == Reason::EnrollAtProvider);
            assert_eq!(site.trail(), [reason]);
        }
    }
    for says in [
        Says::AtOnce(Err(ProviderError::Failed("500".into()))),
        Says::Later(Err(ProviderError::Failed("500".into()))),
    ] {
        let decision = site(says).ask(proven()).unwrap();
        assert_eq!((decision.verdict(), decision.detail.as_deref()), (Verdict::Unavailable, Some("500")));
    }
}

#[test]
fn without_a_password_all_refusals_but_his_own_no_come_when_the_time_is_up() {
    let enroll = PushOutcome::Enroll(Printable::new("https://enrol.example.test"));
    let said = [
        PushOutcome::Expired,
        PushOutcome::Sent,
        PushOutcome::Locked,
        PushOutcome::Refused,
        enroll,
        PushOutcome::Unknown,
        PushOutcome::NoDevice,
    ];
    let trouble = [ProviderError::Failed("500".into()), ProviderError::Unreachable("no route".into())];
    let shown = |outcome| Ok(PushResponse::with_user_text(outcome, Printable::new("the provider's words")));
    let said = said.into_iter().map(shown).chain(trouble.into_iter().map(Err));
    for said in said.flat_map(|said| [Says::AtOnce(said.clone()), Says::Later(said)]) {
        let site = site(said.clone());
        assert!(site.ask(unproven()).is_none(), "{said:?}");
        let ended = site.ask_until(unproven(), StopReason::TimedOut);
        assert!(matches!(ended.decision.verdict(), Verdict::Reject | Verdict::Unavailable));
        assert_eq!(ended.decision.quote(), None, "{said:?}");
    }
    for (outcome, reason) in [(PushOutcome::Denied, Reason::Denied), (PushOutcome::Fraud, Reason::Fraud)] {
        assert_eq!(site(Says::Later(Ok(outcome.into()))).reason(unproven()), Some(reason));
    }
    let client = LoginAttempt {
        password_status: PasswordStatus::Verified { by: PasswordVerifier::Client },
        ..unproven()
    };
    assert_eq!(
        site(Says::AtOnce(Ok(PushOutcome::Unknown.into()))).reason(client),
        Some(Reason::UnknownToProvider)
    );
}

#[test]
fn store_that_cannot_answer_asks_nobody() {
    let site = site(Says::Later(Ok(yes())));
    let (first, second) = (site.undecided(proven()).unwrap(), site.undecided(unproven()).unwrap());
    site.store.be(Mood::CannotFind);
    let decision = at_once(site.engine.ask_user(first, None, LIMIT, None, pending())).unwrap().decision;
    assert_eq!(decision.verdict(), Verdict::Unavailable);
    assert!(at_once(site.engine.ask_user(second, None, LIMIT, None, pending())).is_none());
    assert_eq!(site.asked(), 0);
}

#[test]
fn question_is_taken_back_after_the_decision() {
    let site = site(Says::Nothing);
    for (count, (stop, reason)) in
        [(StopReason::TimedOut, Reason::TimedOut), (StopReason::Cancelled, Reason::Cancelled)]
            .into_iter()
            .enumerate()
    {
        let AskResult { decision, rest } = site.ask_until(proven(), stop);
        assert_eq!((decision.reason(), site.provider.cancelled()), (reason, count));
        at_once(rest.unwrap()).unwrap();
        assert_eq!(site.provider.cancelled(), count + 1);
    }
    site.provider.say(Says::Later(Err(ProviderError::Failed("500".into()))));
    let undecided = site.undecided(proven()).unwrap();
    let ended = at_once(site.engine.ask_user(undecided, None, LIMIT, None, pending())).unwrap();
    at_once(ended.rest.unwrap()).unwrap();
    assert_eq!(site.provider.cancelled(), 3);
}

#[test]
fn question_that_is_put_too_late_is_taken_back_as_well() {
    let (told, asked) = tokio::sync::oneshot::channel();
    let site = site(Says::Hangs);
    site.provider.answer_to_asking(asked);
    let AskResult { decision, rest } = site.ask_until(proven(), StopReason::TimedOut);
    assert_eq!(decision.reason(), Reason::TimedOut);
    let mut rest = rest.unwrap();
    assert_eq!(at_once(&mut rest), None);
    told.send(()).unwrap();
    assert_eq!((at_once(rest), site.provider.cancelled()), (Some(()), 1));
}

#[test]
fn provider_is_told_who_from_where_for_how_long_and_with_which_number() {
    let site = site(Says::Nothing);
    let source = AttemptSource { calling_station: "198.51.100.7".into(), ..proven().request.source.clone() };
    let undecided = site.undecided(proven().map_request(|request| request.source = source)).unwrap();
    let limit = Duration::from_secs(7);
    assert!(at_once(site.engine.ask_user(undecided, Some("42".into()), limit, None, pending())).is_none());
    let ask = &site.provider.asked()[0];
    assert_eq!((ask.user.as_str(), ask.client.as_str()), ("alice", "192.0.2.1"));
    assert_eq!((ask.calling_station.as_str(), ask.number.as_deref()), ("198.51.100.7", Some("42")));
    assert_eq!(ask.limit, limit);
}

#[test]
fn refusal_of_the_provider_is_not_a_lock_and_its_words_reach_log_and_user() {
    let words = Printable::new("Access from this network is not allowed.");
    for (outcome, reason) in
        [(PushOutcome::Refused, Reason::RefusedByProvider), (PushOutcome::Locked, Reason::LockedByProvider)]
    {
        let response = PushResponse::with_user_text(outcome.clone(), words.clone());
        let decision = site(Says::AtOnce(Ok(response.clone()))).ask(proven()).unwrap();
        assert_eq!((decision.reason(), decision.verdict()), (reason, Verdict::Reject));
        assert_eq!(decision.quote(), Some(words.as_str()));
        let logged = "told says: Access from this network is not allowed.";
        assert_eq!(decision.detail.as_deref(), Some(logged));
        // Text that is not meant for the user, and a user without a verified password.
        let response = PushResponse::with_log_text(outcome.clone(), words.clone());
        let decision = site(Says::Later(Ok(response))).ask(proven()).unwrap();
        assert_eq!((decision.quote(), decision.detail.as_deref()), (None, Some(logged)));
        let shown = PushResponse::with_user_text(outcome, words.clone());
        let ended = site(Says::AtOnce(Ok(shown))).ask_until(unproven(), StopReason::TimedOut);
        assert_eq!((ended.decision.quote(), ended.decision.detail.as_deref()), (None, Some(logged)));
    }
    let denied = PushResponse::with_user_text(PushOutcome::Denied, Printable::new("Login request denied."));
    let decision = site(Says::Later(Ok(denied))).ask(proven()).unwrap();
    assert_eq!(
        (decision.reason(), decision.quote()),
        (Reason::Denied, None),
        "there is a translated text for it"
    );
    assert_eq!(decision.detail.as_deref(), Some("told says: Login request denied."));
}

#[test]
fn bypass_of_the_provider_is_no_approval() {
    let bypassed = || PushResponse::with_log_text(PushOutcome::Bypassed, Printable::new("Bypassing."));
    for says in [Says::AtOnce(Ok(bypassed())), Says::Later(Ok(bypassed()))] {
        let site = site(says);
        let decision = site.ask(proven()).unwrap();
        assert_eq!((decision.verdict(), decision.reason()), (Verdict::Accept, Reason::BypassedByProvider));
        assert_eq!((decision.factor(), decision.token()), (None, None));
        assert_eq!(decision.detail.as_deref(), Some("told says: Bypassing."));
        assert_eq!(site.trail(), [Reason::BypassedByProvider]);
        site.store.be(Mood::CannotSettle);
        assert_eq!(site.ask(proven()).unwrap().verdict(), Verdict::Unavailable);
    }
}

/// A login whose user can be asked at the client, and whose password was right.
fn in_dialogue() -> LoginAttempt {
    LoginAttempt {
        mode: Mode::Challenge,
        ..proven().map_request(|request| {
            request.dialogue = true;
            request.dice = Some(AttemptEntropy { state: [1; 16], conversation: [2; 16], code: [3; 8] });
        })
    }
}

#[test]
fn without_a_token_here_nobody_is_asked_for_a_passcode_that_the_lost_provider_would_have_to_check() {
    let away = || Told::without_ways(ProviderError::Unreachable("no route".into()));
    let decision = site_with(Config::default(), away(), []).ask(in_dialogue()).unwrap();
    assert_eq!((decision.reason(), decision.verdict()), (Reason::ProviderUnavailable, Verdict::Unavailable));
    assert_eq!((decision.question(), decision.detail.as_deref()), (None, Some("no route")));
    let safe =
        push(PushOptions { failmode: FailMode::Safe(BypassBudget::default()), ..PushOptions::default() });
    assert_eq!(site_with(safe, away(), []).reason(in_dialogue()), Some(Reason::Bypassed));
    // A token here will do, and the user is told why there is nothing else.
    let safe =
        push(PushOptions { failmode: FailMode::Safe(BypassBudget::default()), ..PushOptions::default() });
    let token = EnrolledToken { id: TokenId(1), ..dummy_token() };
    let decision = site_with(safe, away(), [token]).ask(in_dialogue()).unwrap();
    assert_eq!((decision.reason(), decision.verdict()), (Reason::Challenged, Verdict::Challenge));
    let prompt = decision.question().unwrap().clone();
    assert_eq!(
        (prompt.because, prompt.asks),
        (Some(RefusalReason::ProviderUnavailable), QuestionKind::Passcode)
    );
    assert_eq!(decision.detail.as_deref(), Some("no route"));
}
