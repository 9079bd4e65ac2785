//! `mfa status` and the socket behind it.

use crate::harness::site::PASSWORD;
use crate::harness::webhook::Webhook;
use crate::harness::{Code, Login, SOON, Server, Site, process};
use serde_json::Value;
use std::io::{Read, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

/// The control sockets in the folder of the store.
fn sockets(server: &Server) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(&server.store).unwrap().map(|entry| entry.unwrap());
    entries.filter(|entry| entry.file_type().unwrap().is_socket()).map(|entry| entry.path()).collect()
}

/// `mfa status --json`.
fn status(server: &Server) -> Vec<Value> {
    let text = server.admin(&["status", "--json"]);
    serde_json::from_str::<Value>(&text).unwrap().as_array().unwrap().clone()
}

/// Sends these octets to a socket, and nothing behind them; what comes back.
fn said(socket: &PathBuf, octets: &[u8]) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    let mut answer = Vec::new();
    // The server may have had enough before all is written.
    let _ = stream.write_all(octets).and_then(|()| stream.shutdown(std::net::Shutdown::Write));
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

#[test]
fn status_tells_what_happened_and_who_waits() {
    let webhook = Webhook::start();
    let server = Site::auto(&webhook.options()).start();
    let accepted = Login::pap("alice", PASSWORD).start(&server);
    webhook.wait_for(1);
    webhook.approve("alice");
    assert_eq!(accepted.reply().code, Code::Accept);
    let waiting = Login::pap("bob", PASSWORD).start(&server);
    webhook.wait_for(1);

    let [it] = status(&server).try_into().unwrap();
    assert_eq!((it["process"].as_u64(), &it["provider"]), (Some(server.id().into()), &"webhook".into()));
    assert_eq!(
        (&it["instance"], &it["draining"], &it["bypassed"]),
        (&"mfa".into(), &false.into(), &0.into())
    );
    assert_eq!(it["attempts"], serde_json::json!([{ "verdict": "accept", "factor": "push", "count": 1 }]));
    assert_eq!(it["waits"], serde_json::json!({ "parked": 1, "blocking": 0, "unattended": 0 }));
    assert_eq!((&it["asking"]["count"], &it["answering"]["count"]), (&2.into(), &1.into()));
    assert_eq!(it["provider_errors"], 0);
    assert!(it["store"]["count"].as_u64().unwrap() >= 3, "found, let through, settled: {it}");
    let row = &it["waiting"][0];
    assert_eq!(
        (&row["user"], &row["client"], &row["how"]),
        (&"bob".into(), &"127.0.0.1".into(), &"parked".into())
    );
    assert!((1..=25).contains(&row["left"].as_u64().unwrap()), "{row}");
    assert_eq!(it["waiting"].as_array().unwrap().len(), 1);

    let text = server.admin(&["status"]);
    let line =
        |words: &[&str]| text.lines().any(|l| l.split_whitespace().collect::<Vec<_>>().starts_with(words));
    assert!(line(&["answered", "1", "accept", "push"]), "{text}");
    assert!(line(&["waits", "1", "parked,", "0", "blocking,", "0", "unattended"]), "{text}");
    assert!(line(&["USER", "CLIENT", "SINCE", "LEFT", "HOW"]) && line(&["bob", "127.0.0.1"]), "{text}");
    webhook.deny("bob");
    assert_eq!(waiting.reply().code, Code::Reject);
    assert!(server.admin(&["status"]).contains("no login waits"));
}

#[test]
fn errors_of_the_provider_are_counted() {
    let webhook = Webhook::start();
    let server = Site::auto(&webhook.options()).start();
    webhook.fault("ask", "500", 1);
    assert_eq!(Login::pap("alice", PASSWORD).send(&server).code, Code::Reject);
    let [it] = status(&server).try_into().unwrap();
    assert_eq!((&it["provider_errors"], &it["asking"]["count"]), (&1.into(), &1.into()));
    assert_eq!(it["answering"]["count"], 0);
}

#[test]
fn login_that_keeps_its_thread_and_one_that_nobody_waits_for_are_told_apart() {
    let webhook = Webhook::start();
    let mut site = Site::auto(&webhook.options());
    site.proxies = false;
    site.authorize = format!("chap\n{}", site.authorize);
    site.authenticate = format!("{}\nAuth-Type CHAP {{\nchap\nmfa\n}}", site.authenticate);
    let server = site.start();
    let blocking = Login::chap("alice", PASSWORD).start(&server);
    let shown = Login::pap("bob", PASSWORD).send(&server);
    assert_eq!(shown.code, Code::Challenge, "a client that can be challenged keeps no thread");
    webhook.wait_for(2);
    let [it] = status(&server).try_into().unwrap();
    assert_eq!(it["waits"], serde_json::json!({ "parked": 0, "blocking": 1, "unattended": 1 }));
    let hows = it["waiting"].as_array().unwrap().iter().map(|row| (row["user"].clone(), row["how"].clone()));
    let mut hows: Vec<_> = hows.map(|(user, how)| format!("{user} {how}")).collect();
    hows.sort();
    assert_eq!(hows, ["\"alice\" \"blocking\"", "\"bob\" \"unattended\""]);
    let drained = server.mfa(&["drain"]);
    assert!(drained.ok, "{drained:?}");
    let refused = blocking.reply();
    let text = Some("The server is being restarted. Log in again.");
    assert_eq!((refused.code, refused.get("Reply-Message")), (Code::Reject, text));
}

#[test]
fn nothing_that_runs_is_said_so() {
    let mut server = Site::passcode().start();
    assert!(server.mfa(&["status"]).ok);
    let [socket] = sockets(&server).try_into().unwrap();
    assert_eq!(socket.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert!(server.down());
    assert_eq!(sockets(&server), Vec::<PathBuf>::new(), "it takes its socket with it");
    let nothing = server.mfa(&["status"]);
    assert_eq!((nothing.code, nothing.out.as_str()), (Some(1), ""), "{nothing:?}");
    assert!(nothing.text.contains("no server runs with this store"), "{nothing:?}");
    let json = server.mfa(&["status", "--json"]);
    assert_eq!((json.code, json.out.trim()), (Some(1), "[]"));

    server.up().unwrap();
    server.kill();
    assert_eq!(sockets(&server).len(), 1, "it could not");
    assert_eq!(server.mfa(&["status"]).code, Some(1));
    assert_eq!(sockets(&server), Vec::<PathBuf>::new(), "removed by who found it");
    server.up().unwrap();
    server.kill();
    server.up().unwrap();
    assert_eq!(sockets(&server).len(), 1, "removed by the next server");
    assert_eq!(status(&server).len(), 1);
}

#[test]
fn every_process_on_a_store_is_told() {
    let server = Site::passcode().start();
    let twin = server.twin();
    let mut processes: Vec<_> = status(&server).iter().map(|it| it["process"].as_u64().unwrap()).collect();
    processes.sort();
    let mut expected: [u64; 2] = [server.id().into(), twin.id().into()];
    expected.sort();
    assert_eq!(processes, expected);
    assert_eq!(status(&twin).len(), 2);
}

#[test]
fn process_that_does_not_answer_holds_nobody_up() {
    let server = Site::passcode().start();
    process::signal(server.id(), "STOP");
    let silent = server.mfa(&["status"]);
    process::signal(server.id(), "CONT");
    assert_eq!(silent.code, Some(4), "{silent:?}");
    assert!(silent.text.contains(&format!("process {}", server.id())), "{silent:?}");
    assert!(server.mfa(&["status"]).ok);
}

#[test]
fn whatever_is_written_to_the_socket_the_server_goes_on() {
    let server = Site::passcode().start();
    let alice = server.enrol("alice");
    let [socket] = sockets(&server).try_into().unwrap();
    for octets in [
        &b"\n"[..],
        b"\0\xff\n",
        b"{\"ask\":\"drain\"}\n",
        b"{\"ask\":\"drain\",\"wait\":1e400}\n",
        b"GET / HTTP/1.1\r\n\r\n",
        &[b'['; 100_000],
    ] {
        let answer = said(&socket, octets);
        assert!(answer.is_empty() || answer.contains("not understood"), "{answer}");
    }
    let open: Vec<_> = (0..30).map(|_| UnixStream::connect(&socket).unwrap()).collect();
    assert_eq!(Login::pap("alice", &alice.code(0)).send(&server).code, Code::Accept);
    drop(open);
    let [it] = status(&server).try_into().unwrap();
    assert_eq!((&it["draining"], &it["attempts"][0]["factor"]), (&false.into(), &"hotp".into()));
    assert!(!server.log().contains("internal error"));
}

#[test]
fn path_that_is_too_long_for_a_socket_keeps_no_server_from_starting() {
    let home = tempfile::Builder::new().prefix(&"x".repeat(80)).tempdir().unwrap();
    let mut server = Server::prepare_in(Site::passcode(), home);
    assert!(server.mfa(&["init"]).ok);
    let alice = server.enrol("alice");
    server.up().unwrap();
    assert_eq!(Login::pap("alice", &alice.code(0)).send(&server).code, Code::Accept);
    assert!(server.logged("mfa status and mfa drain will not work"));
    assert!(server.logged("a socket's path has at most 107"));
    assert_eq!(server.mfa(&["status"]).code, Some(1));
    let doctor = server.mfa(&["doctor"]);
    assert!(doctor.text.contains("a socket's path has at most 107"), "{doctor:?}");
}

#[test]
fn check_of_the_configuration_makes_no_socket() {
    let server = Server::prepare(Site::passcode());
    assert!(server.mfa(&["init"]).ok && server.check().ok);
    assert_eq!(sockets(&server), Vec::<PathBuf>::new());
}
