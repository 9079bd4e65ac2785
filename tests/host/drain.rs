//! `mfa drain`: those who wait are answered before the server ends.

use crate::harness::site::PASSWORD;
use crate::harness::webhook::Webhook;
use crate::harness::wire::{Packet, answer};
use crate::harness::{Code, Login, SOON, Server, Site, process};
use std::net::UdpSocket;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

const RESTARTS: &str = "The server is being restarted. Log in again.";

/// Logins that wait, each with a socket of its own.
struct Volley(Vec<(UdpSocket, Vec<u8>)>);

impl Volley {
    /// Sends logins of `user0`, `user1`, ..., so many, and waits until all are asked: a hundred at a time, so that none is lost
    /// on the way.
    fn fire(server: &Server, webhook: &Webhook, count: usize) -> Self {
        let mut sent = Vec::new();
        for n in 0..count {
            let packet = Packet::pap(n as u64, format!("user{n}").as_bytes(), PASSWORD.as_bytes()).finish();
            let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket each: raise `ulimit -n`");
            socket.connect(("127.0.0.1", server.port)).unwrap();
            socket.set_nonblocking(true).unwrap();
            socket.send(&packet).unwrap();
            sent.push((socket, packet));
            if sent.len() % 100 == 0 {
                webhook.wait_for(sent.len());
            }
        }
        Self(sent)
    }

    /// How many are answered with that code and text by now.
    fn answered(&self, code: Code, text: &str) -> usize {
        let mut octets = [0; 4096];
        let right = |(socket, packet): &&(UdpSocket, Vec<u8>)| {
            let Ok(length) = socket.recv(&mut octets) else { return false };
            let reply = &octets[..length];
            answer(packet, reply) == code && reply.windows(text.len()).any(|part| part == text.as_bytes())
        };
        self.0.iter().filter(right).count()
    }
}

#[test]
fn thousand_that_wait_are_answered_before_the_server_ends() {
    // They are polled too seldom to learn anything by themselves.
    let webhook = Webhook::with(&["--interval", "9"]);
    let mut site = Site::auto(&webhook.options());
    site.reject_delay = 1.0;
    let mut server = site.start();
    let volley = Volley::fire(&server, &webhook, 1000);
    let start = Instant::now();
    let drained = server.mfa(&["drain"]);
    assert!(drained.ok && drained.text.contains("1000 waited, and are answered"), "{drained:?}");
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    assert_eq!(volley.answered(Code::Reject, RESTARTS), 1000, "when it returns, all have their answers");
    while webhook.cancelled() < 1000 {
        assert!(start.elapsed() < 2 * SOON, "{} are still asked", 1000 - webhook.cancelled());
        std::thread::sleep(Duration::from_millis(50));
    }
    let start = Instant::now();
    assert!(server.down());
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    assert_eq!(server.audit("user7"), [("unavailable".into(), "cancelled".into())]);
}

#[test]
fn drained_server_asks_nobody_and_goes_on_with_its_own_passcodes() {
    let webhook = Webhook::start();
    let mut site = Site::auto(&webhook.options());
    site.authenticate = "Auth-Type PAP {\npap\nmfa\n}\nAuth-Type mfa {\nmfa\n}".into();
    let server = site.start();
    let alice = server.enrol("alice");
    let drained = server.mfa(&["drain", "--json"]);
    assert!(drained.ok, "{drained:?}");
    assert!(drained.out.contains("\"waiting\":0") && drained.out.contains("\"left\":0"), "{drained:?}");
    let refused = Login::pap("bob", PASSWORD).send(&server);
    assert_eq!((refused.code, refused.get("Reply-Message")), (Code::Reject, Some(RESTARTS)));
    assert_eq!(webhook.asked(), 0);
    let login = |n| Login::pap("alice", &format!("{PASSWORD},{}", alice.code(n)));
    assert_eq!(login(0).send(&server).code, Code::Accept);
    assert!(server.admin(&["status"]).contains("no more logins may wait"));

    // Also where the disk is slow, and the login would have waited elsewhere.
    let other = rusqlite::Connection::open(server.store.join("mfa.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let slow = login(1).start(&server);
    std::thread::sleep(Duration::from_millis(300));
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(slow.reply().code, Code::Accept);
}

#[test]
fn those_who_wait_may_still_answer_for_a_while() {
    let webhook = Webhook::start();
    let server = Site::auto(&webhook.options()).start();
    let [alice, bob] = ["alice", "bob"].map(|user| Login::pap(user, PASSWORD).start(&server));
    webhook.wait_for(2);
    let drained = std::thread::scope(|scope| {
        let drain = scope.spawn(|| server.mfa(&["drain", "--wait", "2"]));
        while !server.admin(&["status"]).contains("no more logins may wait") {}
        webhook.approve("alice");
        assert_eq!(alice.reply().code, Code::Accept);
        assert!(!drain.is_finished());
        drain.join().unwrap()
    });
    assert!(drained.ok && drained.text.contains("2 waited, and are answered"), "{drained:?}");
    let refused = bob.reply();
    assert_eq!((refused.code, refused.get("Reply-Message")), (Code::Reject, Some(RESTARTS)));
}

#[test]
fn only_the_process_that_is_meant_is_drained() {
    let server = Site::passcode().start();
    let twin = server.twin();
    let draining = |server: &Server| {
        let text = server.admin(&["status", "--json"]);
        let told: serde_json::Value = serde_json::from_str(&text).unwrap();
        let mut found: Vec<_> = told.as_array().unwrap().iter().filter(|it| it["draining"] == true).collect();
        found.pop().map(|it| it["process"].as_u64().unwrap())
    };
    let nobody = server.mfa(&["drain", "--pid="]);
    assert!(nobody.ok && nobody.text.contains("no server runs"), "{nobody:?}");
    assert!(server.mfa(&["drain", "--pid", "1"]).ok);
    assert_eq!(draining(&server), None);
    assert!(server.mfa(&["drain", &format!("--pid={}", twin.id())]).ok);
    assert_eq!(draining(&server), Some(twin.id().into()));
    assert_eq!(server.mfa(&["drain", "--pid", "some"]).code, Some(2));
}

#[test]
fn provider_that_does_not_take_back_holds_nobody_up() {
    let webhook = Webhook::start();
    let server = Site::auto(&webhook.options()).start();
    let login = Login::pap("alice", PASSWORD).start(&server);
    webhook.wait_for(1);
    webhook.fault("cancel", "slow", 1);
    let start = Instant::now();
    assert!(server.mfa(&["drain"]).ok);
    assert!(start.elapsed() < SOON / 2, "{:?}", start.elapsed());
    assert_eq!(login.reply().get("Reply-Message"), Some(RESTARTS));
}

#[test]
fn nobody_learns_from_a_drain_who_exists() {
    let webhook = Webhook::start();
    let mut site = Site::passcode().with(&format!("push {{\n{}}}", webhook.options()));
    site.authorize = "mfa".into();
    let server = site.start();
    webhook.preset(Some("mallory"), "unknown", Duration::ZERO);
    let logins = ["alice", "mallory"].map(|user| Login::pap(user, "push").start(&server));
    let start = Instant::now();
    while !server.admin(&["status"]).contains("2 parked") {
        assert!(start.elapsed() < SOON, "both wait");
    }
    assert!(server.mfa(&["drain"]).ok);
    for user in ["alice", "mallory"] {
        assert_eq!(Login::pap(user, "push").send(&server).get("Reply-Message"), Some(RESTARTS), "{user}");
    }
    for login in logins {
        let reply = login.reply();
        assert_eq!((reply.code, reply.get("Reply-Message")), (Code::Reject, Some(RESTARTS)));
    }
}

#[test]
fn drain_goes_on_though_whoever_asked_for_it_is_gone() {
    use std::io::Write;
    let webhook = Webhook::start();
    let server = Site::auto(&webhook.options()).start();
    let login = Login::pap("alice", PASSWORD).start(&server);
    webhook.wait_for(1);
    let socket = server.store.join(format!("mfa-mfa-{}.sock", server.id()));
    let mut stream = std::os::unix::net::UnixStream::connect(socket).unwrap();
    stream.write_all(b"{\"ask\":\"drain\",\"wait\":1}\n").unwrap();
    drop(stream);
    assert_eq!(login.reply().get("Reply-Message"), Some(RESTARTS));
}

#[test]
fn server_that_is_killed_meanwhile_is_no_success() {
    let webhook = Webhook::start();
    let mut server = Site::auto(&webhook.options()).start();
    let login = Login::pap("alice", PASSWORD).start(&server);
    webhook.wait_for(1);
    let folder = server.folder.clone();
    let drain = std::thread::spawn(move || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mfa"));
        command.arg("-d").arg(folder).args(["drain", "--wait", "20"]).output().unwrap()
    });
    while !server.admin(&["status"]).contains("no more logins may wait") {}
    server.kill();
    assert_eq!(drain.join().unwrap().status.code(), Some(1));
    drop(login);
}

#[test]
fn installed_drop_in_has_systemd_drain_the_server_that_it_stops() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let built = tempfile::tempdir().unwrap();
    let put = |from: &Path, name: &str| std::fs::copy(from, built.path().join(name)).unwrap();
    put(&process::module(), "rlm_mfa.so");
    put(Path::new(env!("CARGO_BIN_EXE_mfa")), "mfa");
    let server = Site::passcode().start();
    let home = tempfile::tempdir().unwrap();
    let (prefix, home) = (home.path().join("usr").display().to_string(), home.path().display().to_string());
    let mut install = Command::new(root.join("tests/make/install"));
    install.current_dir(root).env("DESTDIR", "").env("PREFIX", &prefix).env("BUILT", built.path());
    install.env("LIBDIR", format!("{home}/lib")).env("RADDB", &server.folder);
    let installed = process::run(&mut install, "");
    assert!(installed.status.success(), "{}", process::both(&installed));
    // The configuration is in a folder called raddb.
    let file = format!("{prefix}/lib/systemd/system/radiusd.service.d/mfa.conf");
    let text = std::fs::read_to_string(&file).unwrap();

    let line = text.lines().find_map(|line| line.strip_prefix("ExecStop=-")).unwrap();
    let mut words = line.split(' ').map(|word| word.replace("${MAINPID}", &server.id().to_string()));
    let drained = process::run(Command::new(words.next().unwrap()).args(words), "");
    assert!(drained.status.success(), "{}", process::both(&drained));
    assert!(server.admin(&["status"]).contains("no more logins may wait"));

    let units = Path::new(&home).join("units");
    std::fs::create_dir_all(units.join("radiusd.service.d")).unwrap();
    std::fs::write(units.join("radiusd.service"), "[Service]\nExecStart=/bin/true\n").unwrap();
    std::fs::copy(&file, units.join("radiusd.service.d/mfa.conf")).unwrap();
    let verify = Command::new("systemd-analyze")
        .args(["verify", "radiusd.service"])
        .current_dir(&units)
        .env("SYSTEMD_UNIT_PATH", format!("{}:", units.display()))
        .output();
    match verify {
        Ok(verified) => {
            assert!(!process::both(&verified).contains("mfa.conf"), "{}", process::both(&verified))
        }
        Err(_) => eprintln!("SKIPPED: systemd-analyze is not there, so {file} was not verified"),
    }
}
