//! Groups at a server that does not follow them itself.

use super::harness::slapd::{Slapd, TOP, service};
use super::{Asker, AuthFailure};
use std::fmt::Write;
use std::time::Instant;

fn group(name: &str, members: &[&str]) -> String {
    let mut ldif = format!("dn: cn={name},ou=groups,{TOP}\nobjectClass: groupOfNames\ncn: {name}\n");
    for member in members {
        writeln!(ldif, "member: {member},{TOP}").unwrap();
    }
    ldif + "\n"
}

#[test]
fn groups_are_direct_nested_or_not_read() {
    let slapd = Slapd::start();
    let plain = format!("{}{}", slapd.options(), service());
    let asker = |more: &str| Asker::new(&format!("{plain}{more}\n"));
    assert_eq!(asker("").groups("alice", "alice-pw"), ["it", "staff", "unix", "vpn"]);
    assert_eq!(asker("groups = direct").groups("alice", "alice-pw"), ["it", "unix"]);
    assert!(asker("groups = none").groups("alice", "alice-pw").is_empty());
    let needed = format!("security_group_dn = \"CN=VPN, ou=groups, {TOP}\"");
    assert!(asker(&needed).login("alice", "alice-pw").is_ok());
    assert_eq!(asker(&needed).why("alice", "other-pw"), AuthFailure::Wrong);
    assert_eq!(asker(&format!("{needed}\ngroups = direct")).why("alice", "alice-pw"), AuthFailure::NotMember);
    assert!(asker(&format!("{needed}\ngroups = direct")).login("bob", "bob-pw").is_ok());
    let either = format!("security_group_dn = \"cn=others,ou=groups,{TOP}\"\n{needed}");
    assert!(asker(&either).login("alice", "alice-pw").is_ok());
    let elsewhere = format!("group_search_dn = \"ou=policies,{TOP}\"");
    assert!(asker(&elsewhere).groups("alice", "alice-pw").is_empty());
}

#[test]
fn primary_group_is_found_by_its_number() {
    let mut slapd = Slapd::start();
    slapd.add_offline(&format!(
        "dn: uid=carol,ou=people,{TOP}\nobjectClass: inetOrgPerson\nobjectClass: posixAccount\nuid: carol\ncn: carol\n\
         sn: carol\nuidNumber: 1000\ngidNumber: 200\nhomeDirectory: /\nuserPassword: carol-pw\n"
    ));
    let asker = Asker::new(&format!("{}{}", slapd.options(), service()));
    assert_eq!(asker.groups("carol", "carol-pw"), ["wheel"]);
    assert_eq!(asker.groups("bob", "bob-pw"), ["vpn", "wheel"], "and by memberUid");
}

#[test]
fn groups_of_unique_names_are_groups() {
    let mut slapd = Slapd::start();
    let unique = |name: &str, member: &str| {
        group(name, &[member])
            .replace("groupOfNames", "groupOfUniqueNames")
            .replace("member:", "uniqueMember:")
    };
    slapd.add_offline(&(unique("one", "uid=bob,ou=people") + &unique("two", "cn=one,ou=groups")));
    let asker = Asker::new(&format!("{}{}", slapd.options(), service()));
    assert_eq!(asker.groups("bob", "bob-pw"), ["one", "two", "vpn", "wheel"]);
}

#[test]
fn groups_in_a_circle_come_to_an_end() {
    let mut slapd = Slapd::start();
    slapd.add_offline(
        &(group("round-a", &["cn=round-c,ou=groups", "uid=bob,ou=people"])
            + &group("round-b", &["cn=round-a,ou=groups"])
            + &group("round-c", &["cn=round-b,ou=groups", "cn=round-c,ou=groups"])),
    );
    let asker = Asker::new(&format!("{}{}", slapd.options(), service()));
    assert_eq!(asker.groups("bob", "bob-pw"), ["round-a", "round-b", "round-c", "vpn", "wheel"]);
}

#[test]
fn five_thousand_groups_are_all_there_and_too_many_are_an_error() {
    let mut slapd = Slapd::start();
    let many = |range: std::ops::Range<u32>| -> String {
        range.map(|n| group(&format!("many-{n}"), &["uid=bob,ou=people"])).collect()
    };
    slapd.add_offline(&many(0..5_000));
    let options = format!("{}{}groups = direct\n", slapd.options(), service());
    let start = Instant::now();
    assert_eq!(Asker::new(&options).groups("bob", "bob-pw").len(), 5_002);
    println!("5,000 groups, direct: {:?}", start.elapsed());
    let start = Instant::now();
    let nested = Asker::new(&options.replace("groups = direct", "")).groups("bob", "bob-pw");
    println!("5,000 groups, nested: {:?}", start.elapsed());
    assert_eq!(nested.len(), 5_002);
    slapd.add_offline(&many(5_000..10_100));
    let why = Asker::new(&options).why("bob", "bob-pw");
    assert!(matches!(&why, AuthFailure::Blocked(why) if why.contains("more than 10000 groups")), "{why:?}");
}
