//! What a client's password field means, and what a user reads last, on a store in memory and tokens whose passcode is their
//! secret.

use super::directory::{DirectoryUser, PasswordBackend, UserDirectory};
use super::evaluation::dummy_token;
use super::fake::{Knows, Memory, Mood};
use super::port::*;
use super::prompt::{Question, QuestionKind};
use super::*;
use crate::config::Config;
use crate::config::name_template::NameTemplate;
use crate::config::reply::ReplyRule;
use crate::config::{FailureLimits, FirstFactor, PasscodePosition};
use crate::types::Secret;
use crate::types::{Mode, Timestamp, TokenId};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// Each passcode is right once.
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

/// Passcodes whose password is pending count as failures: where many are tried, nothing is slowed down.
fn patient(config: Config) -> Config {
    Config {
        lockout: FailureLimits { slow_after: 1000, lock_after_unproven: 1000, ..FailureLimits::default() },
        ..config
    }
}

/// alice has tokens with the codes 111111, 22222222, a recovery code, and more.
fn site(config: Config) -> Site {
    let codes = ["111111", "22222222", "abcdefghijkl", "333333", "444444", "555555"];
    let token = |(id, code): (i64, &str)| EnrolledToken {
        id: TokenId(id),
        serial: format!("totp{id}"),
        secret: Secret::new(code),
        ..dummy_token()
    };
    let store = Arc::new(Memory::with("alice", (1..).zip(codes).map(token)));
    let knows = Arc::new(Knows::person(DirectoryUser { name: "alice".into(), ..DirectoryUser::default() }));
    let engine = Engine::new(Arc::new(config), store.clone(), Arc::new(Secrets), Secret::new("tag key"));
    let authority = Arc::clone(&knows) as Arc<dyn PasswordBackend>;
    Site { engine: engine.with_password_backend(Some(authority), None), store, knows }
}

fn dice(seed: u8) -> Option<AttemptEntropy> {
    Some(AttemptEntropy { state: [seed; 16], conversation: [seed; 16], code: [seed; 8] })
}

fn attempt(user: &str, mode: Mode, first_factor: FirstFactor, password: SubmittedPassword) -> LoginAttempt {
    LoginAttempt::new(
        LoginRequest {
            at: Timestamp::from_seconds(1_000_000),
            user: user.into(),
            source: AttemptSource { client: "192.0.2.1".into(), ..AttemptSource::default() },
            dialogue: true,
            dice: dice(1),
            ..LoginRequest::default()
        },
        mode,
        PasswordStatus::initial_for(&Config { first_factor, ..Config::default() }, mode),
        password,
    )
}

fn plain(field: &str) -> SubmittedPassword {
    SubmittedPassword::Plain(Secret::new(field))
}

fn separate(password: &str, answer: &str) -> SubmittedPassword {
    SubmittedPassword::Separate { password: Secret::new(password), answer: Secret::new(answer) }
}

/// The answer to that challenge, with other dice.
fn answering(state: Option<String>, seed: u8, attempt: LoginAttempt) -> LoginAttempt {
    attempt.map_request(|request| {
        request.state = state.map(String::into_bytes);
        request.dice = dice(seed);
    })
}

impl Site {
    fn decide(&self, attempt: LoginAttempt) -> Decision {
        match pin!(self.engine.decide_without_waiting(attempt)).poll(&mut Context::from_waker(Waker::noop()))
        {
            Poll::Ready(decision) => decision,
            Poll::Pending => panic!("nothing here ever waits"),
        }
    }

    /// The server's own modules check the password: the reason, and the password that is left for them.
    fn left(&self, mode: Mode, password: SubmittedPassword) -> (Reason, Option<String>) {
        let decision = self.decide(attempt("alice", mode, FirstFactor::None, password));
        let text = |secret: &Secret| String::from_utf8_lossy(secret.expose()).into_owned();
        (decision.reason(), decision.password().map(text))
    }

    fn holds(&self, mode: Mode, password: &SubmittedPassword) -> FieldContents {
        match pin!(self.engine.field_contents(b"alice", mode, password))
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            Poll::Ready(holds) => holds,
            Poll::Pending => panic!("nothing here ever waits"),
        }
    }
}

fn with_delimiter(position: PasscodePosition) -> Config {
    Config { delimiter: Some(",".into()), passcode_position: position, ..Config::default() }
}

#[test]
fn answer_that_came_apart_from_the_password_needs_neither_delimiter_nor_length() {
    for config in
        [Config::default(), with_delimiter(PasscodePosition::After), with_delimiter(PasscodePosition::Before)]
    {
        let site = site(patient(config));
        let left = |mode, password, answer| site.left(mode, separate(password, answer));
        let right = |password: &str| (Reason::PasswordPending, Some(password.to_owned()));
        assert_eq!(left(Mode::Append, "se,cret", "111111"), right("se,cret"));
        assert_eq!(left(Mode::Append, "99", "2222 2222"), right("99"));
        assert_eq!(left(Mode::Auto, "secret", "abcd-efgh-ijkl"), right("secret"));
        assert_eq!(left(Mode::Challenge, "333333,", "444444"), right("333333,"));
        let strikes = site.store.strikes(1);
        for (password, answer) in [("secret", ""), ("secret", "555556"), ("", "555555"), ("secret555555", "")]
        {
            assert_eq!(left(Mode::Append, password, answer).1, None, "{password} {answer}");
        }
        assert_eq!(site.store.strikes(1), strikes + 4, "counted as guesses");
    }
}

#[test]
fn password_with_nothing_beside_it_is_a_password() {
    let site = site(Config::default());
    for mode in [Mode::Challenge, Mode::Auto] {
        assert_eq!(site.holds(mode, &separate("secret", "111111")), FieldContents::PasswordAndPasscode);
        assert_eq!(
            site.holds(mode, &separate("secret", "no code")),
            FieldContents::PasswordAndPasscode,
            "but an answer all the same"
        );
        assert_eq!(site.holds(mode, &separate("secret", "")), FieldContents::Password);
        assert_eq!(site.holds(mode, &separate("secret", " ")), FieldContents::Password);
    }
    assert_eq!(site.holds(Mode::Append, &separate("secret", "")), FieldContents::PasswordAndPasscode);
    assert_eq!(site.holds(Mode::Passcode, &separate("secret", "")), FieldContents::Passcode);
}

#[test]
fn static_challenge_is_verified_here_as_a_password_with_a_code_behind_it_is() {
    let site = site(Config::default());
    let own = |mode, password, answer| {
        site.decide(attempt("alice", mode, FirstFactor::Own, separate(password, answer)))
    };
    let decision = own(Mode::Append, "secret", "111111");
    assert_eq!((decision.reason(), site.knows.asked().len()), (Reason::Right, 1));
    assert_eq!(own(Mode::Append, "secret", "000000").reason(), Reason::WrongCode);
    assert_eq!(site.knows.asked().len(), 1, "a wrong code asks nobody");
    let asked = own(Mode::Challenge, "secret", "");
    assert_eq!((asked.verdict(), site.knows.asked().len()), (Verdict::Challenge, 2));
    assert_eq!(
        site.knows.asked().last().map(|claim| claim.password.distinguishing_parts().concat()),
        Some(b"secret".to_vec())
    );
    for (password, answer) in [("", "333333"), ("", "")] {
        assert_eq!(own(Mode::Append, password, answer).reason(), Reason::NoPassword);
        assert_eq!(own(Mode::Challenge, password, answer).reason(), Reason::NoPassword);
    }
    assert_eq!(site.knows.asked().len(), 2, "no directory is asked about an empty password");
}

#[test]
fn code_before_the_password_is_cut_off_by_the_length_of_its_token() {
    let site = site(patient(Config { passcode_position: PasscodePosition::Before, ..Config::default() }));
    let left = |field| site.left(Mode::Append, plain(field));
    let right = |password: &str| (Reason::PasswordPending, Some(password.to_owned()));
    assert_eq!(left("111111secret"), right("secret"));
    assert_eq!(left("2222222299secret"), right("99secret"), "a password that begins with digits");
    assert_eq!(left("abcd-efgh-ijklsecret"), right("secret"));
    assert_eq!(left("333333 secret"), right(" secret"));
    for field in ["secret444444", "444444", "444444\0", "4444secret"] {
        assert_eq!(left(field).1, None, "{field:?}");
    }
}

#[test]
fn answer_before_the_delimiter_may_be_a_word_or_part_of_the_password() {
    let site = site(with_delimiter(PasscodePosition::Before));
    assert_eq!(
        site.left(Mode::Append, plain("111111,se,cret")),
        (Reason::PasswordPending, Some("se,cret".into()))
    );
    for (field, holds) in [
        ("333333,secret", FieldContents::PasswordAndPasscode),
        ("push,secret", FieldContents::PasswordAndPasscode),
        ("abcd-efgh-ijkl,secret", FieldContents::PasswordAndPasscode),
        ("secret,333333", FieldContents::Password),
        ("secret,push", FieldContents::Password),
        ("333333,", FieldContents::Password),
        (",secret", FieldContents::Password),
        ("secret", FieldContents::Password),
    ] {
        assert_eq!(site.holds(Mode::Auto, &plain(field)), holds, "{field}");
    }
}

#[test]
fn empty_passcode_asks_everybody_alike() {
    let site = site(Config {
        lockout: FailureLimits { lock_after_unproven: 1, slow_after: 1, ..FailureLimits::default() },
        ..Config::default()
    });
    let empty =
        |user, seed| answering(None, seed, attempt(user, Mode::Passcode, FirstFactor::None, plain(" ")));
    site.store.enrol("alice", dummy_token());
    let ask = |user, seed| {
        let told = site.decide(empty(user, seed));
        assert_eq!(
            (told.verdict(), told.reason(), told.proven),
            (Verdict::Challenge, Reason::Challenged, false)
        );
        (told.question().cloned(), told.state().map(str::to_owned))
    };
    let (alice, state) = ask("alice", 1);
    assert_eq!(alice, Some(Question { because: None, left: Some(4), asks: QuestionKind::Passcode }));
    assert_eq!(ask("nobody", 2).0, alice);
    // Locked, and slowed.
    let wrong = answering(state, 3, attempt("alice", Mode::Passcode, FirstFactor::None, plain("000000")));
    let told = site.decide(wrong);
    assert_eq!(
        (told.verdict(), told.state(), told.last_state()),
        (Verdict::Locked, None, None),
        "asked once"
    );
    assert_eq!(
        site.decide(attempt("alice", Mode::Passcode, FirstFactor::None, plain("111111"))).reason(),
        Reason::Locked
    );
    let (locked, state) = ask("alice", 4);
    assert_eq!(locked, alice);
    let right = answering(state, 5, attempt("alice", Mode::Passcode, FirstFactor::None, plain("111111")));
    assert_eq!(site.decide(right).reason(), Reason::Locked);
}

#[test]
fn nothing_is_looked_up_before_the_question_and_everything_before_the_answer_counts() {
    let reply = ReplyRule {
        name: "all".into(),
        groups: Vec::new(),
        attributes: vec![("Class".into(), NameTemplate::parse("{user}").unwrap())],
    };
    let site = site(Config { replies: vec![reply], ..Config::default() });
    let directory = Arc::clone(&site.knows) as Arc<dyn UserDirectory>;
    let engine = site.engine.with_password_backend(None, Some(directory));
    let site = Site { engine, ..site };
    let passcode = |field, state, seed| {
        site.decide(answering(state, seed, attempt("alice", Mode::Passcode, FirstFactor::None, plain(field))))
    };
    site.knows.find(Err(directory::BackendUnavailable("away".into())));
    site.store.be(Mood::CannotFind);
    let state = passcode("", None, 1).state().map(str::to_owned);
    assert!(state.is_some());
    site.store.be(Mood::Well);
    assert_eq!(passcode("111111", state, 2).reason(), Reason::DirectoryUnavailable);
    site.knows.find(Ok(Some(DirectoryUser { name: "alice".into(), ..DirectoryUser::default() })));
    let state = passcode("", None, 3).state().map(str::to_owned);
    let right = passcode("111111", state, 4);
    assert_eq!(right.reason(), Reason::Right);
    assert_eq!(right.grants.map(|grants| grants.reply), Some(vec![("Class".into(), "alice".into())]));
}

#[test]
fn answer_to_it_is_a_passcode() {
    let site = site(Config::default());
    let passcode = |field, state, seed| {
        site.decide(answering(state, seed, attempt("alice", Mode::Passcode, FirstFactor::None, plain(field))))
    };
    let state = passcode("", None, 1).state().map(str::to_owned);
    assert_eq!(passcode("111111", state.clone(), 2).reason(), Reason::Right);
    assert_eq!(passcode("333333", state, 3).reason(), Reason::BadState, "once");
    let state = passcode("", None, 4).state().map(str::to_owned);
    assert_eq!(passcode("", state, 5).verdict(), Verdict::Reject, "and not again and again");
    // Where a password is asked for, it stands for none.
    let state = passcode("", None, 6).state().map(str::to_owned);
    let own = attempt("alice", Mode::Challenge, FirstFactor::Own, plain("333333"));
    assert_eq!(site.decide(answering(state, 7, own)).reason(), Reason::BadState);
    let mute = attempt("alice", Mode::Passcode, FirstFactor::None, plain(""))
        .map_request(|request| request.dialogue = false);
    assert_eq!(site.decide(mute).reason(), Reason::WrongCode);
}

#[test]
fn empty_passcode_behind_a_password_that_the_client_has_checked_lists_what_there_is() {
    let site = site(Config::default());
    let empty = |user| site.decide(attempt(user, Mode::Passcode, FirstFactor::Client, plain("")));
    assert_eq!(empty("alice").question().map(|question| question.asks.clone()), Some(QuestionKind::Passcode));
    let told = empty("nobody");
    assert_eq!((told.reason(), told.state()), (Reason::UnknownUser, None));
}

#[test]
fn refusal_of_a_proven_password_may_be_told_in_a_challenge_that_nothing_answers() {
    let site = site(Config::default());
    let proven = |field, state, seed| {
        site.decide(answering(
            state,
            seed,
            attempt("alice", Mode::Passcode, FirstFactor::Client, plain(field)),
        ))
    };
    let told = proven("000000", None, 1);
    assert_eq!((told.verdict(), told.reason(), told.state()), (Verdict::Reject, Reason::WrongCode, None));
    let state = told.challenge_state().map(str::to_owned).expect("a last challenge");
    assert!(is_state(state.as_bytes()));
    let strikes = site.store.strikes(1);
    for (n, answer) in ["111111", "", "000000", "111111"].into_iter().enumerate() {
        let refused = proven(answer, Some(state.clone()), 9);
        assert_eq!((refused.verdict(), refused.reason()), (Verdict::Reject, Reason::Ended), "{n}");
        assert_eq!(refused.challenge_state(), None, "one is the last");
    }
    assert_eq!(site.store.strikes(1), strikes, "it counts nothing");
    assert_eq!(proven("111111", None, 2).reason(), Reason::Right, "and costs nothing");
}

#[test]
fn last_challenge_is_for_who_can_read_it_and_has_shown_the_password() {
    let site = site(Config::default());
    let wrong = |mode, first_factor| attempt("alice", mode, first_factor, plain("000000"));
    let told = |attempt| site.decide(attempt).last_state().map(str::to_owned);
    assert_eq!(told(wrong(Mode::Passcode, FirstFactor::None)), None);
    assert_eq!(
        told(wrong(Mode::Passcode, FirstFactor::Client).map_request(|request| request.dialogue = false)),
        None
    );
    assert_eq!(
        told(wrong(Mode::Passcode, FirstFactor::Client).map_request(|request| request.dice = None)),
        None
    );
    assert!(told(wrong(Mode::Passcode, FirstFactor::Client)).is_some());
    let right = site.decide(attempt("alice", Mode::Passcode, FirstFactor::Client, plain("111111")));
    assert_eq!((right.verdict(), right.challenge_state()), (Verdict::Accept, None));
}

#[test]
fn state_is_that_of_a_last_challenge_only_if_this_process_says_so() {
    let site = site(Config::default());
    let other = Engine::new(
        Arc::<Config>::default(),
        Arc::new(Memory::default()),
        Arc::new(Secrets),
        Secret::new("another key"),
    );
    let wrong = attempt("alice", Mode::Passcode, FirstFactor::Client, plain("000000"));
    let last = site.decide(wrong).last_state().unwrap().to_owned();
    assert!(site.engine.is_last_challenge(last.as_bytes()));
    assert!(!other.is_last_challenge(last.as_bytes()));
    for state in [
        &b""[..],
        b"mfa-",
        b"\xff\0",
        encode_state(&[1; 16]).as_bytes(),
        &last.as_bytes()[1..],
        &[last.as_bytes(), b"0"].concat(),
    ] {
        assert!(!site.engine.is_last_challenge(state), "{state:?}");
    }
}
