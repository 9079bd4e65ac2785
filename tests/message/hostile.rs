//! Gateways that fail, lie or stall. Whatever they do, no user gets two messages.

use super::fake::{Does, Gateway};
use super::{NUMBER, Sender, taken, unsure};
use crate::harness::SOON;
use crate::harness::authority::Authority;
use rlm_mfa::factor::message::DeliveryError;
use std::time::{Duration, Instant};

/// Two gateways, in this order; each takes a message if it says OK.
fn two(first: &str, second: &str) -> Sender {
    two_within(20, first, second)
}

/// The same with that `timeout`.
fn two_within(seconds: u32, first: &str, second: &str) -> Sender {
    let gateway = |name: &str, origin: &str| {
        format!(
            "gateway {name} {{\nurl = \"{origin}/secret/{{password}}/{{to}}?t={{text}}\"\npassword = smspw\n\
             accepted = OK\nrefused = ERROR\n}}\n"
        )
    };
    let (first, second) = (gateway("first", first), gateway("second", second));
    Sender::new(&format!("sms {{\ntimeout = {seconds}\n{first}{second}}}"))
}

#[test]
fn next_gateway_is_tried_where_the_first_has_not_taken_it() {
    for does in [
        Does::Says(200, "ERROR 17: no credit, OK?"),
        Does::Says(400, "bad request: /secret/smspw/+41791234567?t=Your%20code%20is%20738201"),
        Does::Says(401, "smspw is wrong"),
        Does::Says(404, ""),
        Does::Says(429, "slowly"),
        Does::Says(503, "closed"),
    ] {
        let (first, second) = (Gateway::start(does.clone()), Gateway::start(Does::Says(200, "OK")));
        let sent = two(&first.origin(), &second.origin()).send(NUMBER);
        assert_eq!(taken(&sent), "second", "{does:?}");
        assert_eq!((first.requests().len(), second.requests().len()), (1, 1), "{does:?}");
        assert!(matches!(sent.refusals[0].why, DeliveryError::Refused(_)), "{sent:?}");
    }
}

#[test]
fn nobody_else_is_asked_where_the_first_may_have_taken_it() {
    for does in [
        Does::Says(200, ""),
        Does::Says(200, "<html>It works!</html>"),
        Does::Says(500, "oops"),
        Does::Says(502, "OK"),
        Does::Says(504, ""),
        Does::Nothing,
        Does::HangsUp,
        Does::Floods,
    ] {
        let (first, second) = (Gateway::start(does.clone()), Gateway::start(Does::Says(200, "OK")));
        let seconds = if matches!(does, Does::Nothing) { 2 } else { 20 };
        let start = Instant::now();
        let sent = two_within(seconds, &first.origin(), &second.origin()).send(NUMBER);
        unsure(&sent);
        assert!(start.elapsed() < SOON, "{does:?}: {:?}", start.elapsed());
        assert_eq!((first.requests().len(), second.requests().len()), (1, 0), "{does:?}");
    }
}

#[test]
fn redirects_are_not_followed() {
    let other = Gateway::start(Does::Says(200, "OK"));
    let first = Gateway::start(Does::Redirects(other.origin()));
    let sent = two(&first.origin(), &first.origin()).send(NUMBER);
    assert!(unsure(&sent).contains("redirect"), "{sent:?}");
    assert!(other.requests().is_empty());
}

#[test]
fn gateway_that_accepts_and_never_delivers_has_taken_it() {
    let (first, second) = (Gateway::start(Does::Says(200, "OK")), Gateway::start(Does::Says(200, "OK")));
    assert_eq!(taken(&two(&first.origin(), &second.origin()).send(NUMBER)), "first");
    assert!(second.requests().is_empty());
}

#[test]
fn gateway_with_a_wrong_certificate_gets_nothing() {
    let smtp = crate::harness::smtp::Smtp::start_as({
        let authority = Authority::new();
        authority.issue_for_another("server");
        authority
    });
    // Any server that speaks TLS will do: the certificate comes first.
    let second = Gateway::start(Does::Says(200, "OK"));
    let sent = two(&format!("https://127.0.0.1:{}", smtp.tls), &second.origin()).send(NUMBER);
    assert_eq!(taken(&sent), "second");
    let why = sent.refusals[0].why.to_string();
    assert!(why.contains("certificate") && !why.contains("secret"), "{why}");
}

#[test]
fn gateway_that_swallows_packets_costs_less_than_its_time() {
    // A full queue of connections: none is accepted.
    let full = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = full.local_addr().unwrap();
    let mut queue = Vec::new();
    while let Ok(stream) = std::net::TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
        queue.push(stream);
    }
    let second = Gateway::start(Does::Says(200, "OK"));
    let sent = two_within(2, &format!("http://{address}"), &second.origin()).send(NUMBER);
    // Had all the time gone by, the first might have taken it.
    assert_eq!(taken(&sent), "second");
}
