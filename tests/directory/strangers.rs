//! A host that cannot prove to be the directory is sent nothing.

use super::harness::SOON;
use super::harness::authority::Authority;
use super::harness::slapd::{Slapd, service};
use super::{Asker, unavailable};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread::JoinHandle;

#[test]
fn certificate_has_to_be_right() {
    for (make, word) in [
        ((|authority| authority.issue_for_another("server")) as fn(&Authority), "name"),
        (|authority| authority.forge("server"), "UnknownIssuer"),
        (|authority| authority.issue_expired("server"), "xpired"),
    ] {
        let slapd = Slapd::start_with(make);
        for transport in ["ldaps", "starttls"] {
            let port = if transport == "ldaps" { slapd.tls_port } else { slapd.port };
            let options = slapd.options().replace(&slapd.tls_port.to_string(), &port.to_string());
            let asker = Asker::new(&format!("{options}{}transport = {transport}\n", service()));
            let why = unavailable(asker.why("alice", "alice-pw"));
            assert!(why.contains("TLS") && why.contains(word), "{transport}: {why}");
        }
        assert!(!slapd.log().contains("uid=svc"), "{}", slapd.log());
    }
}

#[test]
fn starttls_protects_as_ldaps_does() {
    let slapd = Slapd::start();
    let options = slapd.options().replace(&slapd.tls_port.to_string(), &slapd.port.to_string());
    let asker = Asker::new(&format!("{options}{}transport = starttls\n", service()));
    assert!(asker.login("alice", "alice-pw").is_ok());
    assert!(slapd.log().contains("STARTTLS"));
    let asker = Asker::new(&format!("{options}{}transport = clear\n", service()));
    let why = unavailable(asker.why("alice", "alice-pw"));
    assert!(why.contains("13"), "this server wants TLS before passwords: {why}");
}

/// A server that answers the first request with this, and returns what else came.
fn stranger(answer: Vec<u8>) -> (u16, JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        let mut first = [0; 512];
        let _ = stream.read(&mut first);
        let _ = stream.write_all(&answer);
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        rest
    });
    (port, heard)
}

#[test]
fn nothing_is_said_to_whoever_does_not_begin_tls() {
    let yes = [0x30, 12, 2, 1, 1, 0x78, 7, 10, 1, 0, 4, 0, 4, 0];
    let mut no = yes;
    no[9] = 52;
    // Nested so deeply that a recursive reader has no stack left.
    let mut deep: Vec<u8> = vec![0x30, 0x84, 0, 0x0f, 0, 0];
    deep.extend([0x30, 0x80].repeat(300_000));
    // What it says before TLS begins is no answer within TLS.
    let slipped = [&yes[..], &[0x30, 12, 2, 1, 2, 0x61, 7, 10, 1, 0, 4, 0, 4, 0]].concat();
    for answer in [no.to_vec(), deep, slipped, b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), Vec::new()] {
        let (port, heard) = stranger(answer);
        let options = format!(
            "host = 127.0.0.1\nport = {port}\ntransport = starttls\nsearch_dn = \"dc=example,dc=test\"\ntimeout = 1\n{}",
            service()
        );
        unavailable(Asker::new(&options).why("alice", "alice-pw"));
        let heard = heard.join().unwrap();
        let is_clear = |word: &[u8]| heard.windows(word.len()).any(|window| window == word);
        assert!(!is_clear(b"svc-pw") && !is_clear(b"alice"), "{heard:?}");
    }
}

#[test]
fn answer_that_is_no_ldap_harms_nobody_else() {
    // The answer to a bind without its contents, from a server that may speak in the clear.
    for answer in [&[0x30, 5, 2, 1, 1, 0x61, 0][..], &[0x30, 0], b"\x30\x03\x02\x01\x01", b"garbage"] {
        let (port, heard) = stranger(answer.to_vec());
        let options = format!(
            "host = 127.0.0.1\nport = {port}\ntransport = clear\nsearch_dn = \"dc=example,dc=test\"\ntimeout = 1\n{}",
            service()
        );
        unavailable(Asker::new(&options).why("alice", "alice-pw"));
        heard.join().unwrap();
    }
}
