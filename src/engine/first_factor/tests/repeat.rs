//! A datagram that comes again: what was decided stands in for the passcode, the question and the State, and for no password.

use super::*;
use crate::engine::{DatagramRecord, EarlierDecision, Reason};

fn new(attempt: LoginAttempt) -> LoginAttempt {
    LoginAttempt { datagram: DatagramRecord::New, ..attempt }
}

fn again(attempt: LoginAttempt, decision: &Decision) -> LoginAttempt {
    let earlier = EarlierDecision::new(decision, PacketRole::for_challenge(attempt.request.state.as_ref()))
        .expect("may be repeated");
    LoginAttempt { datagram: DatagramRecord::Again(Arc::new(earlier)), ..attempt }
}

#[test]
fn passcode_that_was_spent_by_it_is_right_again_and_the_password_is_asked_about() {
    let site = site(Config::default());
    let first = site.decide(new(append("secret,111111")));
    let repeated = site.decide(again(append("secret,111111"), &first));
    assert_eq!((repeated.reason(), repeated.token()), (Reason::Repeated, Some("totp1")));
    assert!(repeated.grants.is_some() && repeated.proven);
    assert!(EarlierDecision::new(&repeated, PacketRole::First).is_none(), "its time is not prolonged");
    assert_eq!(site.asked(), 2);
    site.knows.say(Err(AuthFailure::Wrong));
    assert_eq!(site.reason(again(append("secret,111111"), &first)), Reason::WrongPassword);
    assert_eq!(site.reason(new(append("secret,111111"))), Reason::SpentCode);
}

#[test]
fn decision_holds_for_its_own_user_passcode_and_mode() {
    let site = site(Config::default());
    let first = site.decide(new(append("secret,111111")));
    for other in [
        append("secret,444444"),
        append("secret,111111").map_request(|request| request.user = b"bob".to_vec()),
        LoginAttempt { mode: Mode::Auto, ..append("secret,111111") },
    ] {
        let reason = site.reason(again(other, &first));
        assert!(!reason.verdict().lets_in(), "{reason:?}");
    }
    let tunnelled = site.decide(append("secret,222222"));
    assert_eq!(tunnelled.reason(), Reason::Right);
    assert!(EarlierDecision::new(&tunnelled, PacketRole::First).is_none(), "nothing is kept of a tunnel");
    let refused = site.decide(new(append("secret,444444")));
    assert!(EarlierDecision::new(&refused, PacketRole::First).is_none(), "nor of a refusal");
}

#[test]
fn answer_to_a_challenge_is_accepted_again_though_its_state_is_gone() {
    let site = site(Config::default());
    let asked = site.decide(new(challenge("secret")));
    let first = site.decide(new(answer(&asked, "111111")));
    assert_eq!(first.reason(), Reason::Right);
    let repeated = site.decide(again(answer(&asked, "111111"), &first));
    assert_eq!(repeated.reason(), Reason::Repeated);
    assert_eq!(repeated.grants, first.grants, "the client is told the same");
    for other in [
        answer(&asked, "222222"),
        answer(&asked, "111111").map_request(|request| request.user = b"bob".to_vec()),
        answer(&asked, "111111").map_request(|request| request.state = None),
    ] {
        let earlier = again(answer(&asked, "111111"), &first).datagram;
        let reason = site.reason(LoginAttempt { datagram: earlier, ..other });
        assert!(!reason.verdict().lets_in(), "{reason:?}");
    }
    let wrong = site.decide(new(challenge("secret")));
    let next = site.decide(new(answer(&wrong, "999999").map_request(|request| request.dice = dice(7))));
    assert_eq!(next.verdict(), Verdict::Challenge);
    let same = site.decide(again(answer(&wrong, "999999"), &next));
    assert_eq!((same.reason(), &same.state()), (Reason::ChallengeRepeated, &next.state()));
    assert_eq!(site.decide(new(answer(&same, "222222"))).reason(), Reason::Right);
}

#[test]
fn answer_to_somebody_elses_question_is_a_password_and_not_repeated() {
    let site = site(Config::default());
    site.knows.say(Ok(PasswordResponse::Asks { text: vec!["PIN?".into()], state: b"theirs".to_vec() }));
    let asked = site.decide(new(challenge("secret")));
    assert_eq!(asked.verdict(), Verdict::Challenge);
    site.knows.say(Ok(person().into()));
    let told = site.decide(new(answer(&asked, "1234")));
    assert_eq!(told.verdict(), Verdict::Challenge, "the second factor is next");
    assert!(EarlierDecision::new(&told, PacketRole::Answer).is_none());
}

#[test]
fn device_that_was_asked_is_not_asked_again_once_the_password_is_right() {
    let told = Arc::new(Told::to(Says::Later(Ok(yes()))));
    let site = site(Config::default());
    let provider: Arc<dyn PushProvider> = Arc::clone(&told) as _;
    let site = Site { engine: site.engine.with_push_provider(Some(provider)), ..site };
    let ask = |attempt: LoginAttempt| match site.begin(attempt) {
        Step::Ask(undecided) => match at_once(site.engine.repeat_push(*undecided)) {
            Ok(decision) => decision,
            Err(undecided) => {
                let limit = Duration::from_secs(25);
                at_once(site.engine.ask_user(*undecided, None, limit, None, std::future::pending())).decision
            }
        },
        Step::Decided(decision) => *decision,
    };
    for (mode, field) in [(Mode::Auto, "secret"), (Mode::Append, "secret,push")] {
        let login = || attempt(mode, plain(field));
        let before = told.asked().len();
        let first = ask(new(login()));
        assert_eq!(first.reason(), Reason::Approved, "{field}");
        assert_eq!(ask(again(login(), &first)).reason(), Reason::Repeated, "{field}");
        assert_eq!(told.asked().len(), before + 1, "{field}");
        site.knows.say(Err(AuthFailure::Wrong));
        assert_eq!(ask(again(login(), &first)).reason(), Reason::WrongPassword, "{field}");
        site.knows.say(Ok(person().into()));
        assert_eq!(ask(new(login())).reason(), Reason::Approved, "another datagram asks: {field}");
        assert_eq!(told.asked().len(), before + 2, "{field}");
    }
}

#[test]
fn login_without_a_token_counts_once() {
    let grace = UnenrolledRule::Accept(EnrolmentGrace { until: None, logins: Some(2) });
    let policy = PolicyOptions { unenrolled: grace, ..PolicyOptions::default() };
    let site = site_of(Config { policy, ..Config::default() }, "bob");
    site.knows.say(Ok(DirectoryUser { is_named: true, ..person() }.into()));
    let first = site.decide(new(challenge("secret")));
    assert_eq!(first.reason(), Reason::LetInUnenrolled);
    assert_eq!(site.reason(again(challenge("secret"), &first)), Reason::Repeated);
    assert_eq!(site.reason(new(challenge("secret"))), Reason::LetInUnenrolled);
    assert_eq!(site.reason(new(challenge("secret"))), Reason::NotEnrolled);
}
