//! `make bench-sync`: `mfa sync` of very many users from OpenLDAP's slapd: how long it takes, and how much memory at most.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a measurement that fails may panic"
)]

use harness::slapd::{Slapd, TOP, service};
use mfa_harness as harness;
use std::fmt::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const PEOPLE: u32 = 100_000;

fn main() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let mut slapd = Slapd::start();
    let start = Instant::now();
    slapd.add_offline(&generated());
    println!("{PEOPLE} users, all in one group, generated in {:.0?}\n", start.elapsed());
    configure(folder.path(), &slapd);
    mfa(folder.path(), &["init"]);
    println!("| run | seconds | peak memory, MB | |\n|---|---|---|---|");
    let run = |name: &str, arguments: &[&str]| {
        let (took, peak, told) = measured(folder.path(), arguments);
        println!("| {name} | {:.1} | {} | {told} |", took.as_secs_f64(), peak / 1024);
    };
    run("first, with a totp and an sms token each", &["sync", "--json"]);
    let changed: String = (0..PEOPLE).step_by(100).map(change).collect();
    slapd.modify(&changed);
    run("1 % have another number", &["sync", "--json"]);
    run("nothing has changed", &["sync", "--json"]);
    run("nothing has changed, all read", &["sync", "--json", "--full"]);
    slapd.modify(&format!(
        "dn: cn=all,ou=groups,{TOP}\nchangetype: modify\nreplace: member\nmember: cn=nobody,{TOP}\n"
    ));
    run("the group is empty", &["sync", "--json"]);
}

fn dn(n: u32) -> String {
    format!("uid=person{n},ou=people,{TOP}")
}

/// As of long ago: changes are found by time.
fn generated() -> String {
    let mut ldif = String::new();
    for n in 0..PEOPLE {
        write!(
            ldif,
            "dn: {}\nobjectClass: inetOrgPerson\nuid: person{n}\ncn: Person {n}\nsn: {n}\nmail: person{n}@example.test\n\
             mobile: +4179{n:07}\nmodifyTimestamp: 20200101000000Z\n\n",
            dn(n)
        )
        .unwrap();
    }
    write!(ldif, "dn: cn=all,ou=groups,{TOP}\nobjectClass: groupOfNames\ncn: all\n").unwrap();
    for n in 0..PEOPLE {
        writeln!(ldif, "member: {}", dn(n)).unwrap();
    }
    ldif
}

fn change(n: u32) -> String {
    format!("dn: {}\nchangetype: modify\nreplace: mobile\nmobile: +4178{n:07}\n\n", dn(n))
}

fn configure(folder: &Path, slapd: &Slapd) {
    let at = folder.display();
    std::fs::create_dir(folder.join("mods-enabled")).unwrap();
    std::fs::write(folder.join("radiusd.conf"), "modules {\n\t$INCLUDE mods-enabled/\n}\n").unwrap();
    let text = format!(
        "mfa {{\nstore {{\nfilename = {at}/lib/mfa.db\nkey_file = {at}/lib/mfa.key\n}}\nldap {{\n{}{}}}\n\
         sync {{\ngroup_dn = \"cn=all,ou=groups,{TOP}\"\ntoken = totp\nmail_from_directory = mailbox\n\
         sms_from_directory = yes\n}}\n}}\n",
        slapd.options(),
        service()
    );
    std::fs::write(folder.join("mods-enabled/mfa"), text).unwrap();
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mfa"));
    command.arg("-d").arg(folder).args(arguments).stdin(Stdio::null());
    command
}

fn mfa(folder: &Path, arguments: &[&str]) {
    assert!(command(folder, arguments).stdout(Stdio::null()).status().unwrap().success());
}

/// How long it took, its peak memory in KiB, and the last line of what it said.
fn measured(folder: &Path, arguments: &[&str]) -> (Duration, u64, String) {
    let out = folder.join("out");
    let file = std::fs::File::create(&out).unwrap();
    let start = Instant::now();
    let mut child =
        command(folder, arguments).stdout(file.try_clone().unwrap()).stderr(file).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let told = std::fs::read_to_string(&status).unwrap_or_default();
        let line = told.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let now = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        peak = now.unwrap_or(0).max(peak);
        std::thread::sleep(Duration::from_millis(5));
    }
    let told = std::fs::read_to_string(out).unwrap();
    (start.elapsed(), peak, told.lines().last().unwrap_or_default().to_owned())
}
