//! The password by the directory, then the second factor: no other module checks anything.

use crate::harness::eapol::{Method, Peer};
use crate::harness::radclient::Under;
use crate::harness::samba::{self, Samba};
use crate::harness::slapd::{self, Slapd};
use crate::harness::webhook::Webhook;
use crate::harness::wire::{CALLING_STATION, Packet, STATE};
use crate::harness::{Code, Login, Nas, SOON, Server, Site};
use std::time::{Duration, Instant};

const STATION: (u8, &str) = (CALLING_STATION, "198.51.100.7");
/// RFC 2869, section 5.17: nothing that makes packets packets of one attempt.
const NAS_PORT_ID: u8 = 87;

fn ldap(slapd: &Slapd, more: &str) -> String {
    format!("first_factor = ldap\nldap {{\n{}{}\n}}\n{more}", slapd.options(), slapd::service())
}

fn last(server: &Server, user: &str) -> (String, String) {
    server.audit(user).pop().unwrap()
}

fn answer(verdict: &str, reason: &str) -> (String, String) {
    (verdict.to_owned(), reason.to_owned())
}

#[test]
fn password_and_code_in_one_field() {
    let slapd = Slapd::start();
    let server = Site::own("append", &ldap(&slapd, "")).start();
    let alice = server.enrol("alice");
    let login = |text: String| Login::pap("alice", &text).send(&server).code;
    assert_eq!(login(format!("alice-pw{}", alice.code(0))), Code::Accept);
    assert_eq!(server.audit("alice"), [answer("accept", "right code")]);
    assert_eq!(login(format!("alice-pw{}", alice.code(0))), Code::Reject, "each code once");
    assert_eq!(login(format!("wrong{}", alice.code(1))), Code::Reject);
    assert_eq!(last(&server, "alice"), answer("reject", "wrong password"));
    assert_eq!(server.audit("alice").len(), 3, "one row for each login");
    assert_eq!(
        login(format!("alice-pw{}", alice.code(1))),
        Code::Reject,
        "that wrong password cost its code"
    );
    assert_eq!(last(&server, "alice"), answer("reject", "code already used"));
    assert_eq!(login(format!("alice-pw{}", alice.code(2))), Code::Accept);
}

#[test]
fn who_has_no_token_cannot_lock_an_account_of_the_directory() {
    let slapd = Slapd::start();
    let server = Site::own("append", &ldap(&slapd, "lockout {\nslow_after = 1000\n}")).start();
    let alice = server.enrol("alice");
    for n in 0..6 {
        assert_eq!(Login::pap("alice", &format!("wrong{n}000000")).send(&server).code, Code::Reject);
    }
    // The policy of the directory locks after three.
    assert_eq!(Login::pap("alice", &format!("alice-pw{}", alice.code(0))).send(&server).code, Code::Accept);
}

#[test]
fn nothing_but_the_right_password_leads_to_a_challenge() {
    let slapd = Slapd::start();
    let server = Site::own("challenge", &ldap(&slapd, "")).start();
    let alice = server.enrol("alice");
    let nas = Nas::new();
    let mut count = 0;
    let mut says = |user: &str, text: &str| {
        count += 1;
        nas.reply(&nas.pap(&server, user, text, &[(CALLING_STATION, &format!("198.51.100.{count}"))]))
    };
    for (user, password) in [("alice", "wrong"), ("alice", ""), ("nobody", "alice-pw"), ("*", "alice-pw")] {
        let said = says(user, password);
        assert_eq!((said.code, said.get("Reply-Message")), (Code::Reject, None), "{user} {password}");
    }
    assert_eq!(last(&server, "alice"), answer("malformed", "no password, or several"));
    let challenge = nas.reply(&nas.pap(&server, "alice", "alice-pw", &[STATION]));
    assert_eq!(
        (challenge.code, challenge.get("Reply-Message")),
        (Code::Challenge, Some("Enter a passcode: "))
    );
    let state = challenge.get("State").unwrap().to_owned();
    let wrong = nas.reply(&nas.pap(&server, "alice", "000000", &[STATION, (STATE, &state)]));
    assert_eq!(wrong.code, Code::Challenge);
    let state = wrong.get("State").unwrap().to_owned();
    let right = nas.reply(&nas.pap(&server, "alice", &alice.code(0), &[STATION, (STATE, &state)]));
    assert_eq!(right.code, Code::Accept);
    assert_eq!(last(&server, "alice"), answer("accept", "right code"));
}

#[test]
fn password_leads_to_a_push_and_a_wrong_one_does_not() {
    let (slapd, webhook) = (Slapd::start(), Webhook::start());
    let push = format!("push {{\n{}\nusername = \"{{mail}}\"\n}}", webhook.options());
    let server = Site::own("auto", &ldap(&slapd, &push)).start();
    assert_eq!(Login::pap("alice", "wrong").send(&server).code, Code::Reject);
    let login = Login::pap("alice", "alice-pw").start(&server);
    let asked = webhook.wait_for(1);
    assert_eq!(asked[0].user, "alice@example.test", "as push {{ }} names him");
    webhook.approve("alice@example.test");
    assert_eq!(login.reply().code, Code::Accept);
    assert_eq!(webhook.asked(), 1);
}

#[test]
fn groups_decide_who_is_asked_and_what_the_client_is_told() {
    let slapd = Slapd::start();
    let more = "policy {\nrequired {\ngroup = vpn\n}\nexceptions {\nwheel {\ngroup = wheel\n}\n}\n}\n\
                reply {\nit {\ngroup = IT\nattribute = \"Filter-Id = it-{user}\"\nattribute = \"Class = {description}\"\n\
                attribute = \"Tunnel-Private-Group-Id:1 = 42\"\nattribute = \"Tunnel-Type:1 = VLAN\"\n}\n\
                all {\nattribute = \"Session-Timeout = 600\"\n}\n}";
    let groups = "update reply {\nReply-Message += \"%{control:MFA-Group[*]}\"\n}";
    for mode in ["append", "challenge"] {
        let server = Site::own(mode, &ldap(&slapd, more)).last(groups).start();
        let alice = server.enrol("alice");
        let nas = Nas::new();
        let said = match mode {
            "append" => Login::pap("alice", &format!("alice-pw{}", alice.code(0))).send(&server),
            _ => {
                let challenge = nas.reply(&nas.pap(&server, "alice", "alice-pw", &[STATION]));
                let state = challenge.get("State").unwrap().to_owned();
                nas.reply(&nas.pap(&server, "alice", &alice.code(0), &[STATION, (STATE, &state)]))
            }
        };
        assert_eq!(said.code, Code::Accept, "{mode}");
        assert_eq!(said.get("Filter-Id"), Some("it-alice"), "{mode}");
        assert!(said.get("Session-Timeout").is_some(), "{mode}");
        let told: Vec<_> = said.all("Reply-Message").concat().split(',').map(str::to_owned).collect();
        for group in ["it", "staff", "vpn", "unix"] {
            assert!(told.contains(&group.to_owned()), "{mode} {group} {told:?}");
        }
        // wheel is an exception; svc is in no group that is asked.
        for (user, reason) in [("bob", "wheel"), ("svc", "not required")] {
            let said = Login::pap(user, &format!("{user}-pw")).send(&server);
            assert_eq!((said.code, said.get("Filter-Id")), (Code::Accept, None), "{mode} {user}");
            assert!(server.logged(reason), "{mode} {user} {}", server.log());
            assert_eq!(Login::pap(user, "wrong").send(&server).code, Code::Reject, "{mode} {user}");
        }
    }
}

#[test]
fn empty_attribute_of_the_directory_is_none() {
    let slapd = Slapd::start();
    slapd.modify(&format!(
        "dn: uid=alice,ou=people,{0}\nchangetype: modify\nadd: objectClass\nobjectClass: posixAccount\n-\n\
         add: uidNumber\nuidNumber: 1001\n-\nadd: gidNumber\ngidNumber: 1001\n-\nadd: homeDirectory\n\
         homeDirectory: /home/alice\n-\nadd: gecos\ngecos:\n\n",
        slapd::TOP
    ));
    let of_each_type = [
        "Session-Timeout",
        "Framed-IP-Address",
        "Framed-IPv6-Prefix",
        "Framed-Interface-Id",
        "Event-Timestamp",
        "Class",
        "Filter-Id",
        "Ascend-Data-Filter",
        "Service-Type",
    ];
    let told: String = of_each_type.map(|name| format!("attribute = \"{name} = {{gecos}}\"\n")).concat();
    let more = format!("reply {{\nall {{\n{told}attribute = \"Idle-Timeout = 60\"\n}}\n}}");
    let mut server = Site::own("append", &ldap(&slapd, &more)).start();
    let alice = server.enrol("alice");
    let said = Login::pap("alice", &format!("alice-pw{}", alice.code(0))).send(&server);
    assert_eq!(said.code, Code::Accept);
    let names: Vec<&str> = said.attributes.iter().map(|(name, _)| name.as_str()).collect();
    assert!(names.contains(&"Idle-Timeout"), "{names:?}");
    assert!(!of_each_type.iter().any(|name| names.contains(name)), "{names:?}");
    assert!(server.is_up());
}

#[test]
fn exemption_by_unlang_still_needs_the_password() {
    let slapd = Slapd::start();
    let exempt = "update control {\nMFA-Exempt := yes\n}";
    let server = Site::own("append", &ldap(&slapd, "")).first(exempt).start();
    assert_eq!(Login::pap("alice", "alice-pw").send(&server).code, Code::Accept);
    assert_eq!(Login::pap("alice", "wrong").send(&server).code, Code::Reject);
    assert_eq!(Login::pap("alice", "").send(&server).code, Code::Reject);
}

#[test]
fn tokens_may_be_under_another_name_than_the_one_that_is_typed() {
    let slapd = Slapd::start();
    let more = "username {\ndomain = keep\nstored_as = \"{mail}\"\n}";
    for mode in ["append", "challenge"] {
        let server = Site::own(mode, &ldap(&slapd, more)).start();
        let token = server.enrol("alice@example.test");
        let nas = Nas::new();
        let said = match mode {
            "append" => Login::pap("alice", &format!("alice-pw{}", token.code(0))).send(&server).code,
            _ => {
                let challenge = nas.reply(&nas.pap(&server, "alice", "alice-pw", &[STATION]));
                assert_eq!(challenge.code, Code::Challenge);
                let state = challenge.get("State").unwrap().to_owned();
                let other = [(CALLING_STATION, "198.51.100.8"), (STATE, &state)];
                assert_eq!(nas.reply(&nas.pap(&server, "alice", &token.code(0), &other)).code, Code::Reject);
                let challenge = nas.reply(&nas.pap(&server, "alice", "alice-pw", &[STATION]));
                let state = challenge.get("State").unwrap().to_owned();
                nas.reply(&nas.pap(&server, "alice", &token.code(0), &[STATION, (STATE, &state)])).code
            }
        };
        assert_eq!(said, Code::Accept, "{mode}");
    }
}

#[test]
fn directory_that_is_gone_or_hangs_refuses_and_others_go_on() {
    let mut slapd = Slapd::start();
    let options = ldap(&slapd, "").replace("ldap {", "ldap {\ntimeout = 6");
    let server = Site::own("append", &options)
        .first("if (&User-Name == \"local\") {\nupdate control {\nMFA-Mode := passcode\n}\n}")
        .start();
    let (alice, local) = (server.enrol("alice"), server.enrol("local"));
    slapd.hang();
    let waits: Vec<_> = (0..40)
        .map(|n| {
            let field = format!("alice-pw{}", alice.code(0));
            let station = format!("198.51.100.{n}");
            Login::pap("alice", &field).with("Calling-Station-Id", &station).start(&server)
        })
        .collect();
    assert_eq!(Login::pap("local", &local.code(0)).send(&server).code, Code::Accept);
    assert!(waits.iter().any(Under::waits), "no thread is held: the others still wait");
    for wait in waits {
        assert_eq!(wait.reply().code, Code::Reject);
    }
    let reasons = server.audit("alice");
    assert!(reasons.contains(&answer("unavailable", "directory unavailable")), "{reasons:?}");
    assert!(reasons.iter().all(|(verdict, _)| verdict != "accept"), "{reasons:?}");
    slapd.go_on();
    slapd.stop();
    assert_eq!(Login::pap("alice", &format!("alice-pw{}", alice.code(1))).send(&server).code, Code::Reject);
    assert_eq!(last(&server, "alice"), answer("unavailable", "directory unavailable"));
    slapd.restart();
    let start = Instant::now();
    let mut counter = 2;
    while Login::pap("alice", &format!("alice-pw{}", alice.code(counter))).send(&server).code != Code::Accept
    {
        assert!(start.elapsed() < 2 * SOON, "{}", server.log());
        counter += 1;
        std::thread::sleep(Duration::from_millis(500));
    }
}

#[test]
fn states_of_active_directory_are_told_to_whoever_knows_the_password() {
    let samba = Samba::start();
    let options = format!(
        "first_factor = ldap\nldap {{\n{}{}security_group_dn = \"CN=vpn-users,CN=Users,{}\"\n}}\n",
        samba.options(),
        samba::service(),
        samba::TOP
    );
    let server = Site::own("challenge", &format!("{options}lockout {{\nslow_after = 1000\n}}")).start();
    server.enrol("alice");
    for n in 0..3 {
        Login::pap("locked", &format!("other-Pw{n}")).send(&server);
    }
    let nas = Nas::new();
    let says = |user: &str, password: &str| {
        let said = nas.reply(&nas.pap(&server, user, password, &[STATION]));
        (said.code, said.get("Reply-Message").map(str::to_owned))
    };
    for (user, reason, verdict, text) in [
        (
            "pwexpired",
            "password expired",
            "reject",
            Some("Your password has expired. Change it, then log in again."),
        ),
        (
            "mustchange",
            "password has to be changed",
            "reject",
            Some("Your password has to be changed first. Change it, then log in again."),
        ),
        (
            "disabled",
            "account disabled or expired",
            "reject",
            Some("Your account is disabled. Ask your administrator."),
        ),
        ("locked", "account locked in the directory", "locked", None),
    ] {
        assert_eq!(says(user, samba::PASSWORD), (Code::Reject, text.map(str::to_owned)), "{user}");
        assert_eq!(last(&server, user), answer(verdict, reason), "{user}");
        assert_eq!(says(user, "other-Pw9"), (Code::Reject, None), "{user}");
    }
    assert_eq!(says("alice", samba::PASSWORD).0, Code::Challenge, "nested: it-admins, staff, vpn-users");
    assert_eq!(says("alice@example.test", samba::PASSWORD).0, Code::Challenge);
}

#[test]
fn login_that_needs_a_second_factor_does_not_ride_on_one_that_needs_none() {
    let slapd = Slapd::start();
    let exempt = "if (&NAS-Port-Id == \"office\") {\nupdate control {\nMFA-Exempt := yes\n}\n}";
    let server = Site::own("challenge", &ldap(&slapd, "")).first(exempt).start();
    server.enrol("alice");
    let nas = Nas::new();
    // Both wait for the directory with the same password, and in all else are packets of one attempt.
    slapd.hang();
    let office = nas.pap(&server, "alice", "alice-pw", &[STATION, (NAS_PORT_ID, "office")]);
    std::thread::sleep(Duration::from_millis(300));
    let other = nas.pap(&server, "alice", "alice-pw", &[STATION]);
    std::thread::sleep(Duration::from_millis(300));
    slapd.go_on();
    assert_eq!(nas.reply(&other).code, Code::Challenge);
    assert_eq!(nas.reply(&office).code, Code::Accept);
}

#[test]
fn password_in_a_tunnel_is_asked_about_there() {
    let slapd = Slapd::start();
    let options = ldap(&slapd, "lockout {\nslow_after = 1000\n}");
    let server = Site::own("append", &options).in_tunnel().start();
    let alice = server.enrol("alice");
    let login = |user: &str, text: String| {
        let peer = Peer { outside: "alice".into(), ..Peer::new(Method::TtlsPap, user, &text) };
        peer.login(&server).accepted
    };
    assert!(!login("alice", format!("wrong{}", alice.code(0))));
    assert_eq!(last(&server, "alice"), answer("reject", "wrong password"));
    assert!(!login("alice", "alice-pw".into()) && !login("alice", alice.code(1)));
    assert!(!login("bob", format!("alice-pw{}", alice.code(1))), "the name is the one in the tunnel");
    assert!(login("alice", format!("alice-pw{}", alice.code(1))));
    assert_eq!(last(&server, "alice"), answer("accept", "right code"));
}

#[test]
fn no_login_is_lost_when_the_first_directory_dies_or_hangs() {
    let ways: [fn(&mut Slapd); 2] = [Slapd::kill, |slapd| slapd.hang()];
    for fails in ways {
        let mut slapd = Slapd::start();
        let twin = slapd.twin();
        let hosts = format!("{}host = 127.0.0.2\ntimeout = 1\n", slapd.options());
        let options = format!("first_factor = ldap\nldap {{\n{hosts}{}\n}}", slapd::service());
        let server = Site::own("append", &options).start();
        let people = [0, 1].map(|n| (n, ["alice", "bob"][n], server.enrol(["alice", "bob"][n])));
        let (middle, is_middle) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            for (seed, name, token) in &people {
                let (middle, server) = (middle.clone(), &server);
                scope.spawn(move || {
                    for n in 0..40 {
                        let field = format!("{name}-pw{}", token.code(n));
                        let packet = Packet::pap(n << 1 | *seed as u64, name.as_bytes(), field.as_bytes());
                        assert_eq!(packet.send(server), Code::Accept, "{name}, login {n}");
                        if n == 10 {
                            middle.send(()).unwrap();
                        }
                    }
                });
            }
            is_middle.recv().unwrap();
            fails(&mut slapd);
        });
        assert!(twin.log().contains("uid=alice"), "the second one was asked");
    }
}

const ACCEPT: &str = "policy {\nunenrolled = accept\naccept_logins = 100\n}";

/// What is answered to this name with this password, and the last that was recorded.
fn said(server: &Server, user: &str, password: &str) -> (Code, (String, String)) {
    let nas = Nas::new();
    let code = nas.reply(&nas.pap(server, user, password, &[STATION])).code;
    (code, server.audited(&[]).pop().unwrap())
}

#[test]
fn other_spellings_of_a_user_are_no_users_without_a_token() {
    let mut slapd = Slapd::start();
    slapd.add_offline(&slapd::person("mary ann", &format!("uid=mary ann,ou=people,{}", slapd::TOP)));
    let server = Site::own("challenge", &ldap(&slapd, ACCEPT)).start();
    assert_eq!(
        said(&server, "bob", "bob-pw"),
        (Code::Accept, answer("accept", "let in without a token")),
        "the directory has that name"
    );
    server.enrol("alice");
    server.enrol("mary ann");
    assert_eq!(said(&server, "alice", "alice-pw").0, Code::Challenge);
    server.admin(&["user", "lock", "alice"]);
    let binds = || slapd.log().matches("BIND dn=\"uid=alice,").count();
    let before = binds();
    for spelling in ["X\\alice@example.test", "alice@example.test@z", "EXAMPLE\\\\alice", "alice@z@"] {
        let refused = (Code::Reject, answer("malformed", "more than one domain in user name"));
        assert_eq!(said(&server, spelling, "alice-pw"), refused, "{spelling}");
    }
    for spelling in ["alice", "X\\alice", " ALICE ", "alice @z", "\u{ff21}lice"] {
        assert_eq!(
            said(&server, spelling, "alice-pw"),
            (Code::Reject, answer("locked", "locked")),
            "{spelling}"
        );
    }
    assert_eq!(binds(), before, "no password of a locked user reaches the directory");
    assert_eq!(said(&server, "mary ann", "mary ann-pw").0, Code::Challenge);
    for spelling in ["mary  ann", "mary\u{a0}\u{a0}ann", "m\u{e1}ry ann"] {
        let unknown = (Code::Reject, answer("reject", "unknown to the directory"));
        assert_eq!(said(&server, spelling, "mary ann-pw"), unknown, "{spelling}");
    }
    server.admin(&["token", "disable", "mary ann", "hotp1"]);
    assert_eq!(said(&server, "mary ann", "mary ann-pw"), (Code::Reject, answer("reject", "not enrolled")));
}

#[test]
fn second_names_of_a_user_are_no_users_without_a_token() {
    let mut slapd = Slapd::start();
    let two = slapd::person("carol", &format!("uid=carol,ou=people,{}", slapd::TOP));
    slapd.add_offline(&two.replace("uid: carol\n", "uid: carol\nuid: caroline\n"));
    let server =
        Site::own("challenge", &ldap(&slapd, &format!("username {{\ndomain = keep\n}}\n{ACCEPT}"))).start();
    server.enrol("alice");
    let unknown = (Code::Reject, answer("reject", "unknown user"));
    assert_eq!(said(&server, "alice@example.test", "alice-pw"), unknown, "found by at_attribute");
    for name in ["carol", "caroline"] {
        assert_eq!(said(&server, name, "carol-pw"), unknown, "which of the two has the token is not told");
    }
    assert_eq!(said(&server, "bob", "bob-pw"), (Code::Accept, answer("accept", "let in without a token")));
}

#[test]
fn behind_rlm_ldap_only_the_names_that_sync_has_added_are_users_without_a_token() {
    let mut slapd = Slapd::start();
    slapd.add_offline(&slapd::person("john smith", &format!("uid=john smith,ou=people,{}", slapd::TOP)));
    let module = format!(
        "ldap {{\nserver = 'ldaps://127.0.0.1'\nport = {}\nidentity = '{}'\npassword = '{}'\n\
         base_dn = 'ou=people,{}'\nuser {{\nbase_dn = \"${{..base_dn}}\"\nfilter = \"(uid=%{{User-Name}})\"\n}}\n\
         tls {{\nca_file = {}\nrequire_cert = 'demand'\n}}\npool {{\nstart = 0\nmin = 0\nspare = 0\nmax = 4\n}}\n}}",
        slapd.tls_port,
        slapd::SERVICE.0,
        slapd::SERVICE.1,
        slapd::TOP,
        slapd.authority.file().display()
    );
    let own = format!("mode = append\n{ACCEPT}\nldap {{\n{}{}\n}}", slapd.options(), slapd::service());
    let base = Site::append();
    let site = Site {
        mfa: own,
        modules: module,
        authorize: "mfa\nldap\nif (ok || updated) {\nupdate control {\nAuth-Type := LDAP\n}\n}".into(),
        authenticate: "Auth-Type LDAP {\nldap\nmfa\n}".into(),
        ..base
    };
    let server = site.start();
    assert_eq!(said(&server, "bob", "bob-pw"), (Code::Reject, answer("reject", "unknown user")));
    assert!(server.admin(&["sync"]).contains("added"));
    assert_eq!(said(&server, "bob", "bob-pw"), (Code::Accept, answer("accept", "let in without a token")));
    server.add_token("john smith", "hotp", &[7; 20], &[]);
    for spelling in ["john smith", "john  smith", "John   Smith", "john smith "] {
        let (code, (verdict, _)) = said(&server, spelling, "john smith-pw");
        assert_eq!((code, verdict.as_str()), (Code::Reject, "reject"), "{spelling:?}");
    }
    server.admin(&["token", "delete", "john smith", "hotp1", "--yes"]);
    assert_eq!(
        said(&server, "john smith", "john smith-pw"),
        (Code::Reject, answer("reject", "not enrolled"))
    );
}

#[test]
fn names_that_unicode_folds_are_found_synced_and_log_in() {
    const NIKOS: &str = "\u{3bd}\u{3af}\u{3ba}\u{3bf}\u{3c2}";
    let mut slapd = Slapd::start();
    for name in ["Gro\u{df}", NIKOS] {
        slapd.add_offline(&slapd::person(name, &format!("uid={name},ou=people,{}", slapd::TOP)));
    }
    let server = Site::own("append", &ldap(&slapd, "")).start();
    assert!(server.admin(&["sync"]).contains("added"));
    for (seed, name, canonical) in
        [(1, "Gro\u{df}", "gross"), (2, NIKOS, "\u{3bd}\u{3af}\u{3ba}\u{3bf}\u{3c3}")]
    {
        let token = server.add_token(canonical, "hotp", &[seed; 20], &[]);
        let nas = Nas::new();
        let login = |user: &str, counter: u64| {
            let field = format!("{name}-pw{}", token.code(counter));
            nas.reply(&nas.pap(&server, user, &field, &[STATION])).code
        };
        assert_eq!(login(name, 0), Code::Accept, "{name}");
        assert_eq!(login(&format!("EXAMPLE\\{name}"), 1), Code::Accept, "{name}");
        assert_eq!(last(&server, canonical), answer("accept", "right code"));
    }
}
