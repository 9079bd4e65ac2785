//! `policy { }`: who is asked for a second factor at all.

use crate::harness::eapol::{Method, Peer, login as login_through};
use crate::harness::server::Refused;
use crate::harness::site::PASSWORD;
use crate::harness::smtp::Smtp;
use crate::harness::webhook::Webhook;
use crate::harness::wire::{CALLING_STATION, STATE};
use crate::harness::{Code, Login, Nas, Server, Site};

/// Mode `append`, with this in `policy { }`.
fn append(policy: &str) -> Site {
    Site::append().with(&format!("policy {{\n{policy}\n}}"))
}

fn exception(conditions: &str) -> Site {
    append(&format!("exceptions {{\n one {{\n{conditions}\n}}\n}}"))
}

/// The password alone.
fn login(server: &Server, user: &str) -> Code {
    Login::pap(user, PASSWORD).send(server).code
}

fn from(server: &Server, user: &str, station: &str) -> Code {
    Login::pap(user, PASSWORD).with("Calling-Station-Id", station).send(server).code
}

/// Sets MFA-Group to what the client sends as Filter-Id, as if a directory had been asked.
const GROUPS: &str = "if (&Filter-Id) {\nupdate control {\nMFA-Group += &Filter-Id[*]\n}\n}";

fn in_groups(server: &Server, groups: &[&str]) -> Code {
    let login = Login::pap("alice", PASSWORD);
    groups
        .iter()
        .fold(login, |login, group| login.with("Filter-Id", &format!("\"{group}\"")))
        .send(server)
        .code
}

#[test]
fn exempt_user_logs_in_with_the_password_alone_and_others_do_not() {
    let server = exception("user = nagios\nuser = svc-*").start();
    let alice = server.enrol("alice");
    assert_eq!(login(&server, "nagios"), Code::Accept);
    assert_eq!(login(&server, "EXAMPLE\\SVC-backup"), Code::Accept);
    assert_eq!(Login::pap("nagios", "wrong").send(&server).code, Code::Reject);
    assert_eq!(login(&server, "alice"), Code::Reject);
    let both = format!("{PASSWORD}{}", alice.code(0));
    assert_eq!(Login::pap("alice", &both).send(&server).code, Code::Accept);
    assert_eq!(server.audit("nagios"), [("accept".into(), "exempt".into())]);
    let trail = server.admin(&["audit", "--json", "--user", "nagios"]);
    assert!(trail.contains("\"token\":\"one\"") || trail.contains("\"token\": \"one\""), "{trail}");
    assert!(server.logged("nagios: accept: exempt, client 127.0.0.1: one"));
}

#[test]
fn exempt_client_is_known_by_address_network_and_shortname() {
    for (client, code) in [
        ("client = 127.0.0.1", Code::Accept),
        ("client = 127.0.0.0/8", Code::Accept),
        ("client = localhost", Code::Accept),
        ("client = 127.0.0.2", Code::Reject),
        ("client = vpn", Code::Reject),
        ("client = localhost\nuser = bob", Code::Reject),
        ("client = localhost\nuser = alice", Code::Accept),
    ] {
        let server = exception(client).start();
        assert_eq!(login(&server, "alice"), code, "{client}");
    }
}

#[test]
fn exempt_network_is_where_the_user_is() {
    let server = exception("network = 203.0.113.0/24").start();
    assert_eq!(from(&server, "alice", "203.0.113.9"), Code::Accept);
    assert_eq!(from(&server, "alice", "198.51.100.9"), Code::Reject);
    assert_eq!(from(&server, "alice", "00-11-22-33-44-55"), Code::Reject);
    assert_eq!(login(&server, "alice"), Code::Reject);
    for stations in [["203.0.113.9", "198.51.100.9"], ["198.51.100.9", "203.0.113.9"], ["203.0.113.9"; 2]] {
        let login = stations
            .iter()
            .fold(Login::pap("alice", PASSWORD), |login, station| login.with("Calling-Station-Id", station));
        assert_eq!(login.send(&server).code, Code::Reject, "of several stations none counts");
    }
}

#[test]
fn exempt_group_is_the_one_that_unlang_has_set() {
    let server = exception("group = \"Service Accounts\"").first(GROUPS).start();
    assert_eq!(in_groups(&server, &["staff", "service accounts"]), Code::Accept);
    assert_eq!(in_groups(&server, &["staff"]), Code::Reject);
    assert_eq!(in_groups(&server, &[]), Code::Reject);
}

#[test]
fn exception_holds_until_its_day_is_over() {
    let server = exception("user = alice\nuntil = 2001-01-31").start();
    assert_eq!(login(&server, "alice"), Code::Reject);
    let doctor = server.mfa(&["doctor"]);
    assert!(doctor.text.contains("exception \"one\" has expired"), "{}", doctor.text);
    let server = exception("user = alice\nuntil = 2999-01-31").start();
    assert_eq!(login(&server, "alice"), Code::Accept);
}

#[test]
fn exception_that_makes_no_sense_is_told_with_its_line() {
    for (conditions, told) in [
        ("user = alice\nuntil = tomorrow", "mfa[7]: \"until\" must be a day such as 2027-01-31"),
        ("until = 2999-01-31", "mfa[5]: \"user\" is missing"),
        ("client = 127.0.0.1/8", "mfa[6]: \"client\" must be \"127.0.0.0/8\""),
    ] {
        let mut server = Server::prepare(exception(conditions));
        assert!(server.mfa(&["init"]).text.contains(told), "{conditions}: {:?}", server.mfa(&["init"]));
        let Err(Refused(log)) = server.up() else { panic!("{conditions}: it starts") };
        assert!(log.contains(told), "{conditions}: {log}");
    }
}

#[test]
fn where_nobody_checks_a_password_an_exception_lets_nobody_in() {
    let policy = "policy {\nexceptions {\none {\nuser = alice\n}\n}\n}";
    for unlang in ["", "update control {\nAuth-Type := mfa\n}"] {
        let server = Site::passcode().with(policy).first(unlang).start();
        for password in ["", "123456", PASSWORD] {
            assert_eq!(Login::pap("alice", password).send(&server).code, Code::Reject, "{unlang}");
        }
    }
    let known = format!("update control {{\nCleartext-Password := \"{PASSWORD}\"\n}}");
    let server = Site::passcode().with(policy).first(&known).start();
    assert_eq!(Login::chap("alice", PASSWORD).send(&server).code, Code::Accept, "chap has checked it");
    assert_eq!(Login::chap("alice", "wrong").send(&server).code, Code::Reject);
    assert_eq!(Login::mschap2("alice", PASSWORD).send(&server).code, Code::Accept);
    assert_eq!(Login::mschap2("alice", "wrong").send(&server).code, Code::Reject);
}

#[test]
fn unlang_has_its_word_before_policy() {
    let server = exception("user = *li*").first("update control {\nMFA-Exempt := no\n}").start();
    assert_eq!(login(&server, "alice"), Code::Reject);
}

#[test]
fn name_outside_of_a_tunnel_makes_no_exception() {
    let policy = "user = nagios\n}\ntwo {\ngroup = staff";
    let mut site = exception(policy).in_tunnel();
    site.outer_authorize = "update control {\nMFA-Group := \"staff\"\n}\neap".into();
    let server = site.start();
    let peer = |user| Peer { outside: "nagios".into(), ..Peer::new(Method::TtlsPap, user, PASSWORD) };
    assert!(!peer("alice").login(&server).accepted);
    assert!(Peer::new(Method::TtlsPap, "nagios", PASSWORD).login(&server).accepted, "inside it does");

    let mut site = exception(policy).in_tunnel();
    site.outer_authorize = "update control {\nMFA-Group := \"staff\"\n}\neap".into();
    site.authorize = site.authorize.replace("mfa\n", "");
    site.authenticate = "Auth-Type PAP {\npap\n}".into();
    site.post_auth = String::new();
    let server = site.start();
    assert!(!peer("alice").login(&server).accepted, "the tunnel has not asked us at all");
}

#[test]
fn peap_is_exempt_by_the_name_in_the_tunnel() {
    let known = format!("update control {{\nCleartext-Password := \"{PASSWORD}\"\n}}");
    let policy = "policy {\nexceptions {\none {\nuser = nagios\n}\n}\n}";
    let server = Site::passcode().with(policy).first(&known).in_tunnel().start();
    let session = |user, password| login_through(&server, Method::PeapMsChap2, user, password);
    let nagios = session("nagios", PASSWORD);
    assert!(nagios.accepted && nagios.keys_match, "{}", nagios.output);
    assert!(!session("nagios", "wrong").accepted);
    assert!(!session("alice", PASSWORD).accepted);
}

#[test]
fn only_the_groups_and_clients_that_require_a_second_factor_are_asked() {
    let server = append("required {\ngroup = vpn\ngroup = admins\n}").first(GROUPS).start();
    let alice = server.enrol("alice");
    assert_eq!(in_groups(&server, &["none"]), Code::Accept);
    assert_eq!(server.audit("alice"), [("accept".into(), "exempt".into())]);
    assert_eq!(in_groups(&server, &["staff", "Admins"]), Code::Reject);
    let both = Login::pap("alice", &format!("{PASSWORD}{}", alice.code(0))).with("Filter-Id", "vpn");
    assert_eq!(both.send(&server).code, Code::Accept);
    assert_eq!(in_groups(&server, &[]), Code::Reject, "nobody has looked for groups");

    for (client, code) in [("localhost", Code::Reject), ("127.0.0.1", Code::Reject), ("vpn", Code::Accept)] {
        let server = append(&format!("required {{\nclient = {client}\n}}")).start();
        assert_eq!(login(&server, "alice"), code, "{client}");
    }
}

/// Where users are, for sites at which other modules check the password. It is not asked.
const DIRECTORY: &str = "ldap {\nhost = 127.0.0.1\nsearch_dn = \"dc=example,dc=test\"\n}";

/// Mode `append`, and no token for anybody yet.
fn unenrolled(policy: &str) -> Site {
    append(&format!("unenrolled = {policy}")).with(DIRECTORY)
}

#[test]
fn user_without_a_token_is_let_in_so_often_and_then_refused() {
    let server = unenrolled("accept\naccept_logins = 2").start();
    server.admin(&["user", "add", "alice"]);
    assert_eq!(Login::pap("alice", "wrong").send(&server).code, Code::Reject);
    let codes = [(); 3].map(|()| login(&server, "alice"));
    assert_eq!(codes, [Code::Accept, Code::Accept, Code::Reject]);
    let let_in: (String, String) = ("accept".into(), "let in without a token".into());
    let refused = ("reject".into(), "not enrolled".into());
    assert_eq!(server.audit("alice"), [let_in.clone(), let_in, refused]);
    assert!(server.logged("alice: accept: let in without a token"));
}

#[test]
fn name_that_the_store_does_not_know_is_not_let_in_without_a_token() {
    let server = unenrolled("accept\naccept_logins = 100").start();
    server.enrol("john smith");
    // `pap` takes everybody's password, as a directory takes another spelling.
    for user in ["unknown", "john  smith", "j\u{f3}hn smith"] {
        assert_eq!(login(&server, user), Code::Reject, "{user}");
        assert_eq!(server.audit(user), [("reject".into(), "unknown user".into())], "{user}");
    }
}

#[test]
fn who_had_a_token_is_not_let_in_without_one() {
    let server = unenrolled("accept\naccept_logins = 100").start();
    server.enrol("alice");
    assert_eq!(login(&server, "alice"), Code::Reject);
    server.admin(&["token", "disable", "alice", "hotp1"]);
    assert_eq!(login(&server, "alice"), Code::Reject);
    server.admin(&["token", "delete", "alice", "hotp1", "--yes"]);
    assert_eq!(login(&server, "alice"), Code::Reject);
    assert!(server.admin(&["user", "show", "alice"]).contains("had a token"));
    server.admin(&["user", "delete", "alice", "--yes"]);
    server.admin(&["user", "add", "alice"]);
    assert_eq!(login(&server, "alice"), Code::Accept, "as the administrator wants it");
}

#[test]
fn where_no_directory_says_who_users_are_nobody_is_let_in_without_a_token() {
    let site = append("unenrolled = accept\naccept_logins = 1");
    let mut server = Server::prepare(site);
    let told = "\"unenrolled\" is accept, and the password is not checked by this module";
    assert!(server.mfa(&["doctor"]).text.contains(told), "{}", server.mfa(&["doctor"]).text);
    let checked = server.check();
    assert!(!checked.ok && checked.text.contains(told), "{}", checked.text);
    let Err(Refused(log)) = server.up() else { panic!("it starts") };
    assert!(log.contains(told), "{log}");
}

#[test]
fn user_with_a_token_needs_it_though_others_are_let_in_without() {
    let server = unenrolled("accept\naccept_logins = 100").start();
    let alice = server.enrol("alice");
    assert_eq!(login(&server, "alice"), Code::Reject);
    let both = Login::pap("alice", &format!("{PASSWORD}{}", alice.code(0))).send(&server);
    assert_eq!(both.code, Code::Accept);
    server.admin(&["user", "add", "bob"]);
    server.admin(&["user", "lock", "bob"]);
    assert_eq!(login(&server, "bob"), Code::Reject);
    assert_eq!(server.audit("bob"), [("locked".into(), "locked".into())]);
}

#[test]
fn user_without_a_token_is_let_in_until_the_day_is_over() {
    let server = unenrolled("accept\naccept_until = 2999-01-31").start();
    server.admin(&["user", "add", "alice"]);
    assert_eq!(login(&server, "alice"), Code::Accept);
    let server = unenrolled("accept\naccept_until = 2001-01-31").start();
    server.admin(&["user", "add", "alice"]);
    assert_eq!(login(&server, "alice"), Code::Reject);
    let doctor = server.mfa(&["doctor"]).text;
    assert!(doctor.contains("accept_until is over"), "{doctor}");
}

#[test]
fn no_number_of_simultaneous_logins_gets_in_once_more() {
    let server = unenrolled("accept\naccept_logins = 5").start();
    server.admin(&["user", "add", "alice"]);
    let under: Vec<_> = (0..20).map(|_| Login::pap("alice", PASSWORD).start(&server)).collect();
    let codes = under.into_iter().map(|login| login.reply().code);
    assert_eq!(codes.filter(|code| *code == Code::Accept).count(), 5);
}

#[test]
fn where_nobody_has_checked_the_password_nobody_without_a_token_is_let_in() {
    let accept = "unenrolled = accept\naccept_logins = 100";
    let server = Server::prepare(Site::passcode().with(&format!("policy {{\n{accept}\n}}")));
    assert!(server.mfa(&["init"]).text.contains("no password is checked"));

    let passcode = "update control {\nMFA-Mode := passcode\nAuth-Type := mfa\n}";
    let append = |policy: &str| append(policy).with(DIRECTORY);
    let server = start_with_mfa_alone(append(accept).first(passcode));
    server.admin(&["user", "add", "alice"]);
    for password in ["", PASSWORD, "123456"] {
        assert_eq!(Login::pap("alice", password).send(&server).code, Code::Reject);
    }
    let server = start_with_mfa_alone(append(accept).first("update control {\nAuth-Type := mfa\n}"));
    server.admin(&["user", "add", "alice"]);
    assert_eq!(login(&server, "alice"), Code::Reject, "mfa is not behind anybody");
}

/// Starts it with a section in which no module checks a password.
fn start_with_mfa_alone(mut site: Site) -> Server {
    site.authenticate.push_str("\nAuth-Type mfa {\nmfa\n}");
    site.start()
}

#[test]
fn unenrolled_user_is_told_to_enrol() {
    let url = "enroll_url = \"https://mfa.example.test/enrol?user={user}\"";
    let said = |policy: &str| {
        let server = unenrolled(policy).start();
        let reply = Login::pap("alice", PASSWORD).send(&server);
        let wrong = Login::pap("alice", "wrong").send(&server);
        assert_eq!((wrong.code, wrong.get("Reply-Message")), (Code::Reject, None));
        assert_eq!(server.audit("alice"), [("reject".into(), "has to enrol".into())]);
        assert_eq!(reply.code, Code::Reject);
        reply.get("Reply-Message").unwrap().to_owned()
    };
    let told = said(&format!("enroll\nenroll_challenge = no\n{url}"));
    assert_eq!(told, "You have no second factor yet. Ask your help desk.");
    let told = said(&format!("enroll\nenroll_challenge = no\nenroll_link = challenge\n{url}"));
    assert!(told.contains("https://mfa.example.test/enrol?user=alice"), "{told}");
}

#[test]
fn with_a_provider_only_whom_it_does_not_know_is_unenrolled() {
    let webhook = Webhook::start();
    let accept = &format!("policy {{\nunenrolled = accept\naccept_logins = 1\n}}\n{DIRECTORY}");
    let server = Site::auto(&webhook.options()).with(accept).start();
    let under = Login::pap("alice", PASSWORD).start(&server);
    webhook.wait_for(1);
    webhook.approve("alice");
    assert_eq!(under.reply().code, Code::Accept);
    assert_eq!(server.audit("alice"), [("accept".into(), "approved".into())]);
    let append = Site::append().with(accept).with(&format!("push {{\n{}\n}}", webhook.options())).start();
    assert_eq!(login(&append, "bob"), Code::Reject, "he may be known to the provider");
}

/// Mode `auto`, and who has logged in is not asked again for an hour.
fn remembering(webhook: &Webhook) -> Site {
    Site::auto(&format!("{}\nresult_cache = 0", webhook.options())).with("policy {\nremember = 60\n}")
}

/// Logs in from there and approves a push. Returns whether there was one, and the answer.
fn asked(server: &Server, webhook: &Webhook, login: Login) -> (bool, Code) {
    let before = webhook.asked();
    let under = login.start(server);
    while under.waits() {
        if !webhook.pending().is_empty() {
            webhook.approve("alice");
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    (webhook.asked() > before, under.reply().code)
}

#[test]
fn remembered_user_is_not_asked_again_from_there_with_that_password() {
    let webhook = Webhook::start();
    let either = "if (&User-Password == \"other\") {\nupdate control {\nCleartext-Password := \"other\"\n}\n}\n\
                  if (&Filter-Id) {\nupdate control {\nMFA-Remember := no\n}\n}";
    let mut site = remembering(&webhook);
    site.authorize = site.authorize.replace("\nmfa\n", &format!("\n{either}\nmfa\n"));
    let server = site.start();
    let at =
        |station: &str, password: &str| Login::pap("alice", password).with("Calling-Station-Id", station);
    let ask = |login| asked(&server, &webhook, login);
    let (yes, no) = ((true, Code::Accept), (false, Code::Accept));
    assert_eq!(ask(at("home", PASSWORD)), yes);
    assert_eq!(ask(at("home", PASSWORD)), no);
    assert_eq!(ask(at("home", "wrong")), (false, Code::Reject), "the password is still checked");
    assert_eq!(ask(at("away", PASSWORD)), yes, "another station");
    assert_eq!(ask(at("home", PASSWORD).with("Filter-Id", "x")), yes, "MFA-Remember := no");
    assert_eq!(ask(at("home", "other")), yes, "another password");
    assert_eq!(ask(at("home", "other")), no);
    assert_eq!(ask(at("home", PASSWORD)), yes, "and the first is forgotten");
    assert_eq!(ask(Login::pap("alice", PASSWORD)), yes);
    assert_eq!(ask(Login::pap("alice", PASSWORD)), yes, "nothing is remembered of no station");
    let two = || at("home", PASSWORD).with("Calling-Station-Id", "away");
    assert_eq!(ask(two()), yes, "of several stations none counts");
    assert_eq!(ask(two()), yes, "nor is anything remembered of them");
    assert_eq!(server.audit("alice")[1], ("accept".into(), "remembered".into()));
    let file = std::fs::read(server.store.join("mfa.db")).unwrap();
    assert!(!file.windows(PASSWORD.len()).any(|octets| octets == PASSWORD.as_bytes()), "no password in it");
}

#[test]
fn remembered_login_ends_with_a_lock_and_outlives_a_restart() {
    let webhook = Webhook::start();
    let mut server = remembering(&webhook).start();
    server.admin(&["user", "add", "alice"]);
    let home = || Login::pap("alice", PASSWORD).with("Calling-Station-Id", "home");
    assert_eq!(asked(&server, &webhook, home()), (true, Code::Accept));
    server.down();
    server.up().unwrap();
    assert_eq!(asked(&server, &webhook, home()), (false, Code::Accept));
    assert!(server.admin(&["user", "show", "alice"]).contains("until "));
    server.admin(&["user", "lock", "alice"]);
    assert_eq!(asked(&server, &webhook, home()), (false, Code::Reject));
    server.admin(&["user", "unlock", "alice"]);
    assert_eq!(asked(&server, &webhook, home()), (true, Code::Accept));
}

/// `pap` checks the password, then the user is asked for a factor.
fn challenge(options: &str) -> Site {
    let site = Site::auto("");
    Site { mfa: format!("mode = challenge\n{options}"), ..site }
}

#[test]
fn link_to_enrol_goes_to_the_mailbox_and_the_challenge_has_no_right_answer() {
    let smtp = Smtp::start();
    let policy =
        "policy {\nunenrolled = enroll\nenroll_url = \"https://mfa.example.test/enrol?user={user}\"\n}";
    let server = challenge(&format!("{policy}\n{}", smtp.options())).start();
    server.admin(&["user", "add", "alice", "--mail", "alice@example.test"]);
    let nas = Nas::new();
    let wrong = nas.reply(&nas.pap(&server, "alice", "wrong", &[]));
    assert_eq!(wrong.said(), (Code::Reject, None));
    let sent = Some("How to set up your second factor was sent to a***@example.test.");
    let told = nas.reply(&nas.pap(&server, "alice", PASSWORD, &[]));
    assert_eq!(told.said(), (Code::Challenge, sent));
    let mail = smtp.wait_for("alice@example.test", 1);
    // Quoted-printable (RFC 2045, section 6.7).
    let text = mail.text().replace("=\r\n", "").replace("=3D", "=");
    assert!(text.contains("https://mfa.example.test/enrol?user=alice"), "{text}");
    let again = nas.reply(&nas.pap(&server, "alice", PASSWORD, &[]));
    assert_eq!(again.said(), (Code::Challenge, sent), "was sent, and is not sent again");

    let token = server.add_token("alice", "hotp", &[7; 20], &[]);
    for reply in [&told, &again] {
        let state = (STATE, reply.get("State").unwrap());
        let answer = nas.reply(&nas.pap(&server, "alice", &token.code(0), &[state]));
        assert_eq!(answer.code, Code::Reject);
    }
    assert_eq!(smtp.mails_to("alice@example.test").len(), 1);
    let reasons: Vec<_> = server.audit("alice").into_iter().map(|(_, reason)| reason).collect();
    assert_eq!(reasons, ["has to enrol, link sent", "has to enrol", "has to enrol", "has to enrol"]);
}

#[test]
fn conversation_that_ended_well_is_remembered() {
    let policy = "policy {\nremember = 60\nunenrolled = accept\naccept_logins = 1\n}";
    let server = challenge(&format!("{policy}\n{DIRECTORY}")).start();
    let (nas, token) = (Nas::new(), server.enrol("alice"));
    let begin = |station| nas.reply(&nas.pap(&server, "alice", PASSWORD, &[(CALLING_STATION, station)]));
    let asked = begin("home");
    assert_eq!(asked.code, Code::Challenge);
    assert_eq!(begin("home").code, Code::Challenge, "nothing is remembered before its end");
    let state = (STATE, asked.get("State").unwrap());
    let answer = nas.pap(&server, "alice", &token.code(0), &[(CALLING_STATION, "home"), state]);
    assert_eq!(nas.reply(&answer).code, Code::Accept);
    assert_eq!(begin("home").code, Code::Accept);
    assert_eq!(begin("away").code, Code::Challenge);
    server.admin(&["token", "disable", "alice", "hotp1"]);
    assert_eq!(begin("home").code, Code::Reject, "nothing is remembered, and who had a token needs one");
    assert_eq!(server.audit("alice").pop().unwrap().1, "not enrolled");
}
