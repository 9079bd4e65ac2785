//! The files that `make install` puts into raddb, in a running server.

use crate::harness::eapol::{Method, TUNNELS, login};
use crate::harness::site::PASSWORD;
use crate::harness::webhook::{KEY, Webhook};
use crate::harness::{Code, Login, Server, Site};
use std::time::Duration;

/// The shipped site and the shipped module file, on a free port, beside the stock sites, with the store in a folder of its own.
fn shipped() -> Server {
    shipped_with(&[])
}

/// What an administrator changes for a webhook.
fn asked_by(webhook: &Webhook) -> Vec<(&'static str, String)> {
    vec![
        ("#\t\tprovider = none", "provider = webhook".into()),
        (
            "#\t\t\tstart_url = \"https://push.example.test/mfa\"",
            format!("start_url = \"{}\"", webhook.url()),
        ),
        ("#\t\t\thmac_key = \"what openssl has printed\"", format!("hmac_key = \"{KEY}\"")),
    ]
}

/// The administrator's changes for mode `auto`.
fn auto() -> Vec<(&'static str, String)> {
    vec![("#\tmode = passcode", "mode = auto".into())]
}

/// The same with these changes of lines.
fn shipped_with(changes: &[(&str, String)]) -> Server {
    let server = Server::prepare(Site::passcode().in_tunnel());
    let read =
        |name: &str| std::fs::read_to_string(format!("{}/raddb/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let put = |name: &str, text: String| std::fs::write(server.folder.join(name), text).unwrap();
    put(
        "sites-enabled/default",
        read("sites-available/mfa").replace("port = 11812", &format!("port = {}", server.port)),
    );
    let rest = std::fs::read_to_string(server.folder.join("mods-enabled/rest")).unwrap();
    put("mods-enabled/rest", rest.replace("virtual_server = inner", "virtual_server = mfa-inner-tunnel"));
    let mut module = read("mods-available/mfa");
    for (line, instead) in changes {
        assert_eq!(module.matches(line).count(), 1, "{line}");
        module = module.replace(line, instead);
    }
    let store = server.store.display();
    let module = module
        .replace("#\t\tfilename = /var/lib/freeradius-mfa/", &format!("\t\tfilename = {store}/"))
        .replace("#\t\tkey_file = /var/lib/freeradius-mfa/", &format!("\t\tkey_file = {store}/"));
    assert_eq!(module.matches(&store.to_string()).count(), 2, "the shipped file names database and key");
    put("mods-enabled/mfa", module);
    server.admin(&["init"]);
    let mut server = server;
    server.up().unwrap();
    server
}

#[test]
fn shipped_site_logs_in_by_every_protocol() {
    let server = shipped();
    let alice = server.enrol("alice");
    assert_eq!(Login::pap("alice", &alice.code(0)).send(&server).code, Code::Accept);
    assert_eq!(Login::chap("alice", &alice.code(1)).send(&server).code, Code::Accept);
    assert_eq!(Login::mschap("alice", &alice.code(2)).send(&server).code, Code::Accept);
    assert_eq!(Login::mschap2("alice", &alice.code(3)).send(&server).code, Code::Accept);
    for (counter, method) in
        [(4, Method::TtlsPap), (5, Method::TtlsMsChap2), (6, Method::PeapMsChap2), (7, Method::PeapGtc)]
    {
        let session = login(&server, method, "alice", &alice.code(counter));
        assert!(session.accepted && session.keys_match, "{method:?}\n{}", session.output);
        assert!(!login(&server, method, "alice", &alice.code(counter)).accepted, "{method:?} again");
    }
    assert_eq!(Login::pap("alice", "000000").send(&server).code, Code::Reject);
}

#[test]
fn shipped_site_is_silent_at_start() {
    let asking = asked_by(&Webhook::start());
    for changes in [vec![], asking.clone(), [asking, auto()].concat()] {
        let log = shipped_with(&changes).log();
        let warnings: Vec<&str> =
            log.lines().filter(|line| line.contains("Warn") && line.contains("mfa")).collect();
        assert!(warnings.is_empty(), "{warnings:#?}");
    }
}

#[test]
fn shipped_site_waits_for_a_push_by_every_protocol() {
    let webhook = Webhook::start();
    webhook.preset(None, "approved", Duration::from_millis(500));
    let server = shipped_with(&asked_by(&webhook));
    let plain = [Login::pap, Login::chap, Login::mschap, Login::mschap2];
    for login in plain.map(|of| of("alice", "push")) {
        assert_eq!(login.send(&server).code, Code::Accept, "{login:?}");
    }
    for method in TUNNELS {
        let session = login(&server, method, "bob", "push");
        assert!(session.accepted && session.keys_match, "{method:?}\n{}", session.output);
    }
    assert_eq!(webhook.asked(), 9);
}

#[test]
fn shipped_site_in_mode_auto_asks_nobody_since_it_checks_no_password() {
    let webhook = Webhook::start();
    webhook.preset(None, "approved", Duration::ZERO);
    let server = shipped_with(&[asked_by(&webhook), auto()].concat());
    let plain = [Login::pap, Login::chap, Login::mschap, Login::mschap2];
    for login in plain.map(|of| of("alice", "push")) {
        assert_eq!(login.send(&server).code, Code::Reject, "{login:?}");
    }
    for method in TUNNELS {
        assert!(!login(&server, method, "alice", "push").accepted, "{method:?}");
    }
    assert_eq!(webhook.asked(), 0);
}

#[test]
fn shipped_policies_choose_the_mode() {
    let webhook = Webhook::start();
    let mut site = Site::append();
    site.mfa = format!("mode = passcode\npush {{\n{}\n}}", webhook.options());
    site.authorize = format!(
        "update control {{\nCleartext-Password := \"{PASSWORD}\"\n}}\n\
         if (&User-Name == \"exempt\") {{\nmfa_exempt\n}}\nelsif (&User-Name == \"alice\") {{\nmfa_append\n}}\n\
         elsif (&User-Name == \"carol\") {{\nmfa_auto\n}}\n\
         else {{\nmfa_passcode\n}}\npap"
    );
    site.authenticate.push_str("\nAuth-Type mfa {\nmfa\n}");
    let server = site.start();
    let (alice, bob) = (server.enrol("alice"), server.enrol("bob"));
    let login = |user: &str, text: &str| Login::pap(user, text).send(&server).code;
    assert_eq!(login("alice", &format!("{PASSWORD}{}", alice.code(0))), Code::Accept);
    assert_eq!(login("alice", &alice.code(1)), Code::Reject);
    assert_eq!(login("bob", &bob.code(0)), Code::Accept);
    assert_eq!(login("bob", &format!("{PASSWORD}{}", bob.code(1))), Code::Reject);
    assert_eq!(login("exempt", PASSWORD), Code::Accept);
    assert_eq!(login("exempt", "wrong"), Code::Reject);
    assert_eq!(login("carol", "wrong"), Code::Reject);
    assert_eq!(webhook.asked(), 0);
    webhook.preset(None, "approved", Duration::ZERO);
    assert_eq!(login("carol", PASSWORD), Code::Accept);
    assert_eq!(webhook.asked(), 1);
}

#[test]
fn doctor_names_an_auth_type_without_a_section_and_says_first_what_matters() {
    let server = shipped();
    let doctor = |form: &[&str]| server.mfa(&[&["doctor"], form].concat()).out;
    let lines = doctor(&[]);
    assert!(!lines.contains("has no section"), "{lines}");
    let state = |line: &str| line.split(' ').next().unwrap().to_owned();
    let states: Vec<_> = lines.lines().map(state).filter(|state| !state.is_empty()).collect();
    let rank = |state: &String| ["fail", "warn", "ok"].iter().position(|one| one == state).unwrap();
    assert!(states.is_sorted_by_key(rank), "{lines}");
    // The stock sites, which take logins from this machine only.
    let coverage: Vec<_> = lines.lines().filter(|line| line.contains(" coverage ")).collect();
    assert_eq!(coverage.len(), 1, "{lines}");
    assert!(coverage[0].contains("\"stock\", \"inner-tunnel\""), "{lines}");
    assert!(doctor(&["--json"]).matches("\"coverage\"").count() > 10);
    let file = server.folder.join("sites-enabled/default");
    let text = std::fs::read_to_string(&file).unwrap().replace("Auth-Type mschap {", "Auth-Type other {");
    std::fs::write(file, text).unwrap();
    let lines = doctor(&[]);
    for server in ["mfa", "mfa-inner-tunnel"] {
        let text = format!(
            "server \"{server}\": \"mschap\" sets Auth-Type mschap, for which authenticate has no section"
        );
        assert!(lines.contains(&text), "{lines}");
    }
}
