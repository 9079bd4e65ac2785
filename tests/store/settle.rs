//! The rules of `Store::commit_attempt`, one each.

use crate::site::{Site, Try, at, enrol, name, recovery, step, tag, wait, wrong};
use rlm_mfa::engine::Reason::{self, *};
use rlm_mfa::engine::RefusalReason;
use rlm_mfa::engine::port::{AttemptCommit, AttemptFinding, ResyncPosition, SpendPasscode};
use rlm_mfa::store::AuditQuery;
use rlm_mfa::store::TokenState;
use rlm_mfa::types::Timestamp;

pub fn right_code_is_accepted_once(site: &dyn Site) {
    let store = site.open();
    let token = enrol(&*store, "alice");
    assert_eq!(Try::right("alice", &token, step(50)).settle(&*store), Right);
    assert_eq!(Try::right("alice", &token, step(50)).settle(&*store), SpentCode);
    assert_eq!(Try::right("alice", &token, step(51)).settle(&*store), Right);
    assert_eq!(store.tokens(&name("alice")).unwrap()[0].next, 52);
}

pub fn older_step_than_the_last_is_refused(site: &dyn Site) {
    let store = site.open();
    let token = enrol(&*store, "alice");
    assert_eq!(Try::right("alice", &token, step(50)).settle(&*store), Right);
    assert_eq!(Try::right("alice", &token, step(49)).settle(&*store), SpentCode);
    assert_eq!(Try::right("alice", &token, step(i64::MIN)).settle(&*store), SpentCode);
    assert!(Try::right("alice", &token, step(i64::MAX)).answer(&*store).is_err());
}

pub fn spent_step_is_refused_after_restart(site: &dyn Site) {
    let store = site.open();
    let token = enrol(&*store, "alice");
    assert_eq!(Try::right("alice", &token, step(50)).settle(&*store), Right);
    drop(store);
    let store = site.open();
    assert_eq!(Try::right("alice", &token, step(50)).settle(&*store), SpentCode);
}

pub fn recovery_code_is_accepted_once(site: &dyn Site) {
    let store = site.open();
    enrol(&*store, "alice");
    let token = store.add_token(&name("alice"), recovery(63), at(0)).unwrap();
    for index in [0, 62, 5] {
        let spend = SpendPasscode::Code { index };
        assert_eq!(Try::right("alice", &token, spend).settle(&*store), Right);
        assert_eq!(Try::right("alice", &token, spend).settle(&*store), SpentCode);
    }
    for index in [63, 64, u32::MAX] {
        assert!(Try::right("alice", &token, SpendPasscode::Code { index }).answer(&*store).is_err());
    }
    let found = store.tokens(&name("alice")).unwrap();
    assert_eq!((found[1].next, found[1].codes.len()), (1 | 1 << 5 | 1 << 62, 63));
}

pub fn code_behind_a_wrong_password_is_spent_and_lets_nobody_in(site: &dyn Site) {
    let store = site.open();
    let token = enrol(&*store, "alice");
    let refused = |finding, code| {
        let settlement = Try::new("alice", finding).settlement(&*store);
        wait(store.commit_attempt(AttemptCommit { spends: Some((token.id, step(code))), ..settlement }))
            .unwrap()
    };
    let wrong = AttemptFinding::WrongPassword { tag: tag("wrong"), reason: RefusalReason::WrongPassword };
    assert_eq!(refused(wrong, 50), WrongPassword);
    assert_eq!(refused(AttemptFinding::Refused(RefusalReason::AccountDisabled), 51), AccountDisabled);
    assert_eq!(
        refused(AttemptFinding::Refused(RefusalReason::AccountDisabled), 50),
        AccountDisabled,
        "spent before, too"
    );
    assert_eq!(Try::right("alice", &token, step(51)).settle(&*store), SpentCode);
    assert_eq!(store.tokens(&name("alice")).unwrap()[0].next, 52);
    assert_eq!(store.user(&name("alice")).unwrap().last_accept, None, "it has let nobody in");
}

pub fn second_of_two_codes_resynchronises(site: &dyn Site) {
    let store = site.open();
    let token = enrol(&*store, "alice");
    let spend = SpendPasscode::Step { step: 90, drift: -120, resynchronised: true };
    assert_eq!(Try::right("alice", &token, spend).settle(&*store), Resynchronised);
    assert_eq!(store.tokens(&name("alice")).unwrap()[0].drift, -120);
    assert_eq!(Try::right("alice", &token, spend).settle(&*store), SpentCode);
}

pub fn wrong_codes_slow_the_source_down(site: &dyn Site) {
    let store = site.open();
    let token = enrol(&*store, "alice");
    for code in ["a", "b", "c"] {
        assert_eq!(Try::new("alice", wrong(code)).settle(&*store), WrongCode);
    }
    assert_eq!(Try::new("alice", wrong("d")).at(4).settle(&*store), Slowed);
    assert_eq!(Try::right("alice", &token, step(50)).at(4).settle(&*store), Slowed, "a right code waits too");
    assert_eq!(Try::right("alice", &token, step(50)).at(5).settle(&*store), Right, "and is not spent by it");
}

pub fn another_source_is_not_slowed_down(site: &dyn Site) {
    let store = site.open();
    let token = enrol(&*store, "alice");
    for code in ["a", "b", "c", "d"] {
        let _ = Try::new("alice", wrong(code)).from("attacker").settle(&*store);
    }
    assert_eq!(Try::right("alice", &token, step(50)).from("home").settle(&*store), Right);
}

fn lock(store: &dyn crate::site::Opened) {
    for n in 0..6 {
        let code = format!("code {n}");
        let expected = if n < 5 { WrongCode } else { LockedNow };
        assert_eq!(Try::new("alice", wrong(&code)).proven().at(n * 400).settle(store), expected);
    }
}

pub fn wrong_codes_after_the_password_lock_the_user(site: &dyn Site) {
    let store = site.open();
    let token = enrol(&*store, "alice");
    lock(&*store);
    assert_eq!(Try::right("alice", &token, step(50)).from("elsewhere").at(2001).settle(&*store), Locked);
    assert_eq!(store.user(&name("alice")).unwrap().locked_until, at(2000 + 900));
}

pub fn the_lock_ends_by_itself_and_by_unlocking(site: &dyn Site) {
    let store = site.open();
    let token = enrol(&*store, "alice");
    lock(&*store);
    assert_eq!(Try::right("alice", &token, step(50)).at(2899).settle(&*store), Locked);
    assert_eq!(Try::right("alice", &token, step(50)).at(2900).settle(&*store), Right);
    lock(&*store);
    store.lock_user(&name("alice"), Timestamp::default()).unwrap();
    assert_eq!(Try::right("alice", &token, step(51)).at(2001).settle(&*store), Right);
    store.lock_user(&name("alice"), rlm_mfa::store::FOREVER).unwrap();
    assert_eq!(Try::right("alice", &token, step(52)).at(1 << 40).settle(&*store), Locked);
}

pub fn retransmitted_wrong_code_counts_once(site: &dyn Site) {
    let store = site.open();
    enrol(&*store, "alice");
    for second in 0..20 {
        assert_eq!(Try::new("alice", wrong("same")).at(second).settle(&*store), WrongCode);
    }
    assert_eq!(store.user(&name("alice")).unwrap().failures, 1);
}

fn answers(store: &dyn crate::site::Opened, user: &str, finding: fn(&str) -> AttemptFinding) -> Vec<Reason> {
    ["a", "b", "c", "d"].map(|code| Try::new(user, finding(code)).settle(store)).to_vec()
}

pub fn unknown_user_is_slowed_down_like_a_known_one(site: &dyn Site) {
    let store = site.open();
    let reasons = answers(&*store, "nobody", |code| AttemptFinding::Unknown { tag: tag(code) });
    assert_eq!(reasons, [UnknownUser, UnknownUser, UnknownUser, Slowed]);
}

pub fn not_enrolled_counts_like_a_wrong_code(site: &dyn Site) {
    let store = site.open();
    store.add_user(&name("alice"), "", at(0)).unwrap();
    let reasons = answers(&*store, "alice", |code| AttemptFinding::NotEnrolled { tag: tag(code) });
    assert_eq!(reasons, [NotEnrolled, NotEnrolled, NotEnrolled, Slowed]);
    assert_eq!(store.user(&name("alice")).unwrap().failures, 3);
}

pub fn spent_code_does_not_count(site: &dyn Site) {
    let store = site.open();
    enrol(&*store, "alice");
    for _ in 0..10 {
        assert_eq!(Try::new("alice", AttemptFinding::Spent).settle(&*store), SpentCode);
    }
    assert_eq!(store.user(&name("alice")).unwrap().failures, 0);
    store.lock_user(&name("alice"), at(100)).unwrap();
    assert_eq!(Try::new("alice", AttemptFinding::Spent).settle(&*store), Locked);
}

pub fn question_for_a_passcode_tells_nothing_and_counts_nothing(site: &dyn Site) {
    let store = site.open();
    for user in ["alice", "carol"] {
        enrol(&*store, user);
    }
    store.lock_user(&name("carol"), at(100)).unwrap();
    answers(&*store, "nobody", |code| AttemptFinding::Unknown { tag: tag(code) });
    for user in ["alice", "carol", "nobody"] {
        for _ in 0..10 {
            assert_eq!(Try::new(user, AttemptFinding::Asked).settle(&*store), Challenged, "{user}");
        }
    }
    assert_eq!(store.user(&name("alice")).unwrap().failures, 0);
}

pub fn accept_forgets_failures(site: &dyn Site) {
    let store = site.open();
    let token = enrol(&*store, "alice");
    for round in 0..5 {
        for code in ["a", "b"] {
            let code = format!("{code}{round}");
            assert_eq!(Try::new("alice", wrong(&code)).settle(&*store), WrongCode);
        }
        assert_eq!(store.user(&name("alice")).unwrap().failures, 2);
        assert_eq!(Try::right("alice", &token, step(50 + round)).settle(&*store), Right);
        assert_eq!(store.user(&name("alice")).unwrap().failures, 0);
    }
}

pub fn drifted_code_is_remembered_until_an_accept(site: &dyn Site) {
    let store = site.open();
    let token = enrol(&*store, "alice");
    let drifted =
        |code: &str, step| AttemptFinding::Wrong { tag: tag(code), drifted: Some((token.id, step)) };
    let resync = || store.tokens(&name("alice")).unwrap()[0].resync;
    assert_eq!(Try::new("alice", drifted("a", 70)).at(3).settle(&*store), WrongCode);
    assert_eq!(resync(), Some(ResyncPosition { step: 70, at: at(3) }));
    assert_eq!(Try::new("alice", drifted("a", 70)).at(9).settle(&*store), WrongCode);
    assert_eq!(resync(), Some(ResyncPosition { step: 70, at: at(3) }), "a retransmission changes nothing");
    assert_eq!(Try::right("alice", &token, step(71)).at(10).settle(&*store), Right);
    assert_eq!(resync(), None);
}

pub fn exempt_and_malformed_pass_the_gate(site: &dyn Site) {
    let store = site.open();
    enrol(&*store, "alice");
    store.lock_user(&name("alice"), at(100)).unwrap();
    assert_eq!(Try::new("alice", AttemptFinding::Exempt).settle(&*store), Exempt);
    assert_eq!(
        Try::new("alice", AttemptFinding::Refused(RefusalReason::NoPassword)).settle(&*store),
        NoPassword
    );
}

/// A code that is right by what was found, settled after something changed.
fn after(site: &dyn Site, change: fn(&dyn crate::site::Opened)) -> Reason {
    let store = site.open();
    let token = enrol(&*store, "carol");
    let found = Try::right("carol", &token, step(50)).settlement(&*store);
    change(&*store);
    let reason = wait(store.commit_attempt(found)).unwrap();
    let _ = store.delete_user(&name("carol"));
    let _ = store.delete_user(&name("caroline"));
    reason
}

pub fn what_changed_since_find_refuses(site: &dyn Site) {
    assert_eq!(after(site, |_| {}), Right);
    assert_eq!(
        after(site, |s| s
            .set_token_state(
                &name("carol"),
                &s.tokens(&name("carol")).unwrap()[0].serial,
                TokenState::Disabled
            )
            .unwrap()),
        NotEnrolled
    );
    assert_eq!(
        after(site, |s| s
            .delete_token(&name("carol"), &s.tokens(&name("carol")).unwrap()[0].serial)
            .unwrap()),
        NotEnrolled
    );
    assert_eq!(after(site, |s| s.lock_user(&name("carol"), at(1)).unwrap()), Locked);
    assert_eq!(after(site, |s| s.delete_user(&name("carol")).unwrap()), UnknownUser);
    let successor = |s: &dyn crate::site::Opened| {
        s.delete_user(&name("carol")).unwrap();
        enrol(s, "carol");
    };
    assert_eq!(after(site, successor), UnknownUser, "a successor is another person");
    let store = site.open();
    let token = enrol(&*store, "dave");
    let found = Try::right("dave", &token, step(50)).settlement(&*store);
    store.delete_token(&name("dave"), &token.serial).unwrap();
    store.add_token(&name("dave"), crate::site::totp_of("another dave"), at(0)).unwrap();
    assert_eq!(wait(store.commit_attempt(found)).unwrap(), NotEnrolled, "a successor is another token");
}

pub fn token_of_another_user_cannot_be_spent(site: &dyn Site) {
    let store = site.open();
    enrol(&*store, "alice");
    let bobs = enrol(&*store, "bob");
    assert_eq!(Try::right("alice", &bobs, step(50)).settle(&*store), NotEnrolled);
    assert_eq!(store.tokens(&name("bob")).unwrap()[0].next, 0);
}

pub fn clock_set_back_opens_nothing(site: &dyn Site) {
    let store = site.open();
    let token = enrol(&*store, "alice");
    assert_eq!(Try::right("alice", &token, step(50)).at(5000).settle(&*store), Right);
    assert_eq!(Try::right("alice", &token, step(50)).at(0).settle(&*store), SpentCode);
    for code in ["a", "b", "c"] {
        assert_eq!(Try::new("alice", wrong(code)).at(5000).settle(&*store), WrongCode);
    }
    assert_eq!(Try::right("alice", &token, step(51)).at(0).settle(&*store), Slowed);
    store.lock_user(&name("alice"), at(9000)).unwrap();
    assert_eq!(Try::right("alice", &token, step(51)).at(0).settle(&*store), Locked);
}

pub fn dropped_future_still_spends(site: &dyn Site) {
    let store = site.open();
    let token = enrol(&*store, "alice");
    let settlement = Try::right("alice", &token, step(50)).settlement(&*store);
    drop(store.commit_attempt(settlement));
    assert_eq!(Try::right("alice", &token, step(50)).settle(&*store), SpentCode);
}

pub fn every_attempt_is_recorded(site: &dyn Site) {
    let store = site.open();
    let token = enrol(&*store, "alice");
    let _ = Try::right("alice", &token, step(50)).at(1).from("home").settle(&*store);
    let _ = Try::new("alice", wrong("a")).at(2).settle(&*store);
    let _ = Try::new("nobody", AttemptFinding::Unknown { tag: tag("a") }).at(3).settle(&*store);
    let _ = Try::new("", AttemptFinding::Refused(RefusalReason::NoPassword)).at(4).settle(&*store);
    store.lock_user(&name("alice"), at(100)).unwrap();
    let _ = Try::new("alice", AttemptFinding::Spent).at(5).settle(&*store);
    let _ = Try::new("alice", AttemptFinding::Exempt).at(6).settle(&*store);
    let rows = store.audit(&AuditQuery { limit: 100, ..AuditQuery::default() }).unwrap();
    let said: Vec<_> =
        rows.iter().map(|r| (r.user.as_str(), r.verdict.as_str(), r.reason.as_str())).collect();
    let expected = [
        ("alice", Right),
        ("alice", WrongCode),
        ("nobody", UnknownUser),
        ("", NoPassword),
        ("alice", Locked),
        ("alice", Exempt),
    ];
    assert_eq!(said, expected.map(|(user, reason)| (user, reason.verdict().as_str(), reason.as_str())));
    assert_eq!(
        (rows[0].at, rows[0].client.as_str(), rows[0].calling_station.as_str()),
        (at(1), "192.0.2.1", "home")
    );
    assert_eq!(rows[0].request, Some(7));
    assert!(rows.is_sorted_by_key(|row| row.id));
}

pub fn one_bad_operation_does_not_spoil_the_others(site: &dyn Site) {
    let store = site.open();
    let token = enrol(&*store, "alice");
    let mut waiting = Vec::new();
    for n in 0..200 {
        let spend = if n % 10 == 3 { step(i64::MAX) } else { step(n) };
        waiting.push((n, store.commit_attempt(Try::right("alice", &token, spend).settlement(&*store))));
    }
    for (n, answer) in waiting {
        assert_eq!(wait(answer).ok(), (n % 10 != 3).then_some(Right), "{n}");
    }
}
