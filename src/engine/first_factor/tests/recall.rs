//! Logins that are remembered though an answer stands behind the password.

use super::*;
use crate::engine::PreAuthFacts;
use crate::engine::{DatagramRecord, EarlierDecision, Reason};

fn remembering(minutes: u64, once: u64) -> Site {
    let policy = PolicyOptions {
        remember: Duration::from_secs(60 * minutes),
        remember_once: Duration::from_secs(once),
        ..PolicyOptions::default()
    };
    site(Config { policy, ..Config::default() })
}

/// So many seconds after the first.
fn login(field: &str, seconds: u64) -> LoginAttempt {
    let attempt = append(field);
    let unchecked = PreAuthFacts { remember: true, ..PreAuthFacts::default() };
    attempt.map_request(|request| {
        request.at = request.at.plus(Duration::from_secs(seconds));
        request.unchecked = unchecked;
    })
}

fn from(client: &str, station: &str) -> AttemptSource {
    AttemptSource { client: client.into(), calling_station: station.into(), request: None }
}

#[test]
fn password_is_asked_about_again_and_the_passcode_not_looked_at() {
    let site = remembering(10, 0);
    assert_eq!(site.reason(login("secret,111111", 0)), Reason::Right);
    for (n, field) in ["secret,111111", "secret,000000", "secret,111111"].into_iter().enumerate() {
        let decision = site.decide(login(field, 500 + n as u64));
        assert_eq!((decision.reason(), decision.proven), (Reason::Remembered, true), "{field}");
        assert!(decision.grants.is_some() && decision.token().is_none());
        assert_eq!(site.asked(), n + 2, "{field}");
    }
    assert_eq!(site.reason(login("secret,222222", 599)), Reason::Remembered);
    assert_eq!(site.reason(login("secret,111111", 600)), Reason::SpentCode, "its time is over");
    assert_eq!(site.reason(login("secret,222222", 600)), Reason::Right, "it was not spent");
}

#[test]
fn nothing_else_is_remembered() {
    let site = remembering(10, 0);
    assert_eq!(site.reason(login("secret,111111", 0)), Reason::Right);
    let asked = site.asked();
    let away = login("secret,111111", 1).map_request(|request| request.source = from("192.0.2.1", "away"));
    let client = login("secret,111111", 1).map_request(|request| request.source = from("192.0.2.2", "home"));
    let nowhere = login("secret,111111", 1).map_request(|request| request.source = from("192.0.2.1", ""));
    let unlang = login("secret,111111", 1).map_request(|request| request.unchecked = PreAuthFacts::default());
    let others = [away, client, nowhere, unlang, login("other,111111", 1), login("Secret,111111", 1)];
    for (n, other) in others.into_iter().enumerate() {
        assert_eq!(site.reason(other), Reason::SpentCode, "{n}");
    }
    assert_eq!(site.asked(), asked, "nobody is asked about a password without a right code");
    site.knows.say(Err(AuthFailure::Wrong));
    assert_eq!(site.reason(login("secret,111111", 2)), Reason::WrongPassword, "it was changed");
    site.knows.say(Err(away_for_now()));
    assert_eq!(site.reason(login("secret,111111", 3)), Reason::DirectoryUnavailable);
    site.knows.say(Ok(person().into()));
    assert_eq!(site.reason(login("secret,111111", 4)), Reason::Remembered);
    let off = remembering(0, 0);
    assert_eq!(off.reason(login("secret,111111", 0)), Reason::Right);
    assert_eq!(off.reason(login("secret,111111", 1)), Reason::SpentCode);
}

fn away_for_now() -> AuthFailure {
    BackendUnavailable("no answer".into()).into()
}

#[test]
fn one_other_login_and_no_more() {
    let site = remembering(0, 30);
    assert_eq!(site.reason(login("secret,111111", 0)), Reason::Right);
    assert_eq!(site.reason(login("secret,111111", 1)), Reason::Remembered);
    assert_eq!(site.reason(login("secret,111111", 2)), Reason::SpentCode);
    assert_eq!(site.reason(login("secret,222222", 3)), Reason::Right);
    assert_eq!(site.reason(login("secret,222222", 33)), Reason::SpentCode, "its time is over");
    assert_eq!(
        site.audit(),
        [Reason::Right, Reason::Remembered, Reason::SpentCode, Reason::Right, Reason::SpentCode]
    );
}

#[test]
fn place_may_be_a_group_of_clients_and_a_station_of_its_own() {
    let site = remembering(0, 30);
    let place = |station: &str| Some(from("group vpn", station));
    let at = |client: &str, field: &str, place: Option<AttemptSource>| {
        let attempt = login(field, 0);
        let unchecked = PreAuthFacts { place, ..attempt.request.unchecked.clone() };
        attempt.map_request(|request| {
            request.source = from(client, "");
            request.unchecked = unchecked;
        })
    };
    assert_eq!(site.reason(at("192.0.2.1", "secret,111111", place("198.51.100.7"))), Reason::Right);
    assert_eq!(site.reason(at("192.0.2.2", "secret,111111", place("198.51.100.8"))), Reason::SpentCode);
    assert_eq!(site.reason(at("192.0.2.2", "secret,111111", None)), Reason::SpentCode);
    assert_eq!(site.reason(at("192.0.2.2", "secret,111111", place(""))), Reason::SpentCode);
    assert_eq!(site.reason(at("192.0.2.2", "secret,111111", place("198.51.100.7"))), Reason::Remembered);
}

#[test]
fn datagram_that_comes_again_takes_no_use_of_it() {
    let site = remembering(0, 30);
    let in_datagram = |field: &str, datagram| LoginAttempt { datagram, ..login(field, 0) };
    let again = |decision: &Decision| {
        DatagramRecord::Again(Arc::new(EarlierDecision::new(decision, PacketRole::First).expect("an accept")))
    };
    let first = site.decide(in_datagram("secret,111111", DatagramRecord::New));
    assert_eq!(site.reason(in_datagram("secret,111111", again(&first))), Reason::Repeated);
    let second = site.decide(in_datagram("secret,111111", DatagramRecord::New));
    assert_eq!(second.reason(), Reason::Remembered);
    assert_eq!(site.reason(in_datagram("secret,111111", again(&second))), Reason::Repeated);
    assert_eq!(site.reason(in_datagram("secret,111111", DatagramRecord::New)), Reason::SpentCode);
    let asked = site.asked();
    assert_eq!(asked, 4, "the password is asked about every time");
    site.knows.say(Err(AuthFailure::Wrong));
    for decision in [&first, &second] {
        assert_eq!(site.reason(in_datagram("secret,111111", again(decision))), Reason::WrongPassword);
    }
}
