//! What is answered to what comes by the socket, and what becomes of what does not come.

use super::*;

#[test]
fn packet_that_never_comes_ends_the_wait() {
    let rig = Rig::new();
    let (opened, seat) = rig.open(at(1));
    rig.age(CLAIM);
    assert_eq!(rig.waits.remove_expired(), ["alice"]);
    assert!(*opened.stop.borrow());
    rig.waits.resolve_wait(opened.id, decided(Reason::Cancelled));
    assert_eq!(rig.redeem(&seat), None);
    let from = rig.server.local_addr().unwrap();
    assert_eq!(rig.waits.receive_datagram(&request(seat.token.expose()), from), DatagramOutcome::Unknown);
    assert_eq!(rig.answer(), 3, "late, and told so at once");
}

#[test]
fn whatever_is_signed_is_answered_and_nothing_else() {
    let rig = Rig::new();
    let (opened, seat) = rig.open(at(1));
    let from = rig.server.local_addr().unwrap();
    let mut forged = request(seat.token.expose());
    forged[30] ^= 1;
    assert_eq!(rig.waits.receive_datagram(&forged, from), DatagramOutcome::Stranger);
    for nobodys in [signed_request(&[], &secret()), request(&[7; 16]), request(b"short")] {
        assert_eq!(rig.waits.receive_datagram(&nobodys, from), DatagramOutcome::Unknown);
        assert_eq!(rig.answer(), 3);
    }
    rig.park(&seat);
    rig.park(&seat);
    let elsewhere = "127.0.0.1:9".parse().unwrap();
    assert_eq!(
        rig.waits.receive_datagram(&request(seat.token.expose()), elsewhere),
        DatagramOutcome::Unknown
    );
    rig.waits.resolve_wait(opened.id, decided(Reason::Approved));
    assert_eq!(rig.answer(), 2);
    rig.park(&seat);
    assert_eq!(rig.answer(), 2, "again, for the same datagram");
    rig.age(AGAIN);
    rig.waits.remove_expired();
    assert_eq!(rig.answer(), 2, "again, by itself");
}

#[test]
fn decision_that_is_faster_than_the_datagram_waits_for_it() {
    let rig = Rig::new();
    let (opened, seat) = rig.open(at(1));
    rig.waits.resolve_wait(opened.id, decided(Reason::Approved));
    rig.waits.resolve_wait(opened.id, decided(Reason::Denied));
    rig.park(&seat);
    assert_eq!((rig.answer(), rig.redeem(&seat)), (2, Some(Reason::Approved)), "the first counts");
}
