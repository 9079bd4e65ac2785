//! Users who come from a directory.

use super::site::{Site, Sqlite, Try, at, enrol, name, step, totp, wait};
use rlm_mfa::config::sync::{EnrolmentMail, FromDirectory, SyncOptions};
use rlm_mfa::engine::Reason;
use rlm_mfa::engine::port::{AttemptFinding, Store};
use rlm_mfa::store::{
    self, Administration, ChangeKind, StagedDetails, StagedUser, SyncChange, SyncEffect, SyncRules,
    TokenState,
};
use rlm_mfa::types::{Factor, Mailbox, PhoneNumber, Timestamp, UnusableValue, UserId};

struct Run {
    store: store::SqliteStore,
    sync: SyncOptions,
    now: Timestamp,
    effect: SyncEffect,
}

impl Run {
    fn new(site: &Sqlite) -> Self {
        Self { store: site.sqlite(), sync: SyncOptions::default(), now: at(0), effect: SyncEffect::Lasting }
    }

    fn rules(&self) -> SyncRules<'_> {
        SyncRules { sync: &self.sync, digits: Default::default(), now: self.now, effect: self.effect }
    }

    /// With exactly these in the directory: what was done.
    fn with(&self, some: &[StagedUser]) -> Vec<String> {
        self.store.clear_stage().unwrap();
        self.store.stage_users(some).unwrap();
        let mut told = Vec::new();
        self.store
            .apply_staged(self.rules(), &mut |SyncChange { user, what, detail }| {
                told.push(format!("{} {user} {detail}", what.as_str()).trim_end().to_owned());
            })
            .unwrap();
        told
    }

    fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        let mut each = |row: store::UserRow| {
            names.push(row.name.to_string());
            Ok(())
        };
        self.store.users(&mut each).unwrap();
        names
    }
}

fn one(id: &str, called: &str) -> StagedUser {
    with(id, called, None, None)
}

fn with(id: &str, called: &str, mail: Option<&str>, phone: Option<&str>) -> StagedUser {
    let mail = mail.map(|mail| Mailbox::parse(mail).map_err(UnusableValue::new));
    let phone = phone.map(|phone| PhoneNumber::parse(phone, None).map_err(UnusableValue::new));
    StagedUser { id: id.into(), details: Some(StagedDetails { name: Ok(name(called)), mail, phone }) }
}

fn unchanged(id: &str) -> StagedUser {
    StagedUser { id: id.into(), details: None }
}

#[test]
fn users_are_added_once_and_adopted_by_their_names() {
    let site = Sqlite::new();
    enrol(&*site.open(), "alice");
    let run = Run::new(&site);
    let both = [one("1", "alice"), one("2", "bob")];
    assert_eq!(run.with(&both), ["adopted alice", "added bob"]);
    assert_eq!(run.with(&both), [""; 0]);
    assert_eq!(run.store.tokens(&name("alice")).unwrap().len(), 1);
}

#[test]
fn who_left_is_locked_until_he_is_back_and_deleted_in_the_end() {
    let site = Sqlite::new();
    let mut run = Run::new(&site);
    run.with(&[one("1", "alice"), one("2", "bob")]);
    let token = run.store.add_token(&name("alice"), totp(), at(0)).unwrap();
    assert_eq!(run.with(&[unchanged("2")]), ["left alice locked"]);
    assert_eq!(run.with(&[unchanged("2")]), [""; 0]);
    let tries = |n: i64| Try::right("alice", &token, step(n)).settle(&run.store);
    assert_eq!(tries(1), Reason::Locked);
    assert_eq!(Try::new("alice", AttemptFinding::Exempt).settle(&run.store), Reason::Locked);
    assert!(wait(run.store.locked_until(&name("alice"))).unwrap() > at(1_000_000_000));
    assert_eq!(run.with(&[unchanged("1"), unchanged("2")]), ["returned alice unlocked"]);
    assert_eq!(tries(2), Reason::Right);
    run.with(&[unchanged("2")]);
    run.now = at(29 * 86_400);
    assert_eq!(run.with(&[unchanged("2")]), [""; 0]);
    run.now = at(30 * 86_400);
    assert_eq!(run.with(&[unchanged("2")]), ["deleted alice"]);
    assert_eq!(run.names(), ["bob"]);
}

#[test]
fn lock_of_the_administrator_outlasts_a_return() {
    let site = Sqlite::new();
    let run = Run::new(&site);
    run.with(&[one("1", "alice")]);
    run.store.lock_user(&name("alice"), store::FOREVER).unwrap();
    run.with(&[]);
    run.with(&[unchanged("1")]);
    assert_eq!(run.store.user(&name("alice")).unwrap().locked_until, store::FOREVER);
}

#[test]
fn who_left_and_is_unlocked_is_left_alone_from_then_on() {
    let site = Sqlite::new();
    let mut run = Run::new(&site);
    run.with(&[one("1", "alice")]);
    run.with(&[]);
    run.store.lock_user(&name("alice"), Timestamp::default()).unwrap();
    run.now = at(100 * 86_400);
    assert_eq!(run.with(&[]), [""; 0]);
    assert_eq!(run.store.user(&name("alice")).unwrap().gone, None);
    assert_eq!(run.with(&[one("1", "alice")]), ["adopted alice"]);
}

#[test]
fn who_was_added_by_hand_is_never_touched() {
    let site = Sqlite::new();
    enrol(&*site.open(), "carol");
    let mut run = Run::new(&site);
    run.with(&[one("1", "alice")]);
    run.now = at(100 * 86_400);
    assert_eq!(run.with(&[unchanged("1")]), [""; 0]);
    assert_eq!(run.names(), ["alice", "carol"]);
}

#[test]
fn new_names_keep_the_tokens_whoever_had_them_before() {
    let site = Sqlite::new();
    let run = Run::new(&site);
    run.with(&[one("1", "a"), one("2", "b"), one("3", "c"), one("4", "d"), one("5", "e")]);
    let token = run.store.add_token(&name("a"), totp(), at(0)).unwrap();
    // Two change places, and two move up in a row.
    let mut told = run.with(&[one("1", "b"), one("2", "a"), one("3", "d"), one("4", "f"), one("5", "e")]);
    told.sort_unstable();
    assert_eq!(told, ["renamed a to b", "renamed b to a", "renamed c to d", "renamed d to f"]);
    assert_eq!(run.names(), ["a", "b", "d", "e", "f"]);
    let his = run.store.tokens(&name("b")).unwrap();
    assert_eq!((his.len(), &his[0].serial, &his[0].secret), (1, &token.serial, &token.secret));
    assert!(run.store.tokens(&name("a")).unwrap().is_empty());
}

#[test]
fn names_that_clash_are_told_and_nothing_is_lost() {
    let site = Sqlite::new();
    enrol(&*site.open(), "local");
    let run = Run::new(&site);
    run.with(&[one("1", "a"), one("2", "b")]);
    let told = run.with(&[one("1", "local"), one("2", "a")]);
    assert_eq!(
        told,
        [
            "skipped a cannot be renamed to local: another user has that name",
            "skipped b cannot be renamed to a: another user has that name"
        ]
    );
    assert_eq!(run.names(), ["a", "b", "local"]);
    let twins = [unchanged("1"), unchanged("2"), one("3", "twin"), one("4", "twin")];
    let told = run.with(&twins);
    assert_eq!(told, ["skipped twin several entries of the directory have this name"; 2]);
    run.with(&[unchanged("1")]);
    let told = run.with(&[unchanged("1"), one("5", "b")]);
    assert!(told[0].starts_with("skipped b a removed user had this name"), "{told:?}");
    let bad = StagedUser {
        id: "6".into(),
        details: Some(StagedDetails {
            name: Err(UnusableValue::new("user name is empty")),
            mail: None,
            phone: None,
        }),
    };
    assert_eq!(run.with(&[unchanged("1"), bad]), ["skipped 6 user name is empty"]);
}

#[test]
fn nothing_is_written_where_it_is_only_asked_what_would_be() {
    let site = Sqlite::new();
    let mut run = Run::new(&site);
    run.with(&[one("1", "a"), one("2", "b"), one("3", "c")]);
    let all = || std::fs::read(site.settings().filename).unwrap();
    site.raw().pragma_update(None, "wal_checkpoint", "TRUNCATE").unwrap();
    let before = all();
    run.effect = SyncEffect::None;
    let mut told = run.with(&[one("1", "b"), one("2", "a"), one("4", "d")]);
    told.sort_unstable();
    assert_eq!(told, ["added d", "left c locked", "renamed a to b", "renamed b to a"]);
    assert_eq!(run.names(), ["a", "b", "c"]);
    site.raw().pragma_update(None, "wal_checkpoint", "TRUNCATE").unwrap();
    assert!(before == all());
}

#[test]
fn addresses_are_followed_and_those_of_others_left_alone() {
    let site = Sqlite::new();
    let mut run = Run::new(&site);
    run.sync.mailbox = FromDirectory::Token;
    run.sync.phone = FromDirectory::Token;
    let (mail, phone) = (Some("alice@example.test"), Some("+41791234567"));
    let told = run.with(&[with("1", "alice", mail, phone)]);
    assert_eq!(told, ["added alice mailbox a***@example.test, email a***@example.test, sms XXX-XXX-4567"]);
    assert_eq!(run.with(&[with("1", "alice", mail, phone)]), [""; 0]);
    let addresses = || -> Vec<_> {
        let tokens = run.store.tokens(&name("alice")).unwrap();
        tokens
            .iter()
            .map(|token| (token.serial.clone(), token.enabled, token.delivery_address().unwrap().to_owned()))
            .collect()
    };
    run.store.set_token_state(&name("alice"), "sms1", TokenState::Disabled).unwrap();
    assert_eq!(
        run.with(&[with("1", "alice", mail, Some("+41791234568"))]),
        ["changed alice sms XXX-XXX-4568"]
    );
    assert_eq!(addresses()[1], ("sms1".to_owned(), false, "+41791234568".to_owned()));
    // What cannot be read changes nothing; what is not there any more is no token any more.
    let told = run.with(&[with("1", "alice", mail, Some("ask me"))]);
    assert!(told.len() == 1 && told[0].starts_with("unusable alice telephone number: "), "{told:?}");
    assert_eq!(addresses().len(), 2);
    assert_eq!(
        run.with(&[with("1", "alice", None, None)]),
        ["changed alice mailbox none, email none, sms none"]
    );
    assert!(addresses().is_empty());
    assert_eq!(run.store.user(&name("alice")).unwrap().mail, "");
}

#[test]
fn token_is_made_when_there_is_a_mailbox_for_it_and_once() {
    let site = Sqlite::new();
    let mut run = Run::new(&site);
    run.sync.token = Some(Factor::Totp);
    run.sync.mail = EnrolmentMail::Yes;
    run.sync.mailbox = FromDirectory::Mailbox;
    run.with(&[one("1", "alice"), with("2", "bob", Some("bob@example.test"), None), one("3", "carol")]);
    let welcomes = || {
        run.store.next_welcome_mails(run.rules(), UserId(0)).unwrap().map(|(_, all)| all).unwrap_or_default()
    };
    let first = welcomes();
    assert_eq!(first.len(), 1);
    assert_eq!((first[0].user.as_str(), first[0].mail.as_str()), ("bob", "bob@example.test"));
    assert_eq!(welcomes()[0].token.secret, first[0].token.secret, "not sent yet: the same again");
    run.store.mark_welcomed(first[0].id).unwrap();
    assert!(welcomes().is_empty());
    assert_eq!(run.store.count_unwelcomed().unwrap(), 2);
    // Enrolled otherwise meanwhile: that token is not sent to anybody.
    run.store.add_token(&name("carol"), totp(), at(0)).unwrap();
    run.with(&[
        with("1", "alice", Some("alice@example.test"), None),
        unchanged("2"),
        with("3", "carol", Some("carol@example.test"), None),
    ]);
    let second = welcomes();
    assert_eq!((second.len(), second[0].user.as_str()), (1, "alice"));
    assert_eq!(run.store.tokens(&name("carol")).unwrap().len(), 1);
    assert_eq!(ChangeKind::ALL.len(), 9);
}
