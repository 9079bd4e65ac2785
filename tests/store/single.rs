//! Logins by the password alone: users without a token, and logins that are remembered.

use crate::site::{Opened, Site, Try, at, enrol, name, second, step, wait, wrong};
use rlm_mfa::engine::Reason::{self, *};
use rlm_mfa::engine::port::{AttemptFinding, RememberedLogin, RememberedLoginDigest};
use rlm_mfa::engine::{AttemptSource, PasscodeTag};
use rlm_mfa::store::TokenState;
use rlm_mfa::types::{Secret, Timestamp};
use std::sync::Barrier;

fn let_in(store: &dyn Opened, user: &str, logins: u32) -> Reason {
    Try::new(user, AttemptFinding::Unenrolled { logins: Some(logins) }).settle(store)
}

pub fn user_without_a_token_is_let_in_so_often(site: &dyn Site) {
    let store = site.open();
    store.add_user(&name("alice"), "", at(0)).unwrap();
    for user in ["alice", "unknown"] {
        assert_eq!(
            [2, 2, 2].map(|logins| let_in(&*store, user, logins)),
            [LetInUnenrolled, LetInUnenrolled, NotEnrolled]
        );
    }
    drop(store);
    let store = site.open();
    assert_eq!(let_in(&*store, "alice", 2), NotEnrolled, "also after a restart");
    assert_eq!(let_in(&*store, "alice", 3), LetInUnenrolled);
    let endless = Try::new("alice", AttemptFinding::Unenrolled { logins: None });
    assert_eq!(endless.settle(&*store), LetInUnenrolled);
}

pub fn no_number_of_simultaneous_logins_gets_in_once_more(site: &dyn Site) {
    const LOGINS: u32 = 5;
    let barrier = Barrier::new(16);
    let one = || {
        let store = site.address();
        let barrier = &barrier;
        move || {
            let store = crate::site::open_at(&store);
            barrier.wait();
            (0..4).filter(|_| let_in(&*store, "alice", LOGINS) == LetInUnenrolled).count()
        }
    };
    let count: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..16).map(|_| scope.spawn(one())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(count, LOGINS as usize);
}

pub fn who_has_enrolled_meanwhile_is_not_let_in_without_his_token(site: &dyn Site) {
    let store = site.open();
    let token = enrol(&*store, "alice");
    assert_eq!(let_in(&*store, "alice", 9), WrongCode);
    store.set_token_state(&name("alice"), &token.serial, TokenState::Disabled).unwrap();
    assert_eq!(let_in(&*store, "alice", 9), NotEnrolled);
    store.delete_token(&name("alice"), &token.serial).unwrap();
    assert_eq!(let_in(&*store, "alice", 9), NotEnrolled, "who had a token is not let in without one");
    assert_eq!(Try::new("mallory", AttemptFinding::Fraud).settle(&*store), Fraud);
    assert!(store.user(&name("mallory")).unwrap().had_token, "a factor at the provider is one");
}

pub fn locked_user_is_not_let_in_by_the_password_alone(site: &dyn Site) {
    let store = site.open();
    store.add_user(&name("alice"), "", at(0)).unwrap();
    store.lock_user(&name("alice"), at(10)).unwrap();
    for finding in
        [AttemptFinding::Unenrolled { logins: None }, AttemptFinding::Remembered, AttemptFinding::Invited]
    {
        assert_eq!(Try::new("alice", finding).settle(&*store), Locked);
    }
}

pub fn link_to_enrol_is_sent_now_and_then(site: &dyn Site) {
    let store = site.open();
    let invite = |second| Try::new("alice", AttemptFinding::Invited).at(second).settle(&*store);
    assert_eq!([0, 1, 599].map(invite), [Invited, MustEnroll, MustEnroll]);
    assert_eq!([600, 1200, 1800, 3599].map(invite), [Invited, Invited, MustEnroll, MustEnroll]);
    assert_eq!(invite(3600), Invited);
    assert_eq!(let_in(&*store, "alice", 1), LetInUnenrolled, "links are not logins");
}

fn source(station: &str) -> AttemptSource {
    AttemptSource { client: "192.0.2.1".into(), calling_station: station.into(), request: None }
}

fn mark(store: &dyn Opened, user: &str, station: &str, password: &str) -> RememberedLoginDigest {
    store.remembered_login_digest(&name(user), &source(station), &Secret::new(password)).unwrap()
}

/// A full login of alice from home with her password, remembered until second 100.
fn remembered(store: &dyn Opened, finding: AttemptFinding) -> Reason {
    let tried = Try::new("alice", finding).from("home").settlement(store);
    let mark = mark(store, "alice", "home", "hello");
    let memory = RememberedLogin { mark, until: at(100), place: source("home"), uses: None };
    wait(store.commit_attempt(rlm_mfa::engine::port::AttemptCommit { remember: Some(memory), ..tried }))
        .unwrap()
}

fn knows(store: &dyn Opened, user: &str, station: &str, password: &str, now: Timestamp) -> bool {
    let mark = mark(store, user, station, password);
    wait(store.is_remembered(&name(user), &source(station), &mark, now)).unwrap()
}

pub fn login_is_remembered_from_there_with_that_password_for_a_while(site: &dyn Site) {
    let store = site.open();
    enrol(&*store, "alice");
    assert!(!knows(&*store, "alice", "home", "hello", at(0)));
    assert_eq!(remembered(&*store, AttemptFinding::Approved), Approved);
    drop(store);
    let store = site.open();
    assert!(knows(&*store, "alice", "home", "hello", at(99)));
    assert!(!knows(&*store, "alice", "home", "hello", at(100)), "its time is over");
    assert!(!knows(&*store, "alice", "home", "other", at(1)), "another password");
    assert!(!knows(&*store, "alice", "away", "hello", at(1)), "another station");
    assert!(!knows(&*store, "bob", "home", "hello", at(1)), "another user");
    assert_eq!(store.user(&name("alice")).unwrap().remembered_until, at(100));
    assert_eq!(Try::new("alice", AttemptFinding::Remembered).settle(&*store), Remembered);
    assert_ne!(mark(&*store, "alice", "home", "hello"), mark(&*store, "alice", "homeh", "ello"));
}

pub fn login_that_is_remembered_once_is_good_for_one(site: &dyn Site) {
    let store = site.open();
    enrol(&*store, "alice");
    let (mark, place) = (mark(&*store, "alice", "home", "hello"), source("home"));
    let memory = RememberedLogin { mark: mark.clone(), until: at(100), place: place.clone(), uses: Some(1) };
    let first = Try::new("alice", AttemptFinding::Approved).from("home").settlement(&*store);
    let first = rlm_mfa::engine::port::AttemptCommit { remember: Some(memory), ..first };
    let mut other = mark.clone();
    other.0[0] ^= 1;
    let again = |mark: &rlm_mfa::engine::port::RememberedLoginDigest, second| {
        let finding = AttemptFinding::RememberedOnce { place: place.clone(), mark: mark.clone() };
        Try::new("alice", finding).at(second).settle(&*store)
    };
    assert_eq!(again(&mark, 1), SpentCode);
    assert_eq!(wait(store.commit_attempt(first.clone())).unwrap(), Approved);
    assert_eq!([again(&other, 1), again(&mark, 100)], [SpentCode; 2], "another password, and too late");
    assert_eq!([again(&mark, 99), again(&mark, 99)], [Remembered, SpentCode]);
    assert!(!knows(&*store, "alice", "home", "hello", at(2)));
    assert_eq!(wait(store.commit_attempt(first)).unwrap(), Approved);
    store.lock_user(&name("alice"), at(50)).unwrap();
    assert_eq!(again(&mark, 2), Locked);
}

pub fn datagram_that_comes_again_spends_nothing_and_ends_with_its_user(site: &dyn Site) {
    let store = site.open();
    let token = enrol(&*store, "alice");
    let before = || {
        Try::new(
            "alice",
            AttemptFinding::Repeated {
                token: Some(token.id),
                since: at(10),
                remembered: None,
                tag: PasscodeTag::default(),
            },
        )
        .at(11)
    };
    let settlement = before().settlement(&*store);
    let deleted = || wait(store.commit_attempt(settlement.clone())).unwrap();
    assert_eq!(Try::right("alice", &token, step(50)).at(10).settle(&*store), Right);
    assert_eq!([before().settle(&*store), before().settle(&*store)], [Repeated; 2]);
    assert_eq!(store.tokens(&name("alice")).unwrap()[0].next, 51);
    store.lock_user(&name("alice"), at(20)).unwrap();
    assert_eq!(before().settle(&*store), Locked);
    assert_eq!(before().at(30).settle(&*store), Locked, "a lock since then, though it is over");
    store.lock_user(&name("alice"), Timestamp::default()).unwrap();
    assert_eq!(before().settle(&*store), Repeated);
    store.set_token_state(&name("alice"), &token.serial, TokenState::Disabled).unwrap();
    assert_eq!(before().settle(&*store), SpentCode);
    store.set_token_state(&name("alice"), &token.serial, TokenState::Enabled).unwrap();
    store.delete_user(&name("alice")).unwrap();
    assert_eq!(deleted(), UnknownUser);
    enrol(&*store, "alice");
    assert_eq!(deleted(), UnknownUser, "another one of that name");
}

pub fn remembered_login_that_comes_again_ends_with_what_was_remembered(site: &dyn Site) {
    let store = site.open();
    let token = enrol(&*store, "alice");
    let (mark, place) = (mark(&*store, "alice", "home", "hello"), source("home"));
    let memory = RememberedLogin { mark: mark.clone(), until: at(100), place: place.clone(), uses: Some(1) };
    let first = Try::new("alice", AttemptFinding::Approved).from("home").settlement(&*store);
    let first = rlm_mfa::engine::port::AttemptCommit { remember: Some(memory), ..first };
    assert_eq!(wait(store.commit_attempt(first)).unwrap(), Approved);
    let once = AttemptFinding::RememberedOnce { place: place.clone(), mark: mark.clone() };
    assert_eq!(Try::new("alice", once).at(1).settle(&*store), Remembered);
    let remembered = Some((place, mark));
    let again = || {
        let (remembered, tag) = (remembered.clone(), PasscodeTag::default());
        Try::new("alice", AttemptFinding::Repeated { token: None, since: at(1), remembered, tag })
            .at(2)
            .settle(&*store)
    };
    assert_eq!([again(), again()], [Repeated; 2], "the one use is spent");
    store.set_token_state(&name("alice"), &token.serial, TokenState::Disabled).unwrap();
    assert_eq!(again(), SpentCode, "a disabled token ends it");
}

pub fn nothing_but_a_second_factor_is_remembered(site: &dyn Site) {
    let store = site.open();
    let token = enrol(&*store, "alice");
    let right = AttemptFinding::Right { token: token.id, spend: step(50), tag: crate::site::tag("a") };
    for (finding, expected) in [
        (wrong("a"), false),
        (AttemptFinding::Exempt, false),
        (AttemptFinding::Bypassed, false),
        (AttemptFinding::Remembered, false),
        (AttemptFinding::Refused(rlm_mfa::engine::RefusalReason::TimedOut), false),
        (right, true),
    ] {
        let _ = remembered(&*store, finding.clone());
        assert_eq!(knows(&*store, "alice", "home", "hello", at(1)), expected, "{finding:?}");
    }
}

pub fn remembered_login_is_forgotten(site: &dyn Site) {
    let alice = || name("alice");
    let serial = move |store: &dyn Opened| store.tokens(&alice()).unwrap()[0].serial.clone();
    type Ends = (&'static str, Box<dyn Fn(&dyn Opened)>);
    let ends: Vec<Ends> = vec![
        ("lock", Box::new(move |s| s.lock_user(&alice(), at(1)).unwrap())),
        ("unlock", Box::new(move |s| s.lock_user(&alice(), Timestamp::default()).unwrap())),
        (
            "disable",
            Box::new(move |s| s.set_token_state(&alice(), &serial(s), TokenState::Disabled).unwrap()),
        ),
        ("token", Box::new(move |s| s.delete_token(&alice(), &serial(s)).unwrap())),
        ("rename", Box::new(move |s| s.rename_user(&alice(), &name("anna")).unwrap())),
        ("fraud", Box::new(|s| assert_eq!(Try::new("alice", AttemptFinding::Fraud).settle(s), Fraud))),
        (
            "guesses",
            Box::new(|s| {
                for n in 0..6 {
                    let _ = Try::new("alice", wrong(&n.to_string())).proven().at(n * 400).settle(s);
                }
            }),
        ),
        ("delete", Box::new(move |s| s.delete_user(&alice()).unwrap())),
    ];
    let store = site.open();
    for (what, end) in ends {
        let _ = store.delete_user(&alice());
        let _ = store.delete_user(&name("anna"));
        enrol(&*store, "alice");
        store.add_token(&alice(), second(), at(0)).unwrap();
        assert_eq!(remembered(&*store, AttemptFinding::Approved), Approved);
        assert!(knows(&*store, "alice", "home", "hello", at(1)), "{what}");
        end(&*store);
        for user in ["alice", "anna"] {
            assert!(!knows(&*store, user, "home", "hello", at(1)), "{what}");
        }
    }
}

pub fn mailbox_is_kept(site: &dyn Site) {
    let store = site.open();
    store.add_user(&name("alice"), "", at(0)).unwrap();
    store.set_mail(&name("alice"), "alice@example.test").unwrap();
    assert_eq!(store.user(&name("alice")).unwrap().mail, "alice@example.test");
    assert_eq!(wait(store.find_account(&name("alice"))).unwrap().unwrap().mail, "alice@example.test");
    assert!(store.set_mail(&name("bob"), "").is_err());
}
