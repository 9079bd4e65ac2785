//! What bounds guesses from places without number, and what a stranger cannot do to a user.

use crate::site::{Opened, Site, Try, at, enrol, name, recovery, step, tag, wait, wrong};
use rlm_mfa::config::{FailureLimits, SentCodeLimits};
use rlm_mfa::engine::AttemptSource;
use rlm_mfa::engine::Reason::{self, *};
use rlm_mfa::engine::port::{AttemptCommit, AttemptFinding, CodeSending, NewCode, SecondCode, SpendPasscode};
use rlm_mfa::store::NewToken;
use rlm_mfa::types::{Factor, Secret, Timestamp};

/// Wrong codes for this user, each from a place of its own.
fn flood(store: &dyn Opened, user: &str, count: u64, seconds: u64) {
    for n in 0..count {
        let settlement = Try::new(user, wrong(&format!("flood {n}"))).at(seconds).settlement(store);
        let reason = wait(store.commit_attempt(elsewhere(settlement, &format!("invented {n}")))).unwrap();
        assert!([WrongCode, UnknownUser].contains(&reason), "{reason:?}");
    }
}

fn elsewhere(mut settlement: AttemptCommit, station: &str) -> AttemptCommit {
    settlement.record.source.calling_station = station.to_owned();
    settlement
}

pub fn beyond_the_budget_a_second_code_is_needed_and_enough(site: &dyn Site) {
    let store = site.open();
    let token = enrol(&*store, "alice");
    flood(&*store, "alice", 29, 0);
    assert_eq!(Try::right("alice", &token, step(50)).settle(&*store), Right, "within it one is");
    flood(&*store, "alice", 100, 0);
    let right =
        |n, seconds, station| Try::right("alice", &token, step(n)).at(seconds).from(station).settle(&*store);
    assert_eq!(right(51, 1, "home"), AnotherCode);
    assert_eq!(right(51, 2, "home"), SpentCode, "the first is spent");
    assert_eq!(right(52, 3, "elsewhere"), AnotherCode, "from the same place");
    assert_eq!(right(53, 30, "home"), Right);
    assert_eq!(right(54, 60, "home"), AnotherCode, "for each login");
    flood(&*store, "alice", 40, 659);
    assert_eq!(right(55, 660, "home"), AnotherCode, "within ten minutes");
    assert_eq!(store.user(&name("alice")).unwrap().locked_until, Timestamp::default());
    drop(store);
    assert_eq!(Try::right("alice", &token, step(56)).at(700).from("home").settle(&*site.open()), Right);
    // The budget fills again by time alone.
    assert_eq!(right_later(site, &token), Right);
}

fn right_later(site: &dyn Site, token: &rlm_mfa::engine::port::EnrolledToken) -> Reason {
    Try::right("alice", token, step(5000)).at(86_400).from("new").settle(&*site.open())
}

pub fn who_has_proven_the_password_is_not_held_back(site: &dyn Site) {
    let store = site.open();
    let token = enrol(&*store, "alice");
    flood(&*store, "alice", 1500, 0);
    let login = |n| Try::right("alice", &token, step(n)).at(1).from("home");
    assert_eq!(login(50).proven().settle(&*store), Right);
    let both = AttemptCommit { second_code: SecondCode::NotNeeded, ..login(51).settlement(&*store) };
    assert_eq!(
        wait(store.commit_attempt(both)).unwrap(),
        Right,
        "nor with a password that nobody else guesses with"
    );
    let known = AttemptCommit { second_code: SecondCode::Needed, ..login(52).proven().settlement(&*store) };
    assert_eq!(wait(store.commit_attempt(known)).unwrap(), AnotherCode);
}

pub fn codes_over_many_names_are_counted_by_client(site: &dyn Site) {
    let store = site.open();
    let token = enrol(&*store, "alice");
    for n in 0..3000 / 10 {
        flood(&*store, &format!("name {n}"), 1, 0);
    }
    assert_eq!(Try::right("alice", &token, step(50)).settle(&*store), AnotherCode);
    let mut other = Try::right("alice", &token, step(51)).settlement(&*store);
    other.record.source.client = "192.0.2.2".into();
    assert_eq!(wait(store.commit_attempt(other)).unwrap(), Right, "through another client");
    assert_eq!(Try::right("alice", &token, step(52)).settle(&*store), Right);
}

pub fn recovery_code_is_long_enough_for_itself(site: &dyn Site) {
    let store = site.open();
    enrol(&*store, "alice");
    let token = store.add_token(&name("alice"), recovery(8), at(0)).unwrap();
    flood(&*store, "alice", 100, 0);
    assert_eq!(Try::right("alice", &token, SpendPasscode::Code { index: 3 }).settle(&*store), Right);
}

pub fn locks_grow_and_are_remembered(site: &dyn Site) {
    let store = site.open();
    let token = enrol(&*store, "alice");
    let mut now = 0;
    for (round, expected) in [900, 1800, 3600, 3600].into_iter().enumerate() {
        for n in 0..6 {
            let code = wrong(&format!("{round} {n}"));
            let settlement = Try::new("alice", code).proven().at(now).settlement(&*store);
            let reason = wait(store.commit_attempt(elsewhere(settlement, &format!("{round} {n}")))).unwrap();
            assert_eq!(reason, if n < 5 { WrongCode } else { LockedNow });
        }
        assert_eq!(store.user(&name("alice")).unwrap().locked_until, at(now + expected));
        now += expected;
        let right = Try::right("alice", &token, step(50 + i64::try_from(round).unwrap()));
        assert_eq!(right.proven().at(now).settle(&*store), Right, "the user logs in in between");
    }
    store.lock_user(&name("alice"), Timestamp::default()).unwrap();
    let limits = FailureLimits { lock_after: 1, ..FailureLimits::default() };
    let again = Try::new("alice", wrong("again")).proven().at(now).settlement(&*store);
    assert_eq!(wait(store.commit_attempt(AttemptCommit { limits, ..again })).unwrap(), LockedNow);
    assert_eq!(store.user(&name("alice")).unwrap().locked_until, at(now + 900), "unlocking forgets");
}

pub fn answer_that_was_asked_for_is_not_slowed_down(site: &dyn Site) {
    let store = site.open();
    let token = enrol(&*store, "alice");
    let answer = |finding: AttemptFinding, proven: bool| {
        let attempt = Try::new("alice", finding);
        let attempt = if proven { attempt.proven() } else { attempt };
        let conversation = Some(rlm_mfa::engine::challenge::ConversationId([1; 16]));
        wait(store.commit_attempt(AttemptCommit { conversation, ..attempt.settlement(&*store) })).unwrap()
    };
    for n in 0..3 {
        assert_eq!(answer(wrong(&format!("{n}")), true), WrongCode);
    }
    let right = |n| Try::right("alice", &token, step(n)).finding;
    assert_eq!(Try::new("alice", right(50)).proven().settle(&*store), Slowed, "another login is");
    assert_eq!(answer(right(50), true), Right);
    for n in 0..3 {
        assert_eq!(answer(wrong(&format!("unproven {n}")), false), WrongCode);
    }
    assert_eq!(answer(right(51), false), Slowed, "without a password it is, too");
}

fn sent_token() -> NewToken {
    NewToken {
        factor: Factor::Sms,
        secret: Secret::new([[7u8; 32].as_slice(), b"+15551234567"].concat()),
        ..crate::site::totp()
    }
}

pub fn code_that_was_sent_is_not_ended_by_others(site: &dyn Site) {
    let store = site.open();
    store.add_user(&name("alice"), "", at(0)).unwrap();
    let token = store.add_token(&name("alice"), sent_token(), at(0)).unwrap();
    let source = AttemptSource { client: "192.0.2.1".into(), calling_station: "home".into(), request: None };
    let ask = |seconds, hash| {
        let code = NewCode {
            token: token.id,
            conversation: None,
            source: source.clone(),
            hash: [hash; 32],
            at: at(seconds),
            rules: SentCodeLimits::default(),
        };
        assert_eq!(wait(store.remember_code(code)).unwrap(), CodeSending::Remembered);
    };
    let open = || wait(store.find_account(&name("alice"))).unwrap().unwrap().tokens[0].sent.len();
    ask(0, 1);
    flood(&*store, "alice", 200, 0);
    assert_eq!(open(), 1, "anybody can guess");
    let right = |station: &'static str| {
        let code = wait(store.find_account(&name("alice"))).unwrap().unwrap().tokens[0].sent[0].id;
        let spend = SpendPasscode::Sent { code };
        Try::new("alice", AttemptFinding::Right { token: token.id, spend, tag: tag("right") })
            .at(1)
            .from(station)
    };
    assert_eq!(right("home").settle(&*store), Right, "where it was asked for it counts, whatever others do");
    ask(100, 2);
    for n in 0..3 {
        let _ = Try::new("alice", wrong(&format!("home {n}"))).at(100).from("home").settle(&*store);
    }
    assert_eq!(open(), 0, "guesses from there end it");
    ask(200, 3);
    for n in 0..3 {
        let wrong = Try::new("alice", wrong(&format!("proven {n}"))).at(200).from("elsewhere");
        let _ = wrong.proven().settle(&*store);
    }
    assert_eq!(open(), 0, "and those behind the right password");
}
