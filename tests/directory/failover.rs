//! Hosts that fail, and come back.

use super::harness::SOON;
use super::harness::slapd::{Slapd, service};
use super::way::Way;
use super::{Asker, unavailable};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// First the way from 127.0.0.2, then the server itself.
fn two(slapd: &Slapd, timeout: u32) -> (Way, Asker) {
    let way = Way::to(slapd.tls_port);
    let options = format!("host = 127.0.0.2\n{}{}timeout = {timeout}\n", slapd.options(), service());
    (way, Asker::new(&options))
}

fn took(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

#[test]
fn host_that_hangs_costs_one_login_its_time_and_comes_back() {
    let slapd = Slapd::start();
    let (way, asker) = two(&slapd, 1);
    let login = || assert!(asker.login("alice", "alice-pw").is_ok());
    login();
    assert!(way.taken() > 0, "the first host is asked first");
    way.hold();
    let (first, before) = (took(login), way.taken());
    assert!(first > Duration::from_millis(900), "{first:?}");
    for _ in 0..30 {
        login();
        std::thread::sleep(Duration::from_millis(100));
    }
    let tried = way.taken() - before;
    assert!((1..10).contains(&tried), "{tried} of 30: one at a time finds out whether it is back");
    way.carry();
    let (start, before) = (Instant::now(), way.taken());
    while way.taken() == before {
        assert!(start.elapsed() < SOON, "it is not tried again");
        login();
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn no_login_is_lost_when_the_first_host_dies_in_the_middle() {
    let slapd = Slapd::start();
    let (way, asker) = two(&slapd, 30);
    let (way, asker) = (Arc::new(way), Arc::new(asker));
    let cutter = {
        let way = Arc::clone(&way);
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(300));
            way.cut();
        })
    };
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let asker = Arc::clone(&asker);
            std::thread::spawn(move || {
                let mut slowest = Duration::ZERO;
                for _ in 0..40 {
                    slowest = slowest.max(took(|| {
                        asker.login("alice", "alice-pw").unwrap();
                    }));
                }
                slowest
            })
        })
        .collect();
    let slowest = threads.into_iter().map(|thread| thread.join().unwrap()).max().unwrap();
    cutter.join().unwrap();
    assert!(slowest < SOON, "{slowest:?}");
}

#[test]
fn restart_is_not_seen_by_the_next_login() {
    let mut slapd = Slapd::start();
    let asker = Asker::new(&format!("{}{}", slapd.options(), service()));
    for _ in 0..3 {
        assert!(asker.login("alice", "alice-pw").is_ok());
        slapd.restart();
    }
    assert!(asker.login("alice", "alice-pw").is_ok());
    slapd.stop();
    let why = unavailable(asker.why("alice", "alice-pw"));
    assert!(why.starts_with("127.0.0.1: "), "{why}");
    slapd.restart();
    assert!(
        asker.login("alice", "alice-pw").is_ok(),
        "a refused connection costs nothing, and is tried again"
    );
}

#[test]
fn half_open_connection_is_noticed_before_it_is_used() {
    let slapd = Slapd::start();
    let way = Way::to(slapd.tls_port);
    let options = slapd.options().replace("host = 127.0.0.1", "host = 127.0.0.2");
    let asker = Asker::new(&format!("{options}{}timeout = 30\n", service()));
    assert!(asker.login("alice", "alice-pw").is_ok());
    way.forget();
    std::thread::sleep(Duration::from_millis(5_200));
    let next = took(|| assert!(asker.login("alice", "alice-pw").is_ok()));
    assert!(next < SOON, "{next:?}");
}

#[test]
fn directory_that_hangs_is_given_up_and_found_again() {
    let slapd = Slapd::start();
    let asker = Asker::new(&format!("{}{}timeout = 1\n", slapd.options(), service()));
    assert!(asker.login("alice", "alice-pw").is_ok());
    slapd.hang();
    let start = Instant::now();
    unavailable(asker.why("alice", "alice-pw"));
    while !unavailable(asker.why("alice", "alice-pw")).contains("left out for a while") {
        assert!(start.elapsed() < SOON, "each login asks it again");
    }
    slapd.go_on();
    let start = Instant::now();
    while asker.login("alice", "alice-pw").is_err() {
        assert!(start.elapsed() < SOON, "it is not found again");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn many_logins_at_once_share_a_bounded_number_of_connections() {
    let slapd = Slapd::start();
    let way = Way::to(slapd.tls_port);
    let options = slapd.options().replace("host = 127.0.0.1", "host = 127.0.0.2");
    let asker = Asker::new(&format!("{options}{}", service()));
    let secret = rlm_mfa::types::Secret::new("alice-pw");
    for _ in 0..30 {
        assert!(asker.login("alice", "alice-pw").is_ok());
    }
    assert_eq!(way.taken(), 2, "one to search, one to bind");
    asker.runtime.block_on(async {
        let login = || {
            let (ldap, secret) = (std::sync::Arc::clone(&asker.ldap), secret.clone());
            async move { super::authenticate(&ldap, "alice", secret).await }
        };
        let logins: Vec<_> = (0..500).map(|_| tokio::spawn(login())).collect();
        for login in logins {
            assert!(login.await.unwrap().is_ok());
        }
    });
    assert!(way.most() <= 256, "{}", way.most());
}
