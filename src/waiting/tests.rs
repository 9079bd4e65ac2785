//! One push for each attempt, and one accept for each approval, in any order of events. Sockets are real; no test
//! sleeps: what time does is done to the table.

use super::datagrams::DatagramOutcome;
use super::open_waits::{AGAIN, CLAIM};
use super::table::HandlingMode;
use super::*;
use crate::engine::{ChallengedLogin, Decision, Outcome, ProofClass, Reason, RefusalReason};
use crate::types::{Secret, Timestamp, UserName};
use crate::waiting::loopback_packet::tests::signed_request;
use crate::wire::kind::STATE;
use std::net::UdpSocket;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

mod datagrams;
mod race;

const KEEP: Duration = Duration::from_secs(10);

/// The waits, and the server's end of their socket.
struct Rig {
    waits: Arc<OpenWaits>,
    server: UdpSocket,
}

impl Rig {
    fn new() -> Self {
        Self::keeping(KEEP)
    }

    fn keeping(keep: Duration) -> Self {
        let ours = UdpSocket::bind("127.0.0.1:0").unwrap();
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        server.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        Self { waits: Arc::new(OpenWaits::new(ours, secret(), keep)), server }
    }

    fn enter(&self, user: &str, fingerprint: AttemptFingerprint) -> JoinOutcome {
        self.waits.join_or_open(opening(Some(user), fingerprint, None))
    }

    /// A new question to alice, and the packet that brought it.
    fn open(&self, fingerprint: AttemptFingerprint) -> (OpenedWait, ParkedHandle) {
        match self.enter("alice", fingerprint) {
            JoinOutcome::Opened(opened, Some(seat)) => (opened, seat),
            other => panic!("{}", word(&other)),
        }
    }

    fn join(&self, fingerprint: AttemptFingerprint) -> ParkedHandle {
        match self.enter("alice", fingerprint) {
            JoinOutcome::Seated(seat) => seat,
            other => panic!("{}", word(&other)),
        }
    }

    /// A question with this number; its packet was sent back with a challenge.
    fn challenge(&self, number: &str) -> OpenedWait {
        match self.waits.join_or_open(opening(Some("alice"), at(1), Some(number))) {
            JoinOutcome::Opened(opened, None) => opened,
            other => panic!("{}", word(&other)),
        }
    }

    /// A packet whose user is not known yet.
    fn nameless(&self, fingerprint: AttemptFingerprint) -> (WaitId, ParkedHandle) {
        match self.waits.join_or_open(opening(None, fingerprint, None)) {
            JoinOutcome::Opened(opened, Some(seat)) => (opened.id, seat),
            other => panic!("{}", word(&other)),
        }
    }

    fn adopt(&self, id: WaitId) -> AdoptOutcome {
        self.waits.assign_user(id, &asked("alice"), None)
    }

    /// The packet comes to the responder.
    fn park(&self, seat: &ParkedHandle) {
        let from = self.server.local_addr().unwrap();
        assert_eq!(
            self.waits.receive_datagram(&request(seat.token.expose()), from),
            DatagramOutcome::Waiting
        );
    }

    /// The code of the next datagram that comes back.
    fn answer(&self) -> u8 {
        let mut octets = [0; 4096];
        self.server.recv(&mut octets).unwrap();
        octets[0]
    }

    fn redeem(&self, seat: &ParkedHandle) -> Option<Reason> {
        self.waits.take_decision(&seat.token).map(|decision| decision.reason())
    }

    /// So much time passes.
    fn age(&self, by: Duration) {
        let back = |at: &mut Instant| *at = at.checked_sub(by).unwrap();
        let mut table = self.waits.lock_table();
        for wait in table.waits.values_mut() {
            back(&mut wait.deadline);
            wait.decision.iter_mut().for_each(|(_, at)| back(at));
        }
        for packet in table.seats.values_mut() {
            back(&mut packet.since);
            if let HandlingMode::Answered { first, last, .. } = &mut packet.how {
                back(first);
                back(last);
            }
        }
    }

    fn is_empty(&self) -> bool {
        let table = self.waits.lock_table();
        table.waits.is_empty() && table.seats.is_empty() && table.users.is_empty()
    }
}

fn asked(name: &str) -> AskedUser {
    AskedUser { name: UserName::from_canonical(name), proof: ProofClass::Proven }
}

fn opening(user: Option<&str>, fingerprint: AttemptFingerprint, number: Option<&str>) -> NewWait {
    NewWait {
        user: user.map(asked),
        client: "192.0.2.1".into(),
        fingerprint,
        begun: None,
        since: Timestamp::default(),
        limit: Duration::from_secs(25),
        number: number.map(str::to_owned),
    }
}

fn secret() -> Secret {
    Secret::new("testing123")
}

/// A parked packet as the server sends it.
fn request(token: &[u8]) -> Vec<u8> {
    signed_request(&[(STATE, token)], &secret())
}

fn alice() -> UserName {
    UserName::from_canonical("alice")
}

/// The attempt from that port, without a station or a session.
fn at(port: u16) -> AttemptFingerprint {
    AttemptFingerprint { digest: [1; 32], datagram: None, roams: false, port }
}

/// Another password, station, session, client: one octet of the digest.
fn other(port: u16) -> AttemptFingerprint {
    AttemptFingerprint { digest: [2; 32], ..at(port) }
}

/// With a Calling-Station-Id.
fn roaming(port: u16) -> AttemptFingerprint {
    AttemptFingerprint { roams: true, ..at(port) }
}

fn decided(reason: Reason) -> Decision {
    Decision::for_reason(Some(alice()), reason)
}

fn word(joined: &JoinOutcome) -> String {
    match joined {
        JoinOutcome::Decided(decision) => format!("decided: {}", decision.reason().as_str()),
        JoinOutcome::Seated(_) => "seated".into(),
        JoinOutcome::Number(_, number) => format!("number {number}"),
        JoinOutcome::Refused => "refused".into(),
        JoinOutcome::Nothing => "nothing".into(),
        JoinOutcome::Opened(_, seat) => {
            format!("opened, {}", if seat.is_some() { "seated" } else { "no seat" })
        }
    }
}

#[test]
fn newest_packet_takes_the_wait_over_and_the_older_is_refused() {
    let rig = Rig::new();
    let (opened, first) = rig.open(roaming(1));
    rig.park(&first);
    let second = rig.join(roaming(2));
    assert_eq!((rig.answer(), rig.redeem(&first)), (3, Some(Reason::Superseded)));
    rig.park(&second);
    rig.waits.resolve_wait(opened.id, decided(Reason::Approved));
    assert_eq!((rig.answer(), rig.redeem(&second)), (2, Some(Reason::Approved)));
    assert_eq!(rig.redeem(&second), None);
    assert!(rig.is_empty());
}

#[test]
fn only_the_same_attempt_joins() {
    for (mine, theirs, joins) in [
        (at(1), at(1), true),
        (at(1), at(2), false),
        (at(1), other(1), false),
        (roaming(1), roaming(2), true),
        (roaming(1), AttemptFingerprint { roams: true, ..other(1) }, false),
    ] {
        let rig = Rig::new();
        let (_opened, _seat) = rig.open(mine);
        let joined = rig.enter("alice", theirs);
        assert_eq!(word(&joined), if joins { "seated" } else { "refused" }, "{mine:?} {theirs:?}");
        assert_eq!(word(&rig.enter("bob", theirs)), "opened, seated");
    }
}

#[test]
fn accept_is_given_once_and_then_the_user_is_asked_again() {
    let rig = Rig::new();
    let (opened, seat) = rig.open(at(1));
    rig.park(&seat);
    rig.waits.resolve_wait(opened.id, decided(Reason::Approved));
    assert_eq!(rig.redeem(&seat), Some(Reason::Approved));
    drop(seat);
    assert_eq!(word(&rig.enter("alice", at(1))), "opened, seated");
}

#[test]
fn accept_on_its_way_goes_to_the_newer_packet_alone() {
    let rig = Rig::new();
    let (opened, first) = rig.open(at(1));
    rig.park(&first);
    rig.waits.resolve_wait(opened.id, decided(Reason::Approved));
    assert_eq!(rig.answer(), 2, "the datagram has left");
    assert_eq!(word(&rig.enter("alice", other(1))), "opened, seated", "another attempt asks again");

    let rig = Rig::new();
    let (opened, first) = rig.open(at(1));
    rig.park(&first);
    rig.waits.resolve_wait(opened.id, decided(Reason::Approved));
    assert_eq!(word(&rig.enter("alice", at(1))), "decided: approved");
    assert_eq!(rig.redeem(&first), Some(Reason::Superseded));
    assert_eq!(word(&rig.enter("alice", at(1))), "opened, seated");
}

#[test]
fn refusal_is_kept_for_the_same_attempt_and_for_a_while() {
    let rig = Rig::new();
    let (opened, seat) = rig.open(at(1));
    rig.waits.resolve_wait(opened.id, decided(Reason::Denied));
    for _ in 0..3 {
        assert_eq!(word(&rig.enter("alice", at(1))), "decided: denied by the user");
    }
    assert_eq!(rig.redeem(&seat), Some(Reason::Denied));
    rig.age(KEEP);
    assert!(rig.waits.remove_expired().is_empty());
    assert!(rig.is_empty());
    assert_eq!(word(&rig.enter("alice", at(1))), "opened, seated");

    let rig = Rig::new();
    let (opened, _seat) = rig.open(at(1));
    rig.waits.resolve_wait(opened.id, decided(Reason::Denied));
    assert_eq!(word(&rig.enter("alice", at(2))), "opened, seated");

    let rig = Rig::keeping(Duration::ZERO);
    let (opened, _seat) = rig.open(at(1));
    rig.waits.resolve_wait(opened.id, decided(Reason::Denied));
    assert_eq!(word(&rig.enter("alice", at(1))), "opened, seated");
}

#[test]
fn packet_that_leaves_makes_room_for_a_later_one() {
    let rig = Rig::new();
    let (opened, first) = rig.open(at(1));
    drop(first);
    assert!(!*opened.stop.borrow());
    let second = rig.join(at(1));
    drop(second);
    rig.waits.resolve_wait(opened.id, decided(Reason::Approved));
    assert_eq!(word(&rig.enter("alice", at(2))), "opened, seated", "not for another attempt");

    let rig = Rig::new();
    let (opened, first) = rig.open(at(1));
    rig.park(&first);
    rig.waits.resolve_wait(opened.id, decided(Reason::Approved));
    drop(first);
    assert_eq!(word(&rig.enter("alice", at(1))), "decided: approved", "it was never taken");
    assert_eq!(word(&rig.enter("alice", at(1))), "opened, seated");
}

#[test]
fn nobody_waits_on_for_a_packet_without_a_user() {
    let rig = Rig::new();
    let JoinOutcome::Opened(opened, Some(seat)) = rig.waits.join_or_open(opening(None, at(1), None)) else {
        panic!("not open")
    };
    rig.park(&seat);
    drop(seat);
    assert!(*opened.stop.borrow());
    rig.waits.resolve_wait(opened.id, decided(Reason::Cancelled));
    assert!(rig.is_empty());
}

#[test]
fn wait_whose_user_is_found_late_follows_the_same_rules() {
    let rig = Rig::new();
    let (id, seat) = rig.nameless(at(1));
    assert!(matches!(rig.adopt(id), AdoptOutcome::Alone(_)));
    assert_eq!(word(&rig.enter("alice", at(2))), "refused");

    let (late, _late_seat) = rig.nameless(at(2));
    assert!(matches!(rig.adopt(late), AdoptOutcome::Refused));

    let (late, late_seat) = rig.nameless(at(1));
    assert!(matches!(rig.adopt(late), AdoptOutcome::Moved));
    assert_eq!(rig.redeem(&seat), Some(Reason::Superseded));
    rig.waits.resolve_wait(late, decided(Reason::Approved));
    assert_eq!(rig.redeem(&late_seat), None, "its own wait is no more");
    rig.waits.resolve_wait(id, decided(Reason::Approved));
    let (late, last_seat) = rig.nameless(at(1));
    assert!(
        matches!(rig.adopt(late), AdoptOutcome::Decided(decision) if decision.reason() == Reason::Approved)
    );
    assert_eq!(rig.redeem(&late_seat), Some(Reason::Superseded));
    rig.waits.resolve_wait(late, decided(Reason::Approved));
    assert_eq!(rig.redeem(&last_seat), Some(Reason::Approved));
    let (late, _seat) = rig.nameless(at(1));
    assert!(matches!(rig.adopt(late), AdoptOutcome::Alone(_)), "the accept was given");
}

#[test]
fn number_found_late_sends_the_packet_back() {
    let rig = Rig::new();
    let (id, seat) = rig.nameless(at(1));
    rig.park(&seat);
    assert!(matches!(rig.waits.assign_user(id, &asked("alice"), Some("42")), AdoptOutcome::Alone(_)));
    let (reason, state) = (RefusalReason::Challenged, "state".to_owned());
    let outcome = Outcome::Challenge(ChallengedLogin { reason, question: None, state });
    let challenge = Decision::new(Some(alice()), outcome);
    rig.waits.show(id, challenge);
    assert_eq!((rig.answer(), rig.redeem(&seat)), (11, Some(Reason::Challenged)));
    assert_eq!(word(&rig.enter("alice", at(1))), "number 42");
    let (late, _seat) = rig.nameless(at(1));
    let adopted = rig.waits.assign_user(late, &asked("alice"), Some("43"));
    assert!(matches!(adopted, AdoptOutcome::Number(other, number) if other == id && number == "42"));
    assert!(matches!(rig.waits.join_by_state(id, &at(7)), JoinOutcome::Seated(_)));
}

#[test]
fn answer_to_a_challenge_waits_and_its_repetition_takes_over() {
    let rig = Rig::new();
    let opened = rig.challenge("42");
    assert_eq!(word(&rig.enter("alice", at(1))), "number 42");
    assert_eq!(word(&rig.enter("alice", at(2))), "refused");
    let JoinOutcome::Seated(first) = rig.waits.join_by_state(opened.id, &other(5)) else {
        panic!("not seated")
    };
    assert_eq!(word(&rig.waits.join_by_state(opened.id, &other(6))), "refused");
    let JoinOutcome::Seated(second) = rig.waits.join_by_state(opened.id, &other(5)) else {
        panic!("not seated")
    };
    assert_eq!(rig.redeem(&first), Some(Reason::Superseded));
    rig.waits.resolve_wait(opened.id, decided(Reason::Approved));
    assert_eq!(
        word(&rig.waits.join_by_state(opened.id, &other(6))),
        "refused",
        "the accept is another packet's"
    );
    assert_eq!(rig.redeem(&second), Some(Reason::Approved));
    assert_eq!(word(&rig.waits.join_by_state(opened.id, &other(5))), "nothing");
    assert!(rig.is_empty());
}

#[test]
fn answer_may_come_a_minute_after_the_device_and_no_other_attempt_takes_it_away() {
    let rig = Rig::new();
    let opened = rig.challenge("42");
    rig.waits.resolve_wait(opened.id, decided(Reason::Approved));
    rig.age(Duration::from_secs(59));
    rig.waits.remove_expired();
    assert_eq!(word(&rig.enter("alice", at(9))), "opened, seated");
    assert_eq!(word(&rig.waits.join_by_state(opened.id, &other(5))), "decided: approved");
    assert_eq!(word(&rig.waits.join_by_state(opened.id, &other(5))), "nothing");

    let rig = Rig::new();
    let opened = rig.challenge("42");
    rig.waits.resolve_wait(opened.id, decided(Reason::Approved));
    rig.age(Duration::from_secs(60));
    assert_eq!(word(&rig.waits.join_by_state(opened.id, &other(5))), "nothing");
    rig.age(Duration::from_secs(120));
    rig.waits.remove_expired();
    assert!(rig.is_empty());
}

#[test]
fn thread_that_waits_gets_the_decision_or_is_stopped() {
    let rig = Rig::new();
    let (opened, seat) = rig.open(at(1));
    thread::scope(|scope| {
        let waiting = scope.spawn(|| rig.waits.block_for_decision(&seat, &|| false));
        while rig.waits.wait_statuses()[0].how != "blocking" {
            thread::yield_now();
        }
        rig.waits.resolve_wait(opened.id, decided(Reason::Approved));
        assert_eq!(waiting.join().unwrap().map(|decision| decision.reason()), Some(Reason::Approved));
    });
    let (_opened, seat) = rig.open(at(1));
    assert!(rig.waits.block_for_decision(&seat, &|| true).is_none());
}

#[test]
fn closed_waits_open_no_more_and_are_told_to_end() {
    let rig = Rig::new();
    let (opened, _seat) = rig.open(at(1));
    rig.waits.close();
    assert!(*opened.stop.borrow());
    assert_eq!(word(&rig.enter("bob", at(1))), "nothing");
}

#[test]
fn login_without_the_password_does_not_block_others() {
    let rig = Rig::new();
    let unproven = NewWait {
        user: Some(AskedUser { proof: ProofClass::Unproven, ..asked("alice") }),
        ..opening(None, at(1), None)
    };
    assert!(matches!(rig.waits.join_or_open(unproven), JoinOutcome::Opened(_, Some(_))));
    let proven = opening(Some("alice"), other(2), None);
    assert!(matches!(rig.waits.join_or_open(proven), JoinOutcome::Opened(_, Some(_))));
}

#[test]
fn questions_of_one_user_have_numbers_of_their_own_up_to_their_limit() {
    let rig = Rig::new();
    let ours = UdpSocket::bind("127.0.0.1:0").unwrap();
    let rig = Rig { waits: Arc::new(OpenWaits::new(ours, secret(), KEEP).with_limit(3)), ..rig };
    let enter = |digest: u8, number: &str| {
        let fingerprint = AttemptFingerprint { digest: [digest; 32], ..at(1) };
        rig.waits.join_or_open(opening(Some("alice"), fingerprint, Some(number)))
    };
    let mut numbers = Vec::new();
    let mut ids = Vec::new();
    for (digest, number) in [(1, "98"), (2, "98"), (3, "98")] {
        match enter(digest, number) {
            JoinOutcome::Opened(opened, None) => {
                numbers.push(opened.number.unwrap());
                ids.push(opened.id);
            }
            other => panic!("{}", word(&other)),
        }
    }
    assert_eq!(numbers, ["98", "99", "00"]);
    assert_eq!(word(&enter(4, "50")), "refused");
    assert_eq!(word(&enter(2, "50")), "number 99", "its own question");
    let [first, second, third] = ids[..] else { panic!() };
    assert!(matches!(rig.waits.join_by_state(second, &at(7)), JoinOutcome::Seated(_)));
    rig.waits.resolve_wait(second, decided(Reason::Approved));
    assert!(rig.waits.lock_table().waits[&first].decision.is_none());
    assert!(rig.waits.lock_table().waits[&third].decision.is_none());
    for id in [first, second, third] {
        rig.waits.lock_table().remove_wait(id);
    }
    assert!(rig.waits.lock_table().users.is_empty());
}

#[test]
fn same_datagram_from_another_port_joins_unless_policy_says_otherwise() {
    let rig = Rig::new();
    let sent =
        |fingerprint: AttemptFingerprint| AttemptFingerprint { datagram: Some([7; 32]), ..fingerprint };
    let (_opened, seat) = rig.open(sent(at(1)));
    assert_eq!(word(&rig.enter("alice", at(2))), "refused", "another datagram from another port");
    assert_eq!(word(&rig.enter("alice", AttemptFingerprint { datagram: Some([8; 32]), ..at(2) })), "refused");
    assert_eq!(word(&rig.enter("alice", sent(other(2)))), "refused", "policy says something else of it");
    let newer = rig.join(sent(at(2)));
    assert_eq!(rig.redeem(&seat), Some(Reason::Superseded));
    let by_datagram =
        |fingerprint| rig.waits.rejoin_datagram(&fingerprint).map(|joined| word(&joined).to_string());
    assert_eq!(by_datagram(at(3)), None);
    assert_eq!(by_datagram(sent(other(3))).as_deref(), Some("refused"));
    assert_eq!(by_datagram(sent(at(3))).as_deref(), Some("seated"));
    assert_eq!(rig.redeem(&newer), Some(Reason::Superseded));
}

#[test]
fn questions_without_a_packet_are_bounded_and_the_oldest_ended() {
    let rig = Rig::new();
    let enter = |user: &str, proof: ProofClass| {
        let opening = opening(Some(user), at(1), Some("42"));
        let user = opening.user.map(|asked| AskedUser { proof, ..asked });
        match rig.waits.join_or_open(NewWait { user, ..opening }) {
            JoinOutcome::Opened(opened, None) => opened,
            other => panic!("{}", word(&other)),
        }
    };
    let (proven, attended, first) = (
        enter("alice", ProofClass::Proven),
        enter("bob", ProofClass::Unproven),
        enter("carol", ProofClass::Unproven),
    );
    let JoinOutcome::Seated(_seat) = rig.waits.join_by_state(attended.id, &at(1)) else {
        panic!("not seated")
    };
    (0..table::UNATTENDED).for_each(|n| drop(enter(&format!("user{n}"), ProofClass::Unproven)));
    assert!(*first.stop.borrow() && !*proven.stop.borrow() && !*attended.stop.borrow());
    let table = rig.waits.lock_table();
    assert_eq!(table.waits.len(), table::UNATTENDED + 2);
    assert_eq!(table.users.len(), table.waits.len());
    assert_eq!((table.unproven.len(), table.proven.len()), (table::UNATTENDED, 1));
}
