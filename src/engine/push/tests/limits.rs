//! Who may not be asked, who is asked too often, and how few requests must be allowed.

use super::*;
use crate::config::FailureLimits;
use crate::config::push::{BypassBudget, PushRate};
use crate::engine::LoginAttempt;

#[test]
fn who_is_locked_is_not_asked() {
    let site = site(Says::Later(Ok(PushOutcome::Fraud.into())));
    assert_eq!(site.reason(proven()), Some(Reason::Fraud));
    site.provider.say(Says::Later(Ok(yes())));
    assert_eq!(site.reason(proven()), Some(Reason::Locked));
    assert!(site.ask(unproven()).is_none(), "a decoy");
    assert_eq!(site.ask_until(unproven(), StopReason::TimedOut).decision.reason(), Reason::Locked);
    assert_eq!(site.asked(), 1);
}

#[test]
fn yes_of_one_who_was_locked_meanwhile_does_not_count() {
    let site = site(Says::Later(Ok(yes())));
    let undecided = site.undecided(proven()).unwrap();
    site.provider.say(Says::Later(Ok(PushOutcome::Fraud.into())));
    assert_eq!(site.reason(proven()), Some(Reason::Fraud));
    let finished = site.engine.commit_pending(undecided, AttemptFinding::Approved.into());
    assert_eq!(at_once(finished).unwrap().reason(), Reason::Locked);
}

#[test]
fn user_is_asked_so_often_under_all_his_names_and_from_everywhere() {
    let rate = PushRate { per_hour: 2, per_hour_unproven: 2, pause: Duration::ZERO };
    let site =
        site_with(push(PushOptions { rate, ..PushOptions::default() }), Told::to(Says::Later(Ok(yes()))), []);
    let names = ["alice", "EXAMPLE\\ALICE", "Alice@example.test", "alice", "\u{ff41}lice"];
    let login = |n: usize, mode: LoginAttempt| {
        mode.map_request(|request| {
            request.user = names[n].as_bytes().to_vec();
            request.source = AttemptSource { client: format!("192.0.2.{n}"), ..AttemptSource::default() };
        })
    };
    assert_eq!(site.reason(login(0, unproven())), Some(Reason::Approved));
    assert_eq!(site.reason(login(1, unproven())), Some(Reason::Approved));
    assert_eq!(site.reason(login(2, unproven())), None, "a decoy");
    assert_eq!(site.reason(login(2, proven())), Some(Reason::Approved));
    assert_eq!(site.reason(login(3, proven())), Some(Reason::Approved));
    assert_eq!(site.reason(login(4, proven())), Some(Reason::TooManyPushes));
    assert_eq!(site.asked(), 4);
    let later =
        proven().map_request(|request| request.at = proven().request.at.plus(Duration::from_secs(3600)));
    assert_eq!(site.reason(later), Some(Reason::Approved));
}

#[test]
fn who_says_no_is_left_in_peace() {
    let site = site(Says::Later(Ok(PushOutcome::Denied.into())));
    assert_eq!(site.reason(proven()), Some(Reason::Denied));
    assert_eq!(site.reason(proven()), Some(Reason::JustDenied));
    assert!(site.ask(unproven()).is_none());
    assert_eq!(site.asked(), 1);
}

#[test]
fn only_questions_that_somebody_saw_count() {
    let nobody = [
        PushOutcome::Unknown,
        PushOutcome::NoDevice,
        PushOutcome::Locked,
        PushOutcome::Refused,
        PushOutcome::Bypassed,
    ];
    let nobody = nobody.into_iter().map(|outcome| Ok(outcome.into()));
    for said in nobody.chain([Err(ProviderError::Unreachable(String::new()))]) {
        let site = site(Says::AtOnce(said));
        (0..30).for_each(|_| drop(site.ask(proven())));
        assert_eq!(site.asked(), 30);
    }
    let site = site(Says::AtOnce(Err(ProviderError::Failed("500".into()))));
    (0..30).for_each(|_| drop(site.ask(proven())));
    assert_eq!(site.asked(), 20, "he may have seen these");
}

#[test]
fn wrong_passcodes_of_the_provider_are_guesses_and_are_answered_at_once() {
    for outcome in [PushOutcome::Wrong, PushOutcome::Unknown] {
        let told = Told::with_passcodes(Says::AtOnce(Ok(outcome.into())));
        let site = site_with(Config::default(), told, []);
        let reasons: Vec<_> =
            ["000001", "000002", "000003", "000004"].iter().map(|code| site.reason(passcode(code))).collect();
        assert_eq!(reasons[3], Some(Reason::Slowed));
        assert!(reasons[..3].iter().all(|r| matches!(r, Some(Reason::WrongCode | Reason::UnknownUser))));
        assert_eq!(site.asked(), 3);
    }
    let limits = FailureLimits { lock_after: 1, ..FailureLimits::default() };
    let told = Told::with_passcodes(Says::AtOnce(Ok(PushOutcome::Wrong.into())));
    let site = site_with(Config { lockout: limits, ..Config::default() }, told, []);
    let client = |code| LoginAttempt {
        password_status: PasswordStatus::Verified { by: PasswordVerifier::Client },
        ..passcode(code)
    };
    assert_eq!(site.reason(client("000001")), Some(Reason::LockedNow));
    assert_eq!(site.reason(client("000002")), Some(Reason::Locked));
    assert_eq!(site.reason(passcode("000003")), Some(Reason::Locked), "at once, as a wrong one");
    assert_eq!(site.asked(), 1);
}

#[test]
fn failmode_lets_in_so_often_and_never_without_a_password() {
    let safe = FailMode::Safe(BypassBudget { user: 2, total: 3 });
    let config = || push(PushOptions { failmode: safe, ..PushOptions::default() });
    let site = site_with(config(), Told::to(unreachable()), []);
    let login = |user: &str| proven().map_request(|request| request.user = user.into());
    for (user, reason) in [
        ("alice", Reason::Bypassed),
        ("ALICE", Reason::Bypassed),
        ("alice", Reason::ProviderUnavailable),
        ("bob", Reason::Bypassed),
        ("carol", Reason::ProviderUnavailable),
    ] {
        let decision = site.ask(login(user)).unwrap();
        assert_eq!(decision.reason(), reason);
        assert_eq!(decision.detail.as_deref(), Some("no route"), "for the log");
    }
    for status in [PasswordStatus::NotRequired, PasswordStatus::Verified { by: PasswordVerifier::Client }] {
        let site = site_with(config(), Told::to(unreachable()), []);
        let decision = site
            .ask_until(LoginAttempt { password_status: status, ..unproven() }, StopReason::TimedOut)
            .decision;
        assert_eq!(decision.verdict(), Verdict::Unavailable);
    }
    for says in [
        Says::Later(Err(ProviderError::Unreachable("gone".into()))),
        Says::AtOnce(Err(ProviderError::Failed("500".into()))),
        Says::Later(Err(ProviderError::Failed("500".into()))),
    ] {
        let site = site_with(config(), Told::to(says), []);
        assert_eq!(
            site.reason(proven()),
            Some(Reason::ProviderUnavailable),
            "he has been asked, or may have been"
        );
    }
    let secure = self::site(unreachable());
    assert_eq!(secure.reason(proven()), Some(Reason::ProviderUnavailable));
}

#[test]
fn failmode_lets_in_nobody_who_is_locked() {
    let safe = FailMode::Safe(BypassBudget::default());
    let site = site_with(
        push(PushOptions { failmode: safe, ..PushOptions::default() }),
        Told::to(Says::Later(Ok(PushOutcome::Fraud.into()))),
        [],
    );
    assert_eq!(site.reason(proven()), Some(Reason::Fraud));
    site.provider.say(unreachable());
    assert_eq!(site.reason(proven()), Some(Reason::Locked));
}
