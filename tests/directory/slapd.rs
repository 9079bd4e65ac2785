//! Passwords and names, at OpenLDAP.

use super::harness::SOON;
use super::harness::slapd::{SERVICE, Slapd, TOP, person, service};
use super::{Asker, AuthFailure, unavailable};
use std::time::{Duration, Instant};

#[test]
fn right_password_lets_in_and_tells_who_it_is() {
    let slapd = Slapd::start();
    let asker = Asker::new(&format!("{}{}attribute = description\n", slapd.options(), service()));
    let alice = asker.login("alice", "alice-pw").unwrap();
    assert_eq!(alice.dn.as_ref().unwrap().as_str(), format!("uid=alice,ou=people,{TOP}"));
    assert_eq!((alice.name.as_str(), alice.upn), ("alice", None));
    assert_eq!(alice.mail.unwrap().as_str(), "alice@example.test");
    assert_eq!(alice.phone.unwrap().as_str(), "+41791234567");
    assert_eq!(alice.attributes["description"], ["about alice"]);
    assert_eq!(asker.login("alice@example.test", "alice-pw").unwrap().dn, alice.dn);
    assert_eq!(asker.find("bob").unwrap().unwrap().name, "bob");
    assert_eq!(asker.find("nobody").unwrap(), None);
    assert_eq!(asker.why("alice", "bob-pw"), AuthFailure::Wrong);
    assert_eq!(asker.why("nobody", "nobody-pw"), AuthFailure::Unknown);
}

#[test]
fn password_policy_is_heeded_also_where_the_bind_succeeds() {
    let slapd = Slapd::start();
    for account in [service(), format!("bind_as = \"uid={{user}},ou=people,{TOP}\"\n")] {
        let asker = Asker::new(&format!("{}{account}", slapd.options()));
        assert_eq!(asker.why("reset", "reset-pw"), AuthFailure::MustChange);
        assert_eq!(asker.why("reset", "other-pw"), AuthFailure::Wrong);
        assert_eq!(asker.why("disabled", "disabled-pw"), AuthFailure::Locked);
        let start = Instant::now();
        while asker.login("expired", "expired-pw").is_ok() {
            assert!(start.elapsed() < SOON, "it does not expire");
            std::thread::sleep(Duration::from_millis(200));
        }
        assert_eq!(asker.why("expired", "expired-pw"), AuthFailure::Expired);
    }
    let asker = Asker::new(&format!("{}{}", slapd.options(), service()));
    for _ in 0..3 {
        assert_eq!(asker.why("locked", "other-pw"), AuthFailure::Wrong);
    }
    assert_eq!(asker.why("locked", "locked-pw"), AuthFailure::Locked);
}

#[test]
fn empty_password_never_reaches_the_directory() {
    let slapd = Slapd::start();
    let asker = Asker::new(&format!("{}{}", slapd.options(), service()));
    for password in ["", "\0", "\0alice-pw", "alice-pw\0"] {
        assert_eq!(asker.why("alice", password), AuthFailure::Wrong);
    }
    assert!(!slapd.log().contains(SERVICE.0), "nobody was asked at all");
}

#[test]
fn name_is_never_a_filter_and_never_part_of_a_dn() {
    let slapd = Slapd::start();
    for account in [service(), format!("bind_as = \"uid={{user}},ou=people,{TOP}\"\n")] {
        let asker = Asker::new(&format!("{}{account}", slapd.options()));
        for name in [
            "*",
            "ali*",
            "*)(uid=*",
            "alice)(uid=alice",
            "alice)(|(uid=*",
            "\\61lice",
            "alice,ou=people",
            "alice+cn=alice",
            "alice\0",
            "alice@@",
            "",
        ] {
            let denied = asker.why(name, "alice-pw");
            assert!(matches!(denied, AuthFailure::Unknown | AuthFailure::Wrong), "{name:?}: {denied:?}");
        }
        assert!(asker.login("alice", "alice-pw").is_ok());
    }
}

#[test]
fn another_spelling_that_the_directory_forgives_is_another_user() {
    let mut slapd = Slapd::start();
    slapd.add_offline(&person("mary ann", &format!("uid=mary ann,ou=people,{TOP}")));
    let asker = Asker::new(&format!("{}{}", slapd.options(), service()));
    assert!(asker.login("mary ann", "mary ann-pw").is_ok());
    assert!(asker.login("Mary Ann", "mary ann-pw").is_ok(), "case is folded as everywhere");
    assert_eq!(asker.why("mary  ann", "mary ann-pw"), AuthFailure::Unknown);
    assert_eq!(asker.find("mary  ann").unwrap(), None);
}

#[test]
fn password_in_the_code_page_of_windows_is_the_same_password() {
    let mut slapd = Slapd::start();
    let entry = person("eve", &format!("uid=eve,ou=people,{TOP}"));
    slapd.add_offline(&entry.replace("userPassword: eve-pw", "userPassword: 100 \u{20ac} \u{2013} \u{e4}"));
    let asker = Asker::new(&format!("{}{}", slapd.options(), service()));
    for typed in [&b"100 \x80 \x96 \xe4"[..], "100 \u{20ac} \u{2013} \u{e4}".as_bytes()] {
        let password = rlm_mfa::types::Secret::new(typed);
        let known = asker.runtime.block_on(super::authenticate(&asker.ldap, "eve", password));
        assert!(known.is_ok(), "{known:?}");
    }
}

#[test]
fn directory_is_searched_by_what_was_typed() {
    const NIKOS: &str = "\u{3bd}\u{3af}\u{3ba}\u{3bf}\u{3c2}";
    let mut slapd = Slapd::start();
    slapd.add_offline(&person("Gro\u{df}", &format!("uid=Gro\u{df},ou=people,{TOP}")));
    slapd.add_offline(&person(NIKOS, &format!("uid={NIKOS},ou=people,{TOP}")));
    slapd.add_offline(&person("J\u{fc}rgen", &format!("uid=J\u{fc}rgen,ou=people,{TOP}")));
    for account in [service(), format!("bind_as = \"uid={{user}},ou=people,{TOP}\"\n")] {
        let asker = Asker::new(&format!("{}{account}", slapd.options()));
        for (typed, name) in [
            ("Gro\u{df}", "Gro\u{df}"),
            ("gro\u{df}", "Gro\u{df}"),
            (NIKOS, NIKOS),
            ("Ju\u{308}rgen", "J\u{fc}rgen"),
            ("J\u{dc}RGEN", "J\u{fc}rgen"),
        ] {
            assert_eq!(asker.login(typed, &format!("{name}-pw")).unwrap().name, name, "{typed}");
        }
        let gross = asker.why("gross", "Gro\u{df}-pw");
        assert!(
            matches!(gross, AuthFailure::Unknown | AuthFailure::Wrong),
            "the directory knows no user of that name: {gross:?}"
        );
    }
    // Whom the directory tells apart is told apart by the password, though it is one user here.
    slapd.add_offline(&person("gross", &format!("uid=gross,ou=people,{TOP}")));
    let asker = Asker::new(&format!("{}{}", slapd.options(), service()));
    assert_eq!(asker.login("gross", "gross-pw").unwrap().name, "gross");
    assert_eq!(asker.login("gro\u{df}", "Gro\u{df}-pw").unwrap().name, "Gro\u{df}");
    assert_eq!(asker.why("gro\u{df}", "gross-pw"), AuthFailure::Wrong);
    assert_eq!(asker.why("gross", "Gro\u{df}-pw"), AuthFailure::Wrong);
}

#[test]
fn where_case_matters_the_directorys_own_spelling_counts() {
    let slapd = Slapd::start();
    let options = format!("{}{}", slapd.options(), service());
    let asker = Asker::of_text(&format!("username {{\ncase_sensitive = yes\n}}\nldap {{\n{options}\n}}"));
    let ask = |typed: &str| {
        let rules = rlm_mfa::types::NameRules {
            case: rlm_mfa::types::CaseRule::Keep,
            ..rlm_mfa::types::NameRules::default()
        };
        let user = rlm_mfa::types::UserName::parse(typed.as_bytes(), &rules).unwrap();
        asker.runtime.block_on(asker.ldap.who_is(&user, typed.as_bytes()))
    };
    assert_eq!(ask("alice").unwrap().name, "alice");
    assert_eq!(
        ask("Alice").unwrap_err(),
        AuthFailure::Unknown,
        "slapd finds alice, who is another user here"
    );
}

#[test]
fn two_entries_of_one_name_are_nobody() {
    let mut slapd = Slapd::start();
    slapd.add_offline(&person("bob", &format!("cn=bob,ou=groups,{TOP}")));
    let both = format!("{}search_dn = \"ou=groups,{TOP}\"\n{}", slapd.options(), service());
    assert_eq!(Asker::new(&both).why("bob", "bob-pw"), AuthFailure::Ambiguous);
    assert_eq!(Asker::new(&both).find("bob").unwrap(), None);
    let whole = both.replace(&format!("\"ou=people,{TOP}\""), &format!("\"{TOP}\""));
    assert_eq!(Asker::new(&whole).why("bob", "bob-pw"), AuthFailure::Ambiguous);
    let filtered =
        format!("{both}filter = \"(objectClass=inetOrgPerson)\"\n").replace("ou=groups", "ou=people");
    assert!(Asker::new(&filtered).login("bob", "bob-pw").is_ok(), "one entry, found twice");
}

#[test]
fn dn_with_everything_in_it_is_bound_and_found_in_groups() {
    let mut slapd = Slapd::start();
    let dn = format!("cn=D\u{f6}+uid=j\u{fc}rgen,cn=a\\2C b\\2B\\22c\\22\\5C \\3D,ou=people,{TOP}");
    let above = dn.split_once(',').unwrap().1.to_owned();
    slapd.add_offline(&format!(
        "dn: {above}\nobjectClass: organizationalRole\ncn: a, b+\"c\"\\ =\n\n\
         dn: {dn}\nobjectClass: inetOrgPerson\ncn: D\u{f6}\nuid: j\u{fc}rgen\nsn: x\nuserPassword: p\u{e4}ss-w\u{f6}rt\n\n\
         dn: cn=odd\\2C group,ou=groups,{TOP}\nobjectClass: groupOfNames\ncn: odd, group\nmember: {dn}\n"
    ));
    let asker = Asker::new(&format!(
        "{}{}security_group_dn = \"CN=Odd\\, Group, OU=groups,{TOP}\"\n",
        slapd.options(),
        service()
    ));
    assert_eq!(asker.groups("j\u{fc}rgen", "p\u{e4}ss-w\u{f6}rt"), ["odd, group"]);
    assert_eq!(asker.why("jurgen", "p\u{e4}ss-w\u{f6}rt"), AuthFailure::Unknown);
    let latin = rlm_mfa::types::Secret::new(&b"p\xe4ss-w\xf6rt"[..]);
    let known = asker.runtime.block_on(super::authenticate(&asker.ldap, "j\u{fc}rgen", latin));
    assert!(known.is_ok(), "Windows-1252 is what some clients send: {known:?}");
}

#[test]
fn wrong_service_account_is_unavailable_and_told() {
    let slapd = Slapd::start();
    let asker = Asker::new(&format!("{}{}", slapd.options(), service().replace("svc-pw", "wrong-password")));
    let why = unavailable(asker.why("alice", "alice-pw"));
    assert!(why.contains("service_account_password") && !why.contains("wrong-password"), "{why}");
    assert!(
        unavailable(asker.why("alice", "alice-pw")).contains("left out for a while"),
        "nor asked again at once"
    );
    assert_eq!(slapd.log().matches("BIND dn=\"uid=svc").count(), 1, "{}", slapd.log());
}

#[test]
fn schema_without_the_attribute_knows_nobody_and_missing_base_is_told() {
    let slapd = Slapd::start();
    let plain = format!("{}{}", slapd.options(), service());
    let asker = Asker::new(&plain.replace("username_attribute = uid", ""));
    assert_eq!(asker.why("alice", "alice-pw"), AuthFailure::Unknown, "there is no sAMAccountName here");
    let asker = Asker::new(
        &plain.replace("ou=people,dc=example,dc=test\"\nuser", "ou=staff,dc=example,dc=test\"\nuser"),
    );
    let why = unavailable(asker.why("alice", "alice-pw"));
    assert!(why.contains("ou=staff") && why.contains("no such entry"), "{why}");
}

#[test]
fn doctor_names_the_option_that_is_wrong() {
    let slapd = Slapd::start();
    let plain = format!("{}{}", slapd.options(), service());
    let told = |options: &str| Asker::new(options).probe().remove(0).found;
    assert_eq!(told(&plain).unwrap(), "an LDAP server, takes the service account");
    let wrong = told(&format!("{plain}security_group_dn = \"cn=nobody,ou=groups,{TOP}\"\n")).unwrap_err();
    assert!(wrong.0.starts_with("security_group_dn: "), "{wrong}");
    let wrong = told(&plain.replace("svc-pw", "wrong-password")).unwrap_err();
    assert!(wrong.0.contains("service_account_password"), "{wrong}");
}
