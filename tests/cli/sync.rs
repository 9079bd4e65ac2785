//! `mfa sync` from slapd: who comes, changes, leaves and returns, and what stops it.

use super::harness::SOON;
use super::harness::slapd::{PEOPLE, Slapd, TOP, person, service};
use super::harness::smtp::Smtp;
use super::site::{Site, code, now, step};
use rlm_mfa::engine::Reason;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

fn options(slapd: &Slapd, sync: &str) -> String {
    format!("sms {{\ncountry_code = 41\n}}\nldap {{\n{}{}}}\nsync {{\n{sync}}}\n", slapd.options(), service())
}

fn vpn() -> String {
    format!("group_dn = \"cn=vpn,ou=groups,{TOP}\"\n")
}

/// People of these numbers, in a group of their own.
fn crowd(numbers: std::ops::Range<u32>) -> String {
    let mut ldif: String = numbers.clone().map(|n| person(&format!("u{n}"), &dn(n))).collect();
    write!(ldif, "dn: cn=crowd,ou=groups,{TOP}\nobjectClass: groupOfNames\ncn: crowd\n").unwrap();
    for n in numbers {
        writeln!(ldif, "member: {}", dn(n)).unwrap();
    }
    ldif
}

fn dn(n: u32) -> String {
    format!("uid=u{n},ou=people,{TOP}")
}

fn sums(site: &Site, arguments: &[&str]) -> serde_json::Value {
    let told = site.mfa([&["sync", "--json"], arguments].concat()).ok();
    serde_json::from_str(told.lines().last().unwrap()).unwrap()
}

fn users(site: &Site) -> Vec<String> {
    let all = site.mfa(["user", "list", "--json"]).json();
    all.as_array().unwrap().iter().map(|user| user["user"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn members_come_change_leave_and_return() {
    let slapd = Slapd::start();
    let site = Site::new();
    site.configure(&options(&slapd, &format!("{}sms_from_directory = yes\n", vpn())));
    assert!(site.mfa(["doctor"]).out.contains("warn  sync           has never run"));
    let told = site.mfa(["sync", "--dry-run"]).ok();
    assert!(
        told.contains("added  alice  sms XXX-XXX-4567") && told.contains("nothing was changed"),
        "{told}"
    );
    assert!(users(&site).is_empty());
    assert!(site.mfa(["doctor"]).out.contains("has never run"), "a dry run leaves nothing behind");
    site.mfa(["user", "add", "bob"]).ok();
    let told = site.mfa(["sync"]).ok();
    assert!(
        told.contains("adopted  bob") && told.contains("found       2\nadded       1\nadopted     1\n"),
        "{told}"
    );
    assert_eq!(users(&site), ["alice", "bob"]);
    let found = site.mfa(["doctor"]).out;
    assert!(
        found.contains("ok    sync           20") && found.contains("2 users found, 1 added, 1 adopted"),
        "{found}"
    );

    // A new name: the tokens stay with the user.
    let secret = super::site::SECRET;
    site.mfa(["token", "add", "alice", "totp", "--secret", secret]).ok();
    slapd.modify(&format!(
        "dn: uid=alice,ou=people,{TOP}\nchangetype: modrdn\nnewrdn: uid=Alicia\ndeleteoldrdn: 1\n\n\
         dn: cn=it,ou=groups,{TOP}\nchangetype: modify\nreplace: member\nmember: uid=alicia,ou=people,{TOP}\n\n\
         dn: uid=Alicia,ou=people,{TOP}\nchangetype: modify\nreplace: mobile\nmobile: 079 123 45 68\n"
    ));
    let told = site.mfa(["sync"]).ok();
    assert!(told.contains("renamed  alice  to alicia"), "{told}");
    let uri = format!("otpauth://totp/x?secret={secret}");
    assert_eq!(site.login("ALICIA", &code(&uri, step())).reason(), Reason::Right);
    assert!(site.mfa(["token", "list", "alicia"]).ok().contains("XXX-XXX-4568"));

    // A user who is removed is locked, whatever they have, and comes back unchanged.
    slapd.modify(&format!(
        "dn: cn=it,ou=groups,{TOP}\nchangetype: modify\nreplace: member\nmember: uid=locked,ou=people,{TOP}\n"
    ));
    let told = site.mfa(["sync"]).ok();
    assert!(told.contains("left  alicia  locked") && told.contains("added       1"), "{told}");
    assert_eq!(site.login("alicia", &code(&uri, step() + 1)).reason(), Reason::Locked);
    assert!(site.mfa(["user", "show", "alicia"]).ok().contains("locked, has left the directory"));
    slapd.modify(&format!(
        "dn: cn=it,ou=groups,{TOP}\nchangetype: modify\nadd: member\nmember: uid=alicia,ou=people,{TOP}\n"
    ));
    let told = site.mfa(["sync"]).ok();
    assert!(told.contains("returned  alicia  unlocked"), "{told}");
    assert_eq!(site.login("alicia", &code(&uri, step() + 1)).reason(), Reason::Right);
    assert_eq!(users(&site), ["alicia", "bob", "locked"]);
}

#[test]
fn without_a_group_all_are_taken_whom_the_filter_finds() {
    let slapd = Slapd::start();
    let site = Site::new();
    site.configure(
        &options(&slapd, "max_removals = 1\n")
            .replace("username_attribute", "filter = \"(!(uid=svc))\"\nusername_attribute"),
    );
    assert_eq!(sums(&site, &[])["added"], PEOPLE.len());
    let all = sums(&site, &["--full"]);
    assert_eq!(
        (&all["full"], &all["changed"], &all["found"]),
        (&true.into(), &0.into(), &PEOPLE.len().into())
    );
    assert_eq!(sums(&site, &[])["full"], false);
}

#[test]
fn names_are_those_under_which_logins_look() {
    let slapd = Slapd::start();
    let site = Site::new();
    let plain = options(&slapd, &vpn());
    let named = |stored_as: &str| {
        site.configure(&format!("username {{\ndomain = keep\nstored_as = \"{stored_as}\"\n}}\n{plain}"));
    };
    named("{mail}");
    assert_eq!(sums(&site, &[])["added"], 2);
    assert_eq!(users(&site), ["alice@example.test", "bob@example.test"]);
    named("{user}");
    assert_eq!(sums(&site, &[])["renamed"], 2, "other rules are read as a change of all");
    slapd.modify(&format!("dn: uid=bob,ou=people,{TOP}\nchangetype: modify\ndelete: mail\n"));
    named("{mail}");
    let told = site.mfa(["sync"]).ok();
    assert!(told.contains("skipped  bob") && told.contains("bob: has no mail"), "{told}");
    assert_eq!(users(&site), ["alice@example.test", "bob"]);
}

#[test]
fn too_many_who_left_and_all_of_them_stop_the_run() {
    let mut slapd = Slapd::start();
    slapd.add_offline(&crowd(0..300));
    let site = Site::new();
    site.configure(&options(&slapd, &format!("group_dn = \"cn=crowd,ou=groups,{TOP}\"\n")));
    assert_eq!(sums(&site, &[])["added"], 300);
    let members = |numbers: std::ops::Range<u32>| {
        let mut ldif = format!("dn: cn=crowd,ou=groups,{TOP}\nchangetype: modify\nreplace: member\n");
        numbers.for_each(|n| writeln!(ldif, "member: {}", dn(n)).unwrap());
        slapd.modify(&ldif);
    };
    members(0..269);
    let told = site.mfa(["sync"]).refused(1);
    assert!(told.contains("31 of 300 users would be locked") && told.contains("allows 30"), "{told}");
    assert!(site.mfa(["doctor"]).out.contains("fail  sync "), "it is told");
    // A group without any member who is a user.
    members(1000..1001);
    let told = site.mfa(["sync"]).refused(1);
    assert!(told.contains("no user is found in the directory, where 300 users were"), "{told}");
    site.configure(&options(
        &slapd,
        &format!("group_dn = \"cn=crowd,ou=groups,{TOP}\"\nmax_removals = \"100%\"\n"),
    ));
    assert_eq!(site.mfa(["sync", "--dry-run"]).status, 1, "and never all of them");
    slapd.modify(&format!("dn: cn=crowd,ou=groups,{TOP}\nchangetype: delete\n"));
    let told = site.mfa(["sync"]).refused(4);
    assert!(told.contains("group_dn: ") && told.contains("there is no such entry"), "{told}");
    let left = site.mfa(["user", "list"]).ok();
    assert!(!left.contains("left the directory"), "{left}");
}

/// A way to the server that ends after so many octets of it.
fn cut_after(port: u16, octets: usize) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let here = listener.local_addr().unwrap().port();
    let carried = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&carried);
    std::thread::spawn(move || {
        for mut client in listener.incoming().map_while(Result::ok) {
            let mut server = TcpStream::connect(("127.0.0.1", port)).unwrap();
            let (mut up, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut up, &mut to));
            let mut chunk = [0; 4096];
            while let Ok(read @ 1..) = server.read(&mut chunk) {
                if count.fetch_add(read, Ordering::SeqCst) > octets
                    || client.write_all(&chunk[..read]).is_err()
                {
                    break;
                }
            }
            let _ = client.shutdown(std::net::Shutdown::Both);
            let _ = server.shutdown(std::net::Shutdown::Both);
        }
    });
    (here, carried)
}

#[test]
fn directory_that_fails_half_way_changes_nothing() {
    let mut slapd = Slapd::start();
    slapd.add_offline(&crowd(0..1200));
    let site = Site::new();
    let all = options(&slapd, "max_removals = \"100%\"\n");
    site.configure(&all);
    assert_eq!(sums(&site, &[])["added"], 1200 + PEOPLE.len() + 1);
    for octets in [40_000, 100_000] {
        let (port, carried) = cut_after(slapd.tls_port, octets);
        site.configure(&all.replace(&format!("port = {}", slapd.tls_port), &format!("port = {port}")));
        let told = site.mfa(["sync", "--full"]).refused(4);
        assert!(told.contains("nothing was changed"), "{told}");
        assert!(carried.load(Ordering::SeqCst) > octets);
        assert!(!site.mfa(["user", "list"]).ok().contains("left the directory"));
    }
}

#[test]
fn run_that_was_killed_is_completed_by_the_next() {
    let mut slapd = Slapd::start();
    slapd.add_offline(&crowd(0..3000));
    let site = Site::new();
    site.configure(&options(&slapd, "token = totp\n"));
    let count = || -> u32 {
        let open = rusqlite::Connection::open(site.database()).unwrap();
        open.query_row("SELECT count(*) FROM user", (), |row| row.get(0)).unwrap()
    };
    let mut child = site.command(["sync"]).spawn().unwrap();
    let start = Instant::now();
    while count() == 0 {
        assert!(start.elapsed() < 2 * SOON);
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let before = count();
    assert!((1..3000).contains(&before), "{before}");
    let all = u32::try_from(3000 + PEOPLE.len() + 1).unwrap();
    assert_eq!(sums(&site, &[])["added"], all - before);
    assert_eq!(count(), all);
}

#[test]
fn new_user_gets_his_token_by_mail_and_logs_in_with_it() {
    let (slapd, smtp) = (Slapd::start(), Smtp::start());
    let site = Site::new();
    let sync = format!("{}token = totp\nenrolment_mail = yes\nmail_from_directory = mailbox\n", vpn());
    let well = format!("{}{}", options(&slapd, &sync), smtp.options());
    site.configure(&well.replace(&format!("port = {}", smtp.starttls), "port = 1"));
    let outcome = site.mfa(["sync"]);
    assert!(
        outcome.status == 0 && outcome.err.contains("alice: the token could not be mailed"),
        "{outcome:?}"
    );
    assert!(!format!("{outcome:?}").contains("alice@example.test"), "{outcome:?}");
    assert!(outcome.out.contains("to be sent  2"), "{outcome:?}");
    assert!(site.mfa(["doctor"]).out.contains("2 new users are still to be sent their tokens"));
    site.configure(&well);
    assert_eq!(sums(&site, &[])["sent"], 2);
    assert_eq!(sums(&site, &["--full"])["sent"], 0);
    let mail = smtp.wait_for("alice@example.test", 1).data;
    assert_eq!(smtp.mails_to("alice@example.test").len(), 1);
    let parts: Vec<&str> = mail.split("\r\n\r\n").collect();
    let encoded = parts.iter().position(|part| part.contains("image/png")).map(|at| parts[at + 1]).unwrap();
    let encoded: String = encoded.split("\r\n--").next().unwrap().split_whitespace().collect();
    let png = data_encoding::BASE64.decode(encoded.as_bytes()).unwrap();
    site.write("qr.png", "");
    std::fs::write(site.path("qr.png"), png).unwrap();
    let uri = super::site::read_qr(&site.path("qr.png"));
    assert!(uri.starts_with("otpauth://totp/VPN:alice?secret="), "{uri}");
    let unfolded = mail.replace("=\r\n", "").replace("=3D", "=");
    assert!(unfolded.contains(&uri), "the link is in the text: {unfolded}");
    assert_eq!(site.login("alice", &code(&uri, step())).reason(), Reason::Right);
    assert!(now().as_seconds() > 0);
}

#[test]
fn watching_goes_on_after_a_failure() {
    let mut slapd = Slapd::start();
    let site = Site::new();
    site.configure(&options(&slapd, &format!("{}interval = 60\n", vpn())));
    slapd.stop();
    let mut child = site.command(["sync", "--watch"]).spawn().unwrap();
    let start = Instant::now();
    while !site.mfa(["doctor"]).out.contains("fail  sync ") {
        assert!(start.elapsed() < SOON);
    }
    assert!(child.try_wait().unwrap().is_none(), "it waits for the next round");
    super::harness::process::signal(child.id(), "TERM");
    assert!(super::harness::process::ended(&mut child, SOON));
}
