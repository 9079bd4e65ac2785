//! Many at once: threads, processes, and a process that dies in the middle.

use crate::site::{Opened, Site, Try, enrol, name, open_at, step, wrong};
use rlm_mfa::config::FailureLimits;
use rlm_mfa::engine::Reason;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

pub fn one_of_a_thousand_gets_in(site: &dyn Site) {
    let store = site.open();
    let token = enrol(&*store, "alice");
    let (right, spent) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..1000 {
            scope.spawn(|| match Try::right("alice", &token, step(50)).settle(&*store) {
                Reason::Right => right.fetch_add(1, Ordering::SeqCst),
                Reason::SpentCode => spent.fetch_add(1, Ordering::SeqCst),
                other => panic!("{other:?}"),
            });
        }
    });
    assert_eq!((right.into_inner(), spent.into_inner()), (1, 999));
}

pub fn simultaneous_guesses_get_no_further_than_single_ones(site: &dyn Site) {
    let store = site.open();
    enrol(&*store, "alice");
    let reasons = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for guess in 0..200 {
            let (store, reasons) = (&store, &reasons);
            scope.spawn(move || {
                let reason = Try::new("alice", wrong(&format!("guess {guess}"))).settle(&**store);
                reasons.lock().unwrap().push(reason);
            });
        }
    });
    let reasons = reasons.into_inner().unwrap();
    let count = |wanted| u32::try_from(reasons.iter().filter(|r| **r == wanted).count()).unwrap();
    assert_eq!((count(Reason::WrongCode), count(Reason::Slowed)), (FailureLimits::default().slow_after, 197));
}

/// Users that two processes fight for.
const FOUGHT: usize = 40;

pub fn one_of_two_processes_gets_in(site: &dyn Site) {
    let store = site.open();
    for user in 0..FOUGHT {
        enrol(&*store, &format!("user{user}"));
    }
    let mut children: Vec<_> = (0..2).map(|_| child("same", &site.address())).collect();
    for child in &mut children {
        child.stdin.take().unwrap().write_all(b"go\n").unwrap();
    }
    let mut winners = BTreeMap::new();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        for line in String::from_utf8(output.stdout).unwrap().lines().filter_map(|l| l.strip_prefix("right "))
        {
            *winners.entry(line.to_owned()).or_insert(0) += 1;
        }
    }
    assert_eq!(winners.len(), FOUGHT, "each code is accepted");
    assert!(winners.values().all(|accepts| *accepts == 1), "{winners:?}");
}

/// Threads, and so users, of a process that is killed.
const KILLED: usize = 8;

pub fn nothing_accepted_before_kill_is_accepted_again(site: &dyn Site) {
    let store = site.open();
    let tokens: Vec<_> = (0..KILLED).map(|user| enrol(&*store, &format!("user{user}"))).collect();
    drop(store);
    let mut checked = 0;
    for round in 0..50i64 {
        let mut child = child("until killed", &site.address());
        writeln!(child.stdin.as_ref().unwrap(), "{}", round * 1_000_000).unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut accepted = Vec::new();
        // The first accept shows that it has begun; the moment of the kill is as good as random.
        for line in lines.by_ref() {
            accepted.extend(line.ok());
            if accepted.last().is_some_and(|line| line.starts_with("right ")) {
                break;
            }
        }
        std::thread::sleep(Duration::from_micros(u64::try_from(round * 7919 % 40).unwrap() * 500));
        child.kill().unwrap();
        accepted.extend(lines.map_while(Result::ok));
        child.wait().unwrap();
        let store = site.open();
        for line in accepted.iter().filter_map(|line| line.strip_prefix("right ")) {
            // The last line may have been cut by the kill.
            let Some((user, spent)) = line.strip_suffix('.').and_then(|line| line.split_once(' ')) else {
                continue;
            };
            let (user, spent): (usize, i64) = (user.parse().unwrap(), spent.parse().unwrap());
            let again = Try::right(&format!("user{user}"), &tokens[user], step(spent));
            assert_eq!(again.settle(&*store), Reason::SpentCode, "user{user} step {spent} round {round}");
            checked += 1;
        }
    }
    println!("50 kills, {checked} accepted codes, none accepted again");
    assert!(checked > 50, "too few to show anything: {checked}");
}

/// Starts this test program again as [`child_process`], with a part to play.
fn child(part: &str, address: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "race::child_process", "--nocapture", "--test-threads=1"])
        .env("MFA_TEST_PART", part)
        .env("MFA_TEST_STORE", address)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// No test: what the children do.
#[test]
fn child_process() {
    let Ok(part) = std::env::var("MFA_TEST_PART") else { return };
    let store = open_at(&std::env::var("MFA_TEST_STORE").unwrap());
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    // The test harness has begun a line of its own.
    say("\n");
    match part.as_str() {
        "same" => settle_the_same(&*store),
        _ => settle_until_killed(&*store, line.trim().parse().unwrap()),
    }
}

fn settle_the_same(store: &dyn Opened) {
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for user in (0..FOUGHT).map(|n| format!("user{n}")) {
                    let token = &store.tokens(&name(&user)).unwrap()[0];
                    if Try::right(&user, token, step(1000)).settle(store) == Reason::Right {
                        say(&format!("right {user}\n"));
                    }
                }
            });
        }
    });
}

fn settle_until_killed(store: &dyn Opened, from: i64) {
    std::thread::scope(|scope| {
        for user in 0..KILLED {
            scope.spawn(move || {
                let name = format!("user{user}");
                let token = &store.tokens(&crate::site::name(&name)).unwrap()[0];
                for spent in from..from + 1_000_000 {
                    if Try::right(&name, token, step(spent)).settle(store) == Reason::Right {
                        say(&format!("right {user} {spent}.\n"));
                    }
                }
            });
        }
    });
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(line.as_bytes()).and_then(|()| out.flush());
}
