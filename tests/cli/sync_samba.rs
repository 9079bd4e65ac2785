//! `mfa sync` from Active Directory: one domain controller for all of it, since there can be only one at a time.

use super::harness::process;
use super::harness::samba::{Samba, TOP, service};
use super::site::Site;
use std::process::Command;

fn modify(samba: &Samba, ldif: &str) {
    let url = "ldaps://127.0.0.1:636";
    let output = process::run(
        Command::new("ldapmodify")
            .args(["-x", "-H", url, "-D", "administrator@example.test", "-w", "Adm1n-Passw0rd!"])
            .env("LDAPTLS_REQCERT", "never"),
        ldif,
    );
    assert!(output.status.success(), "{}{}", process::both(&output), samba.log());
}

fn run(site: &Site, arguments: &[&str]) -> (Vec<String>, serde_json::Value) {
    let told = site.mfa([&["sync", "--json"], arguments].concat()).ok();
    let mut lines: Vec<serde_json::Value> =
        told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let sums = lines.pop().unwrap();
    let change = |line: &serde_json::Value| {
        format!("{} {}", line["what"].as_str().unwrap(), line["user"].as_str().unwrap())
    };
    let mut changes: Vec<_> = lines.iter().map(change).collect();
    changes.sort_unstable();
    (changes, sums)
}

#[test]
fn active_directory_is_followed() {
    let samba = Samba::start();
    let site = Site::new();
    let options = |sync: &str| {
        site.configure(&format!("ldap {{\n{}{}}}\nsync {{\n{sync}}}\n", samba.options(), service()));
    };
    let user = |name: &str| format!("CN={name},CN=Users,{TOP}");

    // Everybody: neither computers nor groups, nor whom the directory has disabled.
    options("max_removals = 50\n");
    let (_, sums) = run(&site, &["--dry-run"]);
    let all = sums["found"].as_u64().unwrap();
    // Those of samba_people.py without "disabled", and Administrator; Guest and krbtgt are disabled.
    assert_eq!(all, 13, "{sums}");
    // Gross and groß would be one user here.
    assert_eq!((&sums["added"], &sums["skipped"]), (&11.into(), &2.into()), "{sums}");

    // Alice is in it-admins in staff in vpn-users.
    options(&format!("group_dn = \"{}\"\nsms_from_directory = yes\n", user("vpn-users")));
    let (changes, sums) = run(&site, &["--dry-run"]);
    assert_eq!(changes, ["added alice", "added bob"].map(str::to_owned), "{sums}");
    assert_eq!(run(&site, &[]).1["added"], 2);
    assert!(site.mfa(["token", "list", "alice"]).ok().contains("XXX-XXX-4567"));
    let (changes, sums) = run(&site, &[]);
    assert_eq!((changes.len(), &sums["full"]), (0, &false.into()), "{sums}");

    // What changes is told by uSNChanged, and a new name by objectGUID.
    modify(
        &samba,
        &format!(
            "dn: {}\nchangetype: modify\nreplace: sAMAccountName\nsAMAccountName: Alicia\n-\nreplace: mobile\n\
             mobile: +41 79 123 45 68\n",
            user("alice")
        ),
    );
    let (changes, sums) = run(&site, &[]);
    assert_eq!((changes, &sums["full"]), (vec!["renamed alice".to_owned()], &false.into()));
    assert!(site.mfa(["token", "list", "alicia"]).ok().contains("XXX-XXX-4568"));

    // Disabled counts as removed, and enabled again as returned.
    for (account, expected) in [("514", "left bob"), ("512", "returned bob")] {
        modify(
            &samba,
            &format!(
                "dn: {}\nchangetype: modify\nreplace: userAccountControl\nuserAccountControl: {account}\n",
                user("bob")
            ),
        );
        assert_eq!(run(&site, &[]).0, [expected.to_owned()]);
    }

    // A new member whom nothing else has changed.
    modify(
        &samba,
        &format!(
            "dn: {}\nchangetype: modify\nadd: member\nmember: {}\n",
            user("it-admins"),
            user("mustchange")
        ),
    );
    assert_eq!(run(&site, &[]).1["added"], 1);

    // Members by their primary group, within another one.
    options(&format!("group_dn = \"{}\"\n", user("of-primary")));
    let (_, sums) = run(&site, &["--dry-run"]);
    assert_eq!(sums["found"], all, "{sums}");
    options(&format!("group_dn = \"{}\"\n", user("nobody")));
    assert!(site.mfa(["sync"]).refused(4).contains("group_dn: "));
}
