//! The responder that parked logins wait at: a home server inside the module, without configuration.

use crate::harness::process::{self, udp_ports};
use crate::harness::raw::Client;
use crate::harness::site::PASSWORD;
use crate::harness::webhook::Webhook;
use crate::harness::{Code, Login, SOON, Server, Site};
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The site with another mfa beside its own, for users whose names begin with `two`.
fn two_instances(webhook: &Webhook) -> Site {
    let mut site = Site::auto(&webhook.options());
    site.modules = format!(
        "mfa two {{\n{}\nstore {{\nfilename = ${{raddbdir}}/../store/mfa.db\nkey_file = ${{raddbdir}}/../store/mfa.key\n}}\n}}",
        site.mfa
    );
    site.authenticate = "Auth-Type PAP {\npap\nif (&User-Name =~ /^two/) {\ntwo\n}\nelse {\nmfa\n}\n}".into();
    site.post_auth = "if (&User-Name =~ /^two/) {\ntwo\n}\nelse {\nmfa\n}".into();
    site
}

#[test]
fn two_instances_let_their_logins_wait_side_by_side() {
    let webhook = Webhook::start();
    let server = two_instances(&webhook).start();
    let logins: Vec<_> = ["alice", "two-bob", "carol", "two-dave"]
        .map(|user| Login::pap(user, PASSWORD).start(&server))
        .into_iter()
        .collect();
    webhook.wait_for(4);
    std::thread::sleep(Duration::from_millis(300));
    assert!(logins.iter().all(|login| login.waits()));
    for (user, status) in
        [("alice", "approved"), ("two-bob", "approved"), ("carol", "denied"), ("two-dave", "denied")]
    {
        webhook.decide(user, status);
    }
    let codes: Vec<Code> = logins.into_iter().map(|login| login.reply().code).collect();
    assert_eq!(codes, [Code::Accept, Code::Accept, Code::Reject, Code::Reject]);
}

#[test]
fn names_that_the_site_uses_itself_are_named_with_their_place() {
    let webhook = Webhook::start();
    let home = "type = auth\nipaddr = 192.0.2.1\nsecret = testing123";
    for (kind, text) in [
        ("server", "server mfa-wait {\nauthorize {\nok\n}\n}".to_owned()),
        ("home_server", format!("home_server mfa-wait {{\n{home}\n}}")),
        ("home_server", format!("server other {{\nhome_server mfa-wait {{\n{home}\n}}\n}}")),
        (
            "home_server_pool",
            format!(
                "home_server other {{\n{home}\n}}\nhome_server_pool mfa-wait {{\nhome_server = other\n}}"
            ),
        ),
    ] {
        let mut site = Site::auto(&webhook.options());
        site.root = text.clone();
        let mut server = Server::prepare(site);
        assert!(server.mfa(&["init"]).ok);
        let checked = server.check();
        let started = server.up().expect_err("the name is taken").0;
        for said in [checked.text, started] {
            let line = said.lines().find(|line| line.contains(&format!("{kind} mfa-wait: ")));
            assert!(line.is_some_and(|line| line.contains("radiusd.conf[")), "{text}\n{said}");
        }
    }
}

#[test]
fn limit_that_does_not_fit_is_named_with_what_it_has_to_fit() {
    let webhook = Webhook::start();
    let options = format!("limit = 26\n{}", webhook.options());
    let said = |site: Site| {
        let checked = Server::prepare(site).check();
        assert!(!checked.ok, "{}", checked.text);
        checked.text
    };
    let text = said(Site::auto(&options));
    assert!(text.contains("\"limit = 26\" does not fit") && text.contains("at least 31"), "{text}");

    for (root, name) in [
        ("client near {\nipaddr = 192.0.2.1\nsecret = x\nresponse_window = 12\n}", "near"),
        ("clients some {\nclient far {\nipaddr = 192.0.2.2\nsecret = x\nresponse_window = 12.5\n}\n}", "far"),
        ("server other {\nclient its {\nipaddr = 192.0.2.3\nsecret = x\nresponse_window = 5\n}\n}", "its"),
    ] {
        let mut site = Site::auto(&webhook.options());
        site.root = root.into();
        let text = said(site);
        let line = text.lines().find(|line| line.contains(&format!("client {name}: response_window")));
        assert!(line.is_some_and(|line| line.contains("radiusd.conf[")), "{text}");
    }
}

#[test]
fn names_that_look_like_ours_are_names_like_any() {
    let webhook = Webhook::start();
    let mut site = Site::auto(&webhook.options());
    site.modules = "realm suffix {\nformat = suffix\ndelimiter = \"@\"\n}".into();
    site.authorize = format!("suffix\n{}", site.authorize);
    let server = site.start();
    for user in ["alice@mfa-wait", "bob@mfa", "carol@LOCAL", "dave@NULL", "eve@DEFAULT"] {
        let login = Login::pap(user, PASSWORD).start(&server);
        let asked = webhook.wait_for(1).remove(0).user;
        assert!(login.waits(), "{user}");
        webhook.approve(&asked);
        assert_eq!(login.reply().code, Code::Accept, "{user}");
        assert_eq!(Login::pap(user, "wrong").send(&server).code, Code::Reject, "{user}");
    }
}

#[test]
fn datagrams_of_strangers_are_not_answered_and_disturb_nobody() {
    let webhook = Webhook::start();
    // The stock sites have ports of their own.
    let server = Site { stock: false, ..Site::auto(&webhook.options()) }.start();
    let waiting = Login::pap("alice", PASSWORD).start(&server);
    webhook.wait_for(1);
    // The responder's port, and that of the server's own end.
    let inside: Vec<u16> = udp_ports(server.id())
        .into_iter()
        .filter(|port| ![server.port, server.port + 1].contains(port))
        .collect();
    assert!(inside.len() >= 2, "{inside:?}");
    let clients: Vec<Client> = inside.iter().map(|port| Client::to(*port)).collect();
    for seed in 0..400_u64 {
        let datagram = stranger(seed);
        clients.iter().for_each(|client| client.send_octets(&datagram));
    }
    for client in &clients {
        assert_eq!(client.answer(Duration::from_millis(200)), None);
    }
    assert!(waiting.waits());
    webhook.approve("alice");
    assert_eq!(waiting.reply().code, Code::Accept);
    webhook.preset(None, "approved", Duration::ZERO);
    assert_eq!(Login::pap("bob", PASSWORD).send(&server).code, Code::Accept);
    let log = server.log();
    assert!(!log.contains("zombie") && !log.contains("dead"), "{log}");
}

/// What an attacker without the secret might send: packets of all kinds, signed with another one, cut off, too long,
/// or nothing but octets.
fn stranger(seed: u64) -> Vec<u8> {
    use crate::harness::wire::{Packet, STATE};
    let mut octets = Packet::pap(seed, b"alice", b"x").with(STATE, &seed.to_be_bytes().repeat(2)).finish();
    let byte = seed as u8;
    match seed % 8 {
        0 => {}
        1 => octets[0] = byte,
        2 => octets.truncate(usize::from(byte) % 60),
        3 => octets.resize(4096, byte),
        4 => octets = vec![byte; 4096],
        5 => octets[3] = byte,
        6 => octets[21] = byte,
        _ => octets = seed.to_be_bytes()[..usize::from(byte) / 8 % 9].to_vec(),
    }
    octets
}

#[test]
fn check_of_the_configuration_opens_no_socket_and_starts_no_thread() {
    let webhook = Webhook::start();
    let mut site = Site::auto(&webhook.options());
    // The second module holds the server up where all of the first one's instance is made.
    site.modules = "panic {\nread = ${raddbdir}/fifo\n}".into();
    site.root = "instantiate {\nmfa\npanic\n}".into();
    let server = Server::prepare(site);
    assert!(server.mfa(&["init"]).ok);
    let examples = process::example("rlm_panic");
    std::os::unix::fs::symlink(examples, server.folder.join("lib/rlm_panic.so")).unwrap();
    let fifo = server.folder.join("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());

    let look = |arguments: &[&str]| {
        let mut child = Command::new(process::radiusd())
            .args(arguments)
            .arg(&server.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Once it can be opened, it is read: the server is where we want it.
        let start = Instant::now();
        let open = loop {
            let mut options = std::fs::OpenOptions::new();
            match options.write(true).custom_flags(libc::O_NONBLOCK).open(&fifo) {
                Ok(open) => break open,
                Err(error) => assert!(start.elapsed() < SOON, "{error}"),
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        let threads = std::fs::read_dir(format!("/proc/{}/task", child.id())).unwrap().count();
        let found = (threads, udp_ports(child.id()).len());
        drop(open);
        if arguments.contains(&"-XCd") {
            assert!(process::ended(&mut child, SOON));
            assert!(child.wait().unwrap().success());
        } else {
            process::signal(child.id(), "KILL");
            let _ = child.wait();
        }
        found
    };
    assert_eq!(look(&["-XCd"]), (1, 0));
    let (threads, ports) = look(&["-fd"]);
    assert!(threads > 1 && ports == 1, "a real start has them: {threads} threads, {ports} ports");
}

#[test]
fn server_without_threads_lets_logins_wait() {
    let webhook = Webhook::start();
    let mut site = Site::auto(&webhook.options());
    site.arguments = vec!["-X"];
    let server = site.start();
    let logins: Vec<_> = (0..5).map(|n| Login::pap(&format!("user{n}"), PASSWORD).start(&server)).collect();
    webhook.wait_for(5);
    assert_eq!(Login::pap("alice", "wrong").send(&server).code, Code::Reject);
    assert!(logins.iter().all(|login| login.waits()));
    let start = Instant::now();
    webhook.deny("user0");
    webhook.decide_all("approved");
    let codes: Vec<Code> = logins.into_iter().map(|login| login.reply().code).collect();
    assert_eq!(codes[0], Code::Reject);
    assert!(codes[1..].iter().all(|code| *code == Code::Accept), "{codes:?}");
    assert!(start.elapsed() < SOON);
}

#[test]
fn pool_is_of_no_use_to_whoever_is_sent_there_by_policy() {
    let webhook = Webhook::start();
    webhook.preset(None, "approved", Duration::ZERO);
    let mut site = Site::auto(&webhook.options());
    site.authorize = format!(
        "if (&NAS-Port == 1) {{\nupdate control {{\nHome-Server-Pool := \"mfa-wait\"\n}}\n}}\n\
         if (&NAS-Port == 2) {{\nupdate control {{\nHome-Server-Name := \"mfa-wait\"\n}}\n}}\n{}",
        site.authorize
    );
    let server = site.start();
    for way in ["1", "2"] {
        let login =
            Login::pap("alice", PASSWORD).with("NAS-Port", way).with("State", &format!("0x{:032}", 0));
        assert_eq!(login.send(&server).code, Code::Reject);
    }
    assert_eq!(webhook.asked(), 0);
    assert_eq!(Login::pap("alice", PASSWORD).send(&server).code, Code::Accept);
}

#[test]
fn home_server_that_was_called_dead_is_used_again() {
    let webhook = Webhook::start();
    webhook.preset(None, "approved", Duration::ZERO);
    let mut site = Site::auto(&webhook.options());
    site.root = "listen {\ntype = control\nsocket = ${run_dir}/control\nmode = rw\n}".into();
    let server = site.start();
    assert_eq!(Login::pap("alice", PASSWORD).send(&server).code, Code::Accept);
    let said = radmin(&server, "set home_server state mfa-wait auth dead");
    let list = radmin(&server, "show home_server list all");
    assert!(list.contains("dead"), "{said}\n{list}");
    assert_eq!(Login::pap("bob", PASSWORD).send(&server).code, Code::Accept);
}

/// What the server's own command says.
fn radmin(server: &Server, command: &str) -> String {
    let socket = server.folder.join("control");
    let mut radmin = Command::new("/usr/sbin/radmin");
    process::both(&process::run(radmin.arg("-f").arg(socket).args(["-e", command]), ""))
}
