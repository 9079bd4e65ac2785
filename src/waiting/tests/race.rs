//! One accept for each approval, whatever the threads do at the same time.

use super::*;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

/// Threads that send the packets of one attempt, now and then without a name at first, now and then leaving before the end;
/// and one that approves every question that is put. What was accepted, by question.
fn storm(packets: usize, leaving: bool) -> (u64, HashMap<String, u32>) {
    let rig = Rig::new();
    let (dice, questions) = (AtomicU64::new(rand()), AtomicU64::new(0));
    let roll = |sides: u64| {
        let next = dice.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        (next ^ next >> 31).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 33 & (sides - 1)
    };
    let approve = |id: WaitId, after: u64| {
        (0..after).for_each(|_| thread::yield_now());
        let decision = Decision { detail: Some(format!("{id:?}")), ..decided(Reason::Approved) };
        rig.waits.resolve_wait(id, decision);
    };
    let (rig, questions, approve, roll) = (&rig, &questions, &approve, &roll);
    let packet = || {
        (0..roll(16)).for_each(|_| thread::yield_now());
        let user = if roll(4) == 0 { None } else { Some("alice") };
        let (opened, seat) = match rig.waits.join_or_open(opening(user, at(1), None)) {
            JoinOutcome::Decided(decision) => return Some(*decision),
            JoinOutcome::Seated(seat) => (None, seat),
            JoinOutcome::Opened(opened, Some(seat)) => (Some(opened.id), seat),
            other => panic!("{}", word(&other)),
        };
        thread::scope(|scope| {
            if let Some(id) = opened {
                scope.spawn(move || {
                    let adopted = if user.is_none() { rig.adopt(id) } else { AdoptOutcome::Alone(None) };
                    match adopted {
                        AdoptOutcome::Alone(_) => {
                            questions.fetch_add(1, Ordering::Relaxed);
                            approve(id, roll(32));
                        }
                        AdoptOutcome::Decided(decision) => rig.waits.resolve_wait(id, *decision),
                        AdoptOutcome::Moved => {}
                        AdoptOutcome::Number(..) | AdoptOutcome::Refused => panic!("{adopted:?}"),
                    }
                });
            }
            let patience = if leaving && roll(4) == 0 { roll(8) } else { u64::MAX };
            if roll(2) == 0 {
                rig.park(&seat);
            }
            (0..patience).find_map(|_| {
                thread::yield_now();
                rig.waits.take_decision(&seat.token)
            })
        })
    };
    let mut accepted = HashMap::new();
    thread::scope(|scope| {
        let threads: Vec<_> = (0..packets).map(|_| scope.spawn(packet)).collect();
        for decision in threads.into_iter().filter_map(|thread| thread.join().unwrap()) {
            match decision.reason() {
                Reason::Approved => *accepted.entry(decision.detail.unwrap()).or_default() += 1,
                reason => assert_eq!(reason, Reason::Superseded),
            }
        }
    });
    (questions.load(Ordering::Relaxed), accepted)
}

fn rand() -> u64 {
    let mut octets = [0; 8];
    getrandom::fill(&mut octets).unwrap();
    u64::from_ne_bytes(octets)
}

#[test]
fn one_approval_is_one_accept_whatever_the_interleaving() {
    for _ in 0..400 {
        let (questions, accepted) = storm(8, false);
        assert!(accepted.values().all(|count| *count == 1), "{accepted:?}");
        assert_eq!(accepted.len() as u64, questions);
    }
}

#[test]
fn one_approval_is_no_more_than_one_accept_though_packets_leave() {
    for _ in 0..400 {
        let (questions, accepted) = storm(8, true);
        assert!(accepted.values().all(|count| *count == 1), "{accepted:?}");
        assert!(accepted.len() as u64 <= questions);
    }
}
