//! What `mfa user show --directory` and `mfa doctor` say of the directory.

use super::harness::slapd::{Slapd, TOP, service};
use super::site::Site;

#[test]
fn directory_is_asked_who_a_user_is_and_whether_it_is_well() {
    let mut slapd = Slapd::start();
    let site = Site::new();
    let options = |more: &str| format!("ldap {{\n{}{}{more}}}\n", slapd.options(), service());
    site.configure(&options("attribute = description\n"));
    let told = site.mfa(["user", "show", "alice", "--directory"]).ok();
    assert!(
        told.contains(&format!("uid=alice,ou=people,{TOP}")) && told.contains("alice@example.test"),
        "{told}"
    );
    assert!(told.contains("description = about alice") && told.contains("4 groups"), "{told}");
    let told = site.mfa(["user", "show", "Alice", "--directory", "--json"]).json();
    assert_eq!((&told["name"], told["groups"].as_array().unwrap().len()), (&"alice".into(), 4));
    assert!(site.mfa(["user", "show", "nobody", "--directory"]).out.contains("no entry of this name"));
    let found = site.mfa(["doctor"]).out;
    assert!(
        found.contains("ok    ldap           127.0.0.1: an LDAP server, takes the service account"),
        "{found}"
    );
    site.configure(&options(&format!("security_group_dn = \"cn=nobody,ou=groups,{TOP}\"\n")));
    let found = site.mfa(["doctor"]);
    assert!(
        found.status == 1 && found.out.contains("fail  ldap           127.0.0.1: security_group_dn"),
        "{found:?}"
    );
    let all = options("");
    slapd.stop();
    site.configure(&all);
    assert!(site.mfa(["doctor"]).out.contains("fail  ldap           127.0.0.1: "));
    site.configure("");
    assert!(site.mfa(["doctor"]).out.contains("no host: no directory is asked"));
    let told = site.mfa(["user", "show", "alice", "--directory"]).refused(4);
    assert!(told.contains("set \"host\" in ldap { }"), "{told}");
}
