//! Active Directory: one domain controller for all of it, since there can be only one at a time.

use super::harness::samba::{PASSWORD, Samba, TOP, service};
use super::{Asker, AuthFailure};

#[test]
fn active_directory_is_understood() {
    let samba = Samba::start();
    println!("{}", samba.log());
    for (account, kind) in
        [(service(), "service"), ("bind_as = \"{user}@example.test\"\n".to_owned(), "user")]
    {
        let asker = Asker::new(&format!("{}{account}attribute = department\n", samba.options()));
        tells_who(&asker);
        tells_why(&asker, kind);
        follows_groups(&asker, &samba, &account);
    }
    let asker = Asker::new(&format!("{}{}", samba.options(), service()));
    locks(&asker);
    finds(&asker);
    tells_apart(&asker);
    assert_eq!(asker.probe().remove(0).found.unwrap(), "Active Directory, takes the service account");
}

fn tells_who(asker: &Asker) {
    let alice = asker.login("alice", PASSWORD).unwrap();
    assert_eq!(alice.dn.as_ref().unwrap().as_str(), format!("CN=alice,CN=Users,{TOP}"));
    assert_eq!((alice.name.as_str(), alice.upn.as_deref()), ("alice", Some("alice@example.test")));
    assert_eq!(alice.mail.unwrap().as_str(), "alice@example.test");
    assert_eq!(alice.phone.unwrap().as_str(), "+41791234567");
    assert_eq!(alice.attributes["department"], ["Engineering"]);
    assert!(asker.login("ALICE", PASSWORD).is_ok());
}

fn tells_why(asker: &Asker, kind: &str) {
    for (user, why) in [
        ("disabled", AuthFailure::Disabled),
        ("expired", AuthFailure::Disabled),
        ("pwexpired", AuthFailure::Expired),
        ("mustchange", AuthFailure::MustChange),
        ("nohours", AuthFailure::Restricted),
        ("badws", AuthFailure::Restricted),
    ] {
        assert_eq!(asker.why(user, PASSWORD), why, "{user} as {kind}");
        assert_eq!(asker.why(user, "other-Pw1"), AuthFailure::Wrong, "{user} as {kind}");
    }
    assert_eq!(asker.why("alice", ""), AuthFailure::Wrong);
    let unknown = asker.why("nobody", PASSWORD);
    assert!(matches!(unknown, AuthFailure::Unknown | AuthFailure::Wrong), "{unknown:?} as {kind}");
    for name in ["*", "al*", "*)(sAMAccountName=*"] {
        let denied = asker.why(name, PASSWORD);
        assert!(matches!(denied, AuthFailure::Unknown | AuthFailure::Wrong), "{name}: {denied:?}");
    }
    // One right password each, so that nothing above has locked anybody.
    assert!(asker.login("alice", PASSWORD).is_ok());
}

fn follows_groups(asker: &Asker, samba: &Samba, account: &str) {
    let groups = asker.groups("alice", PASSWORD);
    for name in ["Domain Users", "it-admins", "loop-a", "loop-b", "of-primary", "staff", "vpn-users"] {
        assert!(groups.iter().any(|group| group == name), "{name} is not in {groups:?}");
    }
    let direct = Asker::new(&format!("{}{account}groups = direct\n", samba.options()));
    assert_eq!(direct.groups("alice", PASSWORD), ["Domain Users", "it-admins", "loop-a"]);
    let needed = format!("{}{account}security_group_dn = \"cn=VPN-Users,cn=users,{TOP}\"\n", samba.options());
    assert!(Asker::new(&needed).login("alice", PASSWORD).is_ok());
    assert_eq!(Asker::new(&needed).why("juergen", PASSWORD), AuthFailure::NotMember);
    assert_eq!(
        Asker::new(&format!("{needed}groups = direct\n")).why("alice", PASSWORD),
        AuthFailure::NotMember
    );
}

fn locks(asker: &Asker) {
    for _ in 0..3 {
        assert_eq!(asker.why("locked", "other-Pw1"), AuthFailure::Wrong);
    }
    assert_eq!(asker.why("locked", PASSWORD), AuthFailure::Locked);
}

fn finds(asker: &Asker) {
    let juergen = asker.login("juergen", PASSWORD).unwrap();
    let dn = juergen.dn.unwrap();
    assert!(dn.as_str().starts_with("CN=J\u{fc}rgen\\, Dr D\u{f6}\\+e,"), "{dn}");
    assert_eq!(asker.find("alice@example.test").unwrap().unwrap().name, "alice@example.test");
    assert_eq!(asker.find("nobody").unwrap(), None);
}

/// The password of one is never tried on the account of the other.
fn tells_apart(asker: &Asker) {
    assert_eq!(asker.login("gross", PASSWORD).unwrap().name, "gross");
    assert_eq!(asker.login("GRO\u{df}", "Other-Pw2").unwrap().name, "gro\u{df}");
    for _ in 0..3 {
        assert_eq!(asker.why("gro\u{df}", PASSWORD), AuthFailure::Wrong);
    }
    assert!(asker.login("gross", PASSWORD).is_ok(), "it is the other one whom these have locked");
    assert_eq!(asker.why("gro\u{df}", "Other-Pw2"), AuthFailure::Locked);
}
