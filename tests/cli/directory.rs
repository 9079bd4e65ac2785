//! What `mfa user show --directory` and `mfa doctor` say of the directory.

use super::harness::entra::{Entra, Proof};
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
    assert!(
        site.mfa(["user", "show", "nobody", "--directory"]).out.contains("user \"nobody\": unknown user")
    );
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

#[test]
fn each_wrong_value_is_told_with_the_option_to_change() {
    let slapd = Slapd::start();
    let site = Site::new();
    let good = format!("{}{}", slapd.options(), service());
    let line =
        |option: &str| good.lines().find(|line| line.trim_start().starts_with(option)).unwrap().to_owned();
    let with = |option: &str, value: &str| good.replace(&line(option), &format!("{option} = {value}"));
    let and = |more: &str| format!("{good}{more}\n");
    for (options, told, see) in [
        (with("host", "no-such-host.invalid"), "no-such-host.invalid: ", "see \"host\""),
        (with("port", "1"), "127.0.0.1: ", "see \"host\", \"port\""),
        (with("ca_file", "/etc/ssl/certs/ca-certificates.crt"), "TLS", "\"ca_file\""),
        (with("service_account_password", "wrong"), "service account", "see \"service_account_username\""),
        (with("search_dn", "\"ou=nowhere,dc=example,dc=test\""), "search_dn: ", "see \"search_dn\""),
        (
            with("username_attribute", "sAMAccountName"),
            "username_attribute: no entry",
            "mostly uid elsewhere",
        ),
        (and("filter = \"(uid=nobody-at-all)\""), "filter: no entry", "see \"filter\""),
        (
            and("group_search_dn = \"ou=nowhere,dc=example,dc=test\""),
            "group_search_dn: ",
            "see \"group_search_dn\"",
        ),
        (
            and("security_group_dn = \"cn=nobody,dc=example,dc=test\""),
            "security_group_dn: ",
            "see \"security_group_dn\"",
        ),
    ] {
        site.configure(&format!("ldap {{\n{options}}}\n"));
        let found = site.mfa(["doctor"]);
        let lines: Vec<_> = found.out.lines().collect();
        let at = lines
            .iter()
            .position(|line| line.starts_with("fail  ldap"))
            .unwrap_or_else(|| panic!("{found:?}"));
        let told_lines = lines[at..lines.len().min(at + 3)].join("\n");
        assert!(told_lines.contains(told) && told_lines.contains(see), "{options}\n{}", found.out);
    }
}

#[test]
fn entra_id_is_asked_whether_it_has_the_tenant_and_takes_the_application() {
    let entra = Entra::start();
    let site = Site::new();
    let configure = |options: &str| site.configure(&format!("entra {{\n{options}}}\n"));
    let fails = || {
        let found = site.mfa(["doctor"]);
        assert_eq!(found.status, 1, "{found:?}");
        found.out
    };
    configure(&entra.options());
    let found = site.mfa(["doctor"]).out;
    let well = format!("ok    entra          {}: has the tenant, and takes the application", entra.place());
    assert!(found.contains(&well), "{found}");
    entra.wants(Proof::Secret);
    let found = fails();
    assert!(
        found.contains(
            "fail  entra          the application is not a public client (AADSTS7000218): allow public"
        ),
        "{found}"
    );
    configure(&entra.options().replace(&entra.place(), "https://127.0.0.1:1"));
    let found = fails();
    assert!(
        found.contains("fail  entra          https://127.0.0.1:1/") && found.contains("see \"cloud\""),
        "{found}"
    );
    configure(&format!(
        "{}certificate_file = /missing.pem\nprivate_key_file = /missing.key\n",
        entra.options()
    ));
    let found = fails();
    assert!(found.contains("entra: private_key_file /missing.key"), "{found}");
}
