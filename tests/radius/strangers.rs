//! What comes in the server's name, and is not from it.

use super::fake::{Fake, missigned, signed, signed_as, unsigned};
use super::*;

const ACCEPT: u8 = 2;
const REJECT: u8 = 3;

/// Datagrams that are no answer to the request, whatever they say.
fn spoofed(request: &[u8]) -> Vec<Vec<u8>> {
    let mut changed = signed(request, REJECT, &[]);
    changed[0] = ACCEPT;
    let mut other = request.to_vec();
    other[4] ^= 1;
    let twice = [&[80, 18][..], &[0; 16]].concat();
    vec![
        changed,
        signed_as(request, ACCEPT, request[1].wrapping_add(1), SECRET, &[]),
        signed_as(request, ACCEPT, request[1], "other", &[]),
        signed(&other, ACCEPT, &[]),
        signed(request, ACCEPT, &twice),
        signed(request, 5, &[]),
        signed(request, ACCEPT, &[])[..30].to_vec(),
        b"\x02".to_vec(),
        Vec::new(),
    ]
}

#[test]
fn what_is_not_the_signed_answer_is_ignored_and_the_answer_is_still_heard() {
    let fake = Fake::start(|request| {
        let mut all = spoofed(request);
        all.push(unsigned(request, ACCEPT));
        all.push(signed(request, REJECT, &[]));
        all.push(signed(request, ACCEPT, &[]));
        all
    });
    let asker = Asker::new(&["127.0.0.1"], fake.port, "");
    assert_eq!(asker.login("alice", "hello"), Err(AuthFailure::Wrong), "the first that is right decides");
    assert!(asker.radius.ignored_count() >= 10, "{}", asker.radius.ignored_count());
}

#[test]
fn spoofed_accepts_alone_are_never_one() {
    let fake = Fake::start(spoofed);
    let asker = Asker::new(&["127.0.0.1"], fake.port, "timeout = 1\nretries = 1\n");
    let why = asker.why("alice", "hello");
    assert!(why.starts_with("127.0.0.1: "), "{why}");
    fake.wait_for(2);
    std::thread::sleep(std::time::Duration::from_millis(100));
    assert_eq!(fake.asked(), 2);
    fake.now(|request| vec![signed_as(request, ACCEPT, request[1], "other", &[])]);
    assert!(asker.why("alice", "hello").contains("not signed with our secret"));
}

#[test]
fn accept_without_message_authenticator_counts_only_where_that_is_allowed() {
    let fake = Fake::start(|request| vec![unsigned(request, ACCEPT)]);
    let strict = Asker::new(&["127.0.0.1"], fake.port, "timeout = 1\nretries = 0\n");
    let why = strict.why("alice", "hello");
    assert!(why.contains("require_message_authenticator"), "{why}");
    let lax = "timeout = 10\nretries = 0\nrequire_message_authenticator = no\n";
    assert!(Asker::new(&["127.0.0.1"], fake.port, lax).login("alice", "hello").is_ok());
    // One that is there has to be right all the same.
    fake.now(|request| vec![missigned(request, ACCEPT), signed(request, REJECT, &[])]);
    let login = Asker::new(&["127.0.0.1"], fake.port, lax).login("alice", "hello");
    assert_eq!(login, Err(AuthFailure::Wrong));
}

#[test]
fn datagram_from_another_address_is_not_seen() {
    let elsewhere = std::net::UdpSocket::bind("127.0.0.4:0").unwrap();
    let fake = Fake::start(|_| Vec::new());
    let (tell, told) = std::sync::mpsc::channel();
    fake.now(move |request| {
        let _ = tell.send(request.to_vec());
        Vec::new()
    });
    let asker = Asker::new(&["127.0.0.1"], fake.port, "timeout = 1\nretries = 0\n");
    std::thread::scope(|scope| {
        let elsewhere = &elsewhere;
        scope.spawn(move || {
            let request = told.recv().unwrap();
            // An attacker who has read the request knows neither the secret nor the port; this one tries all ports.
            let answer = signed(&request, ACCEPT, &[]);
            for port in 32_768..=60_999u16 {
                let _ = elsewhere.send_to(&answer, ("127.0.0.1", port));
            }
        });
        assert!(asker.why("alice", "hello").contains("no answer"));
    });
    assert_eq!(asker.radius.ignored_count(), 0);
}

#[test]
fn request_is_signed_and_hides_the_password_anew_each_time() {
    let (tell, told) = std::sync::mpsc::channel();
    let fake = Fake::start(move |request| {
        let _ = tell.send(request.to_vec());
        super::fake::accepts(request)
    });
    let asker = Asker::new(&["127.0.0.1"], fake.port, "");
    let requests: Vec<_> = (0..2)
        .map(|_| {
            asker.login("alice", "hello").unwrap();
            told.recv().unwrap()
        })
        .collect();
    for request in &requests {
        assert_eq!(request[20..22], [80, 18], "Message-Authenticator comes first");
        let mut blank = request.clone();
        blank[22..38].fill(0);
        use hmac::{Hmac, KeyInit, Mac};
        let mut mac = <Hmac<md5::Md5> as KeyInit>::new_from_slice(SECRET.as_bytes()).unwrap();
        mac.update(&blank);
        assert_eq!(mac.finalize().into_bytes()[..], request[22..38]);
        assert!(!request.windows(5).any(|octets| octets == b"hello"));
        let hidden = harness::raw::values(request, 2);
        assert_eq!(hidden, [harness::wire::hide(b"hello", request[4..20].try_into().unwrap())]);
    }
    assert_ne!(requests[0][4..20], requests[1][4..20]);
    assert_ne!(requests[0][1], requests[1][1], "an identifier rests before it is taken again");
}
