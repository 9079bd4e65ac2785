//! What administrators do.

use crate::site::{Site, Try, at, enrol, name, recovery, second, step, totp, totp_of, wait};
use rlm_mfa::engine::Reason;
use rlm_mfa::store::{AuditQuery, Error, NewToken, TokenState};
use rlm_mfa::types::{Algorithm, Digits, Factor, Period, Secret, Timestamp};

pub fn password_is_set_renamed_and_taken_away(site: &dyn Site) {
    let store = site.open();
    let kept = |user: &str| wait(store.find_password_hash(&name(user))).unwrap();
    assert_eq!(kept("alice"), None);
    enrol(&*store, "alice");
    assert_eq!((kept("alice"), store.user(&name("alice")).unwrap().has_password), (None, false));
    for hash in ["first", "second"] {
        store.set_password(&name("alice"), Some(hash)).unwrap();
        assert_eq!(kept("alice").as_deref(), Some(hash));
    }
    store.rename_user(&name("alice"), &name("alicia")).unwrap();
    assert_eq!((kept("alicia").as_deref(), kept("alice")), (Some("second"), None));
    assert!(store.user(&name("alicia")).unwrap().has_password);
    store.set_password(&name("alicia"), None).unwrap();
    assert_eq!(kept("alicia"), None);
    assert!(matches!(store.set_password(&name("nobody"), None), Err(Error::NoUser(_))));
}

pub fn users_are_added_listed_and_deleted(site: &dyn Site) {
    let store = site.open();
    for user in ["carol", "alice", "bob"] {
        enrol(&*store, user);
    }
    store.set_note(&name("bob"), "second floor").unwrap();
    store.delete_user(&name("carol")).unwrap();
    let mut seen = Vec::new();
    store
        .users(&mut |row| {
            // A reader of the list may read single users at the same time.
            assert_eq!(store.user(&row.name).unwrap(), row);
            seen.push((row.name.to_string(), row.note, row.tokens, row.created));
            Ok(())
        })
        .unwrap();
    assert_eq!(
        seen,
        [("alice".into(), "".into(), 1, at(0)), ("bob".into(), "second floor".to_string(), 1, at(0))]
    );
    assert!(wait(store.find_account(&name("carol"))).unwrap().is_none());
    let stopped = store.users(&mut |_| Err(Error::Other("enough".into())));
    assert_eq!(stopped.unwrap_err().to_string(), "enough");
}

pub fn renamed_user_keeps_his_secrets(site: &dyn Site) {
    let store = site.open();
    enrol(&*store, "alice");
    store.add_token(&name("alice"), NewToken { pin: Some(Secret::new("12")), ..second() }, at(0)).unwrap();
    store.rename_user(&name("alice"), &name("alicia")).unwrap();
    store.rename_user(&name("alicia"), &name("alicia")).unwrap();
    let known = wait(store.find_account(&name("alicia"))).unwrap().unwrap();
    assert_eq!(known.tokens[0].secret, totp_of("alice").secret);
    assert_eq!(known.tokens[1].pin, Some(Secret::new("12")));
    assert!(wait(store.find_account(&name("alice"))).unwrap().is_none());
    enrol(&*store, "bob");
    assert!(matches!(store.rename_user(&name("bob"), &name("alicia")), Err(Error::UserExists(_))));
}

pub fn tokens_are_added_listed_and_deleted(site: &dyn Site) {
    let store = site.open();
    store.add_user(&name("alice"), "", at(0)).unwrap();
    let new = NewToken {
        factor: Factor::Hotp,
        serial: Some("yubikey 17".into()),
        algorithm: Algorithm::Sha512,
        digits: Digits::new(8).unwrap(),
        period: Period::new(60).unwrap(),
        secret: Secret::new([9; 64]),
        pin: Some(Secret::new("4711")),
        next: 1000,
        codes: Vec::new(),
    };
    store.add_token(&name("alice"), new, at(5)).unwrap();
    store.add_token(&name("alice"), recovery(10), at(6)).unwrap();
    let tokens = store.tokens(&name("alice")).unwrap();
    let (hotp, codes) = (&tokens[0], &tokens[1]);
    assert_eq!(
        (hotp.factor, hotp.serial.as_str(), hotp.algorithm),
        (Factor::Hotp, "yubikey 17", Algorithm::Sha512)
    );
    assert_eq!((hotp.digits.get(), hotp.period.get(), hotp.next, hotp.created), (8, 60, 1000, at(5)));
    assert_eq!((&hotp.secret, &hotp.pin), (&Secret::new([9; 64]), &Some(Secret::new("4711"))));
    assert!(hotp.enabled && hotp.codes.is_empty() && hotp.resync.is_none());
    assert_eq!((codes.codes.len(), codes.codes[9]), (10, [9; 32]));
    store.set_token_state(&name("alice"), "yubikey 17", TokenState::Disabled).unwrap();
    assert!(!store.tokens(&name("alice")).unwrap()[0].enabled);
    assert_eq!(store.user(&name("alice")).unwrap().tokens, 1);
    store.delete_token(&name("alice"), "yubikey 17").unwrap();
    assert_eq!(store.tokens(&name("alice")).unwrap().len(), 1);
}

pub fn secret_is_not_given_twice(site: &dyn Site) {
    let store = site.open();
    let token = enrol(&*store, "alice");
    let twin = || NewToken { secret: token.secret.clone(), factor: Factor::Hotp, ..second() };
    store.add_user(&name("bob"), "", at(0)).unwrap();
    for store in [&store, &site.open()] {
        for user in ["alice", "bob"] {
            let refused = store.add_token(&name(user), twin(), at(0)).unwrap_err();
            let (user, serial) = (name("alice"), token.serial.clone());
            assert_eq!(refused.to_string(), Error::SecretTaken { user, serial }.to_string());
        }
    }
    assert!(!store.user(&name("bob")).unwrap().had_token, "nothing of it is written");
    store.rename_user(&name("alice"), &name("alicia")).unwrap();
    let refused = store.add_token(&name("bob"), twin(), at(0)).unwrap_err().to_string();
    assert!(refused.contains("alicia") && !refused.contains('\n'), "{refused}");
    store.set_token_state(&name("alicia"), &token.serial, TokenState::Disabled).unwrap();
    assert!(store.add_token(&name("bob"), twin(), at(0)).is_err(), "it can be enabled again");
    store.delete_token(&name("alicia"), &token.serial).unwrap();
    store.add_token(&name("bob"), twin(), at(0)).unwrap();
}

pub fn who_had_a_token_is_known_for_good(site: &dyn Site) {
    let store = site.open();
    let had = |user: &str| {
        let known = crate::site::wait(store.find_account(&name(user))).unwrap().unwrap();
        assert_eq!(known.had_token, store.user(&name(user)).unwrap().had_token);
        known.had_token
    };
    store.add_user(&name("bob"), "", at(0)).unwrap();
    assert!(!had("bob"));
    let token = enrol(&*store, "alice");
    assert!(had("alice"));
    store.set_token_state(&name("alice"), &token.serial, TokenState::Disabled).unwrap();
    assert!(had("alice"), "disabled");
    store.delete_token(&name("alice"), &token.serial).unwrap();
    assert!(had("alice"), "deleted");
    store.lock_user(&name("alice"), Default::default()).unwrap();
    store.rename_user(&name("alice"), &name("alicia")).unwrap();
    assert!(had("alicia"));
    store.delete_user(&name("alicia")).unwrap();
    store.add_user(&name("alicia"), "", at(0)).unwrap();
    assert!(!had("alicia"), "as the administrator wants it");
}

pub fn serials_are_not_given_twice(site: &dyn Site) {
    let store = site.open();
    assert_eq!(enrol(&*store, "alice").serial, "totp1");
    store.add_token(&name("alice"), NewToken { serial: Some("totp2".into()), ..second() }, at(0)).unwrap();
    let again = |user: &str| {
        let secret = Secret::new(format!("{user} {}", store.tokens(&name(user)).unwrap().len()));
        store.add_token(&name(user), NewToken { secret, ..totp() }, at(0)).unwrap().serial
    };
    assert_eq!(again("alice"), "totp3");
    store.delete_token(&name("alice"), "totp3").unwrap();
    assert_eq!(again("alice"), "totp4", "what the audit trail names is one token");
    store.set_token_state(&name("alice"), "totp1", TokenState::Disabled).unwrap();
    assert!(store.tokens(&name("alice")).unwrap().iter().all(|t| t.enabled != (t.serial == "totp1")));

    assert_eq!(enrol(&*store, "bob").serial, "totp1", "each user has numbers of their own");
    for taken in ["totp1", "totp2"] {
        let given = NewToken { serial: Some(taken.into()), ..second() };
        let refused = store.add_token(&name("bob"), given, at(0));
        assert!(matches!(refused, Err(Error::TokenExists(_))), "{refused:?}");
    }
    store.delete_user(&name("bob")).unwrap();
    assert_eq!(enrol(&*store, "bob").serial, "totp1", "of another user");
    assert_eq!(store.add_token(&name("bob"), recovery(1), at(0)).unwrap().serial, "recovery1");
}

pub fn missing_and_taken_names_are_told(site: &dyn Site) {
    let store = site.open();
    enrol(&*store, "alice");
    enrol(&*store, "bob");
    let no_user = |error| matches!(error, Err::<(), _>(Error::NoUser(_)));
    assert!(matches!(store.add_user(&name("alice"), "", at(0)), Err(Error::UserExists(_))));
    assert!(no_user(store.user(&name("x")).map(drop)));
    assert!(no_user(store.tokens(&name("x")).map(drop)));
    assert!(no_user(store.set_note(&name("x"), "")));
    assert!(no_user(store.rename_user(&name("x"), &name("y"))));
    assert!(no_user(store.lock_user(&name("x"), at(0))));
    assert!(no_user(store.delete_user(&name("x"))));
    assert!(no_user(store.add_token(&name("x"), totp(), at(0)).map(drop)));
    let taken = NewToken { serial: Some("totp1".into()), ..totp() };
    assert!(matches!(store.add_token(&name("bob"), taken, at(0)), Err(Error::TokenExists(_))));
    let given = NewToken { serial: Some("FT-1".into()), ..second() };
    store.add_token(&name("alice"), given, at(0)).unwrap();
    assert!(matches!(store.delete_token(&name("bob"), "FT-1"), Err(Error::NoToken { .. })), "alice's");
    assert!(matches!(
        store.set_token_state(&name("bob"), "x", TokenState::Enabled),
        Err(Error::NoToken { .. })
    ));
}

pub fn last_accept_is_remembered(site: &dyn Site) {
    let store = site.open();
    let token = enrol(&*store, "alice");
    let last = || store.user(&name("alice")).unwrap().last_accept;
    assert_eq!(last(), None);
    assert_eq!(Try::right("alice", &token, step(50)).at(7).settle(&*store), Reason::Right);
    assert_eq!(last(), Some(at(7)));
    store.delete_token(&name("alice"), &token.serial).unwrap();
    assert_eq!(last(), Some(at(7)), "also without the token");
}

pub fn administrator_spends_a_code(site: &dyn Site) {
    let store = site.open();
    let token = enrol(&*store, "alice");
    assert!(store.spend(token.id, step(50)).unwrap());
    assert!(!store.spend(token.id, step(50)).unwrap());
    assert_eq!(Try::right("alice", &token, step(50)).settle(&*store), Reason::SpentCode);
    assert_eq!(store.user(&name("alice")).unwrap().last_accept, None);
}

pub fn many_users_are_imported(site: &dyn Site) {
    let store = crate::site::settings(std::path::Path::new(&site.address()));
    let store = rlm_mfa::store::SqliteStore::open(&store).unwrap();
    let users = (0..2500).map(|n| (name(&format!("user{n}")), vec![totp_of(&format!("user{n}"))]));
    let mut seen = Vec::new();
    let done = store.import(users, at(0), &mut |done, all| seen.push((done, all))).unwrap();
    assert_eq!((done, seen), (2500, vec![(1000, 2500), (2000, 2500), (2500, 2500)]));
    let opened: &dyn crate::site::Opened = &store;
    assert_eq!(opened.tokens(&name("user2499")).unwrap()[0].secret, totp_of("user2499").secret);
    let again = store.import([(name("user7"), vec![])].into_iter(), at(0), &mut |_, _| {});
    assert!(matches!(again, Err(Error::UserExists(_))));
}

pub fn audit_is_filtered(site: &dyn Site) {
    let store = site.open();
    let token = enrol(&*store, "alice");
    for n in 0..5u32 {
        let _ = Try::right("alice", &token, step(50 + i64::from(n))).at(n.into()).settle(&*store);
        let _ = Try::new("bob", rlm_mfa::engine::port::AttemptFinding::Exempt).at(n.into()).settle(&*store);
    }
    let _ = Try::right("alice", &token, step(50)).at(10).settle(&*store);
    let times = |query: AuditQuery| -> Vec<Timestamp> {
        store.audit(&AuditQuery { limit: 3, ..query }).unwrap().iter().map(|row| row.at).collect()
    };
    let alice = AuditQuery { user: Some(name("alice")), ..AuditQuery::default() };
    assert_eq!(times(alice.clone()), [at(3), at(4), at(10)]);
    assert_eq!(times(AuditQuery { verdict: Some("reject".into()), ..alice.clone() }), [at(10)]);
    assert_eq!(times(AuditQuery { since: Some(at(4)), ..alice.clone() }), [at(4), at(10)]);
    let newest = store.audit(&AuditQuery { limit: 1, ..AuditQuery::default() }).unwrap()[0].id;
    assert_eq!(times(AuditQuery { after: Some(newest), ..alice }), []);
}
