//! Right passcodes before the password was checked: failures until they are confirmed, once.

use crate::site::{Opened, Site, Try, at, enrol, name, step, wrong};
use rlm_mfa::engine::Reason::{self, *};
use rlm_mfa::engine::port::{AttemptCommit, AttemptFinding, PasswordConfirmation, PendingId};
use rlm_mfa::engine::{PasswordStatus, PasswordVerifier};
use rlm_mfa::store::TokenState;
use rlm_mfa::types::{Timestamp, TokenId};
use std::sync::atomic::{AtomicUsize, Ordering};

const UNVERIFIED: PasswordStatus = PasswordStatus::Unverified { by: PasswordVerifier::Server };

fn id(number: u8) -> PendingId {
    PendingId([number; 16])
}

/// A right passcode of this step, without limits that would keep it from being looked at.
fn settlement(store: &dyn Opened, token: TokenId, number: u8) -> AttemptCommit {
    let finding = AttemptFinding::Right {
        token,
        spend: step(number.into()),
        tag: crate::site::tag(&number.to_string()),
    };
    let mut settlement = Try { password: UNVERIFIED, ..Try::new("alice", finding) }.settlement(store);
    settlement.limits.slow_after = 1000;
    settlement.limits.lock_after_unproven = 10_000;
    AttemptCommit { pending: Some(id(number)), ..settlement }
}

fn hold(store: &dyn Opened, token: TokenId, number: u8) -> Reason {
    wait(store.commit_attempt(settlement(store, token, number)))
}

fn wait<T>(answer: rlm_mfa::engine::port::StoreFuture<T>) -> T {
    crate::site::wait(answer).unwrap()
}

fn confirm(store: &dyn Opened, user: &str, number: u8, now: Timestamp) -> Reason {
    let mut record = Try::new("alice", AttemptFinding::Exempt).settlement(store).record;
    (record.user, record.at) = (user.to_owned(), now);
    wait(store.confirm_passcode(PasswordConfirmation { pending: id(number), record }))
}

fn failures(store: &dyn Opened) -> u32 {
    store.user(&name("alice")).unwrap().failures
}

fn trail(store: &dyn Opened) -> Vec<(String, String)> {
    let query = rlm_mfa::store::AuditQuery { limit: 1000, ..Default::default() };
    store.audit(&query).unwrap().into_iter().map(|row| (row.verdict, row.reason)).collect()
}

pub fn passcode_of_an_unchecked_password_is_spent_and_a_failure(site: &dyn Site) {
    let store = site.open();
    let token = enrol(&*store, "alice").id;
    for number in 1..=12 {
        assert_eq!(hold(&*store, token, number), PasswordPending);
    }
    assert_eq!(failures(&*store), 12);
    assert_eq!(hold(&*store, token, 12), SpentCode);
    assert_eq!(store.user(&name("alice")).unwrap().last_accept, None);
    assert_eq!(trail(&*store)[0], ("pending".into(), "passcode right, password pending".into()));
}

pub fn failure_is_taken_back_by_the_accept(site: &dyn Site) {
    let store = site.open();
    let token = enrol(&*store, "alice").id;
    let _ = Try::new("alice", wrong("a")).settle(&*store);
    assert_eq!(hold(&*store, token, 1), PasswordPending);
    assert_eq!(confirm(&*store, "alice", 1, at(2)), Right);
    let user = store.user(&name("alice")).unwrap();
    assert_eq!((user.failures, user.last_accept), (0, Some(at(2))));
    assert_eq!(trail(&*store).last().unwrap(), &("accept".into(), "right code".into()));
    let after = Try::new("alice", wrong("b")).at(3);
    assert_eq!(
        [after.clone().settle(&*store), after.settle(&*store)],
        [WrongCode, WrongCode],
        "its source is free"
    );
}

pub fn passcode_is_confirmed_once_and_by_its_user_only(site: &dyn Site) {
    let store = site.open();
    let token = enrol(&*store, "alice").id;
    store.add_user(&name("bob"), "", at(0)).unwrap();
    (1..=4).for_each(|number| assert_eq!(hold(&*store, token, number), PasswordPending));
    assert_eq!(confirm(&*store, "alice", 1, at(1)), Right);
    assert_eq!(confirm(&*store, "alice", 1, at(1)), NotConfirmed, "a second time");
    assert_eq!(confirm(&*store, "bob", 2, at(1)), NotConfirmed, "another's");
    assert_eq!(confirm(&*store, "alice", 2, at(1)), NotConfirmed, "it is gone");
    assert_eq!(confirm(&*store, "alice", 9, at(1)), NotConfirmed, "never held");
    assert_eq!(confirm(&*store, "alice", 3, at(3600)), NotConfirmed, "too late");
    drop(store);
    let store = site.open();
    assert_eq!(confirm(&*store, "alice", 4, at(1)), Right, "by whoever has the login");
}

pub fn one_of_many_who_confirm_at_once_gets_it(site: &dyn Site) {
    let stores = [site.open(), site.open()];
    let token = enrol(&*stores[0], "alice").id;
    let _ = hold(&*stores[0], token, 1);
    let right = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for n in 0..50 {
            let (store, right) = (&stores[n % 2], &right);
            scope.spawn(move || {
                let reason = confirm(&**store, "alice", 1, at(1));
                right.fetch_add(usize::from(reason == Right), Ordering::SeqCst);
            });
        }
    });
    assert_eq!(right.into_inner(), 1);
}

pub fn what_ends_remembered_logins_ends_a_pending_passcode(site: &dyn Site) {
    let store = site.open();
    let token = enrol(&*store, "alice");
    let alice = name("alice");
    let held = |number| assert_eq!(hold(&*store, token.id, number), PasswordPending);
    held(1);
    store.lock_user(&alice, at(3600)).unwrap();
    assert_eq!(confirm(&*store, "alice", 1, at(1)), NotConfirmed, "locked");
    store.lock_user(&alice, Timestamp::default()).unwrap();
    held(2);
    store.set_token_state(&alice, &token.serial, TokenState::Disabled).unwrap();
    store.set_token_state(&alice, &token.serial, TokenState::Enabled).unwrap();
    assert_eq!(confirm(&*store, "alice", 2, at(1)), NotConfirmed, "its token was disabled");
    held(3);
    assert_eq!(Try::new("alice", AttemptFinding::Fraud).settle(&*store), Fraud);
    assert_eq!(confirm(&*store, "alice", 3, at(1)), NotConfirmed, "reported as fraud");
    store.lock_user(&alice, Timestamp::default()).unwrap();
    held(4);
    store.delete_token(&alice, &token.serial).unwrap();
    assert_eq!(confirm(&*store, "alice", 4, at(1)), NotConfirmed, "its token is gone");
}

pub fn lock_of_its_own_failure_goes_with_it_and_another_stays(site: &dyn Site) {
    let store = site.open();
    let token = enrol(&*store, "alice").id;
    let locks = |number, most| {
        let mut settlement = settlement(&*store, token, number);
        (settlement.limits.lock_after, settlement.limits.lock_after_unproven) = (most, most);
        wait(store.commit_attempt(settlement))
    };
    assert_eq!(locks(1, 1), PasswordPending);
    assert!(store.user(&name("alice")).unwrap().locked_until > at(1), "until then it counts as any other");
    assert_eq!(locks(2, 1), Locked);
    assert_eq!(confirm(&*store, "alice", 1, at(1)), Right);
    assert_eq!(store.user(&name("alice")).unwrap().locked_until, Timestamp::default());
    assert_eq!(locks(3, 2), PasswordPending);
    assert_eq!(locks(4, 2), PasswordPending);
    assert_eq!(confirm(&*store, "alice", 3, at(1)), NotConfirmed, "what locks ends the others");
    assert_eq!(confirm(&*store, "alice", 4, at(1)), Right, "but for the one that it was");
}

pub fn nobody_is_let_in_before_the_password_was_checked(site: &dyn Site) {
    let store = site.open();
    let token = enrol(&*store, "alice").id;
    let without = AttemptCommit { pending: None, ..settlement(&*store, token, 1) };
    assert!(crate::site::wait(store.commit_attempt(without)).is_err());
    assert_eq!(hold(&*store, token, 1), PasswordPending, "and nothing was spent");
    for finding in [
        AttemptFinding::Approved,
        AttemptFinding::Bypassed,
        AttemptFinding::Remembered,
        AttemptFinding::Unenrolled { logins: None },
    ] {
        let tried = Try { password: UNVERIFIED, ..Try::new("alice", finding.clone()) };
        assert!(tried.answer(&*store).is_err(), "{finding:?}");
    }
}
