//! Hosts that fall silent, and come back.

use super::fake::{Fake, accepts, signed, silent};
use super::*;
use std::time::{Duration, Instant};

const QUICK: &str = "timeout = 1\nretries = 0\n";

/// Two hosts of one port: 127.0.0.2 as told, and 127.0.0.1, which accepts.
fn two(first: impl FnMut(&[u8]) -> Vec<Vec<u8>> + Send + 'static, more: &str) -> (Fake, Fake, Asker) {
    let second = Fake::start(accepts);
    let first = Fake::at(&format!("127.0.0.2:{}", second.port), first);
    let asker = Asker::new(&["127.0.0.2", "127.0.0.1"], second.port, more);
    (first, second, asker)
}

#[test]
fn silent_host_costs_one_login_its_time_and_comes_back() {
    let (first, second, asker) = two(silent, QUICK);
    let start = Instant::now();
    assert!(asker.login("alice", "hello").is_ok() && start.elapsed() > Duration::from_millis(900));
    first.wait_for(1);
    for _ in 0..40 {
        assert!(asker.login("alice", "hello").is_ok());
        std::thread::sleep(Duration::from_millis(50));
    }
    let tried = first.logins() - 1;
    assert!((1..10).contains(&tried), "{tried} of 40: one at a time finds out whether it is back");
    first.now(accepts);
    let start = Instant::now();
    let before = second.asked();
    loop {
        let (asked, last) = (first.asked(), second.asked());
        assert!(asker.login("alice", "hello").is_ok());
        if first.asked() > asked && second.asked() == last {
            break;
        }
        assert!(start.elapsed() < SOON, "it is not tried again");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(second.asked() >= before);
}

#[test]
fn host_that_tells_of_itself_is_tried_by_no_login() {
    let tells = |request: &[u8]| vec![signed(request, 2, &[])];
    let (first, second, asker) = two(silent, QUICK);
    assert!(asker.login("alice", "hello").is_ok());
    first.now(move |request| if request[0] == 12 { tells(request) } else { Vec::new() });
    std::thread::sleep(Duration::from_millis(1_100));
    // This one has it asked, and may be the one that tries it.
    assert!(asker.login("alice", "hello").is_ok());
    std::thread::sleep(Duration::from_millis(100));
    first.now(silent);
    assert!(asker.login("alice", "hello").is_ok());
    let (asked, tried) = (first.asked(), first.logins());
    for _ in 0..30 {
        assert!(asker.login("alice", "hello").is_ok());
        std::thread::sleep(Duration::from_millis(100));
    }
    first.wait_for(asked + 1);
    assert_eq!(first.logins(), tried, "it is asked for a sign of life, and nothing else");
    first.now(tells);
    let start = Instant::now();
    loop {
        let before = second.asked();
        assert!(asker.login("alice", "hello").is_ok());
        if second.asked() == before {
            break;
        }
        assert!(start.elapsed() < SOON, "it is not found again");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn port_where_nobody_listens_costs_nothing() {
    let second = Fake::start(accepts);
    let asker = Asker::new(&["127.0.0.2", "127.0.0.1"], second.port, "timeout = 50\nretries = 0\n");
    let start = Instant::now();
    for _ in 0..10 {
        assert!(asker.login("alice", "hello").is_ok());
    }
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
}

#[test]
fn user_for_whom_the_server_keeps_silent_does_not_take_it_from_the_others() {
    let (first, second, asker) = two(
        |request| {
            let is_dave = harness::raw::values(request, 1) == [b"dave"];
            if is_dave { Vec::new() } else { accepts(request) }
        },
        "timeout = 3\nretries = 0\n",
    );
    let radius = Arc::clone(&asker.radius);
    let dave =
        asker.runtime.spawn(async move { radius.verify_password(claim("dave", plain("hello"))).await });
    first.wait_for(1);
    assert!(asker.login("alice", "hello").is_ok());
    assert!(asker.runtime.block_on(dave).unwrap().is_ok(), "the second host takes him");
    let (asked, before) = (first.asked(), second.asked());
    assert!(asker.login("alice", "hello").is_ok());
    assert_eq!((first.asked(), second.asked()), (asked + 1, before));
}

#[test]
fn where_all_are_silent_each_login_asks_all_and_names_them() {
    let (first, second, asker) = two(silent, QUICK);
    second.now(silent);
    for round in 1..=2 {
        let why = asker.why("alice", "hello");
        assert!(why.contains("127.0.0.2: no answer") && why.contains("127.0.0.1: no answer"), "{why}");
        first.wait_for(round);
        second.wait_for(round);
    }
    second.now(accepts);
    assert!(asker.login("alice", "hello").is_ok(), "found again at once");
}

#[test]
fn request_is_sent_again_as_it_was() {
    let (tell, told) = std::sync::mpsc::channel();
    let mut seen = 0;
    let fake = Fake::start(move |request| {
        seen += 1;
        let _ = tell.send(request.to_vec());
        if seen == 3 { accepts(request) } else { Vec::new() }
    });
    let asker = Asker::new(&["127.0.0.1"], fake.port, "timeout = 1\nretries = 2\n");
    assert!(asker.login("alice", "hello").is_ok());
    let sent: Vec<_> = told.try_iter().collect();
    assert!(sent.len() == 3 && sent.windows(2).all(|two| two[0] == two[1]), "the server knows it again");
}

#[test]
fn answer_to_a_question_goes_to_the_host_that_asked_or_nowhere() {
    let asks = |request: &[u8]| vec![signed(request, 11, &[24, 4, b'a', b'b'])];
    let (first, second, asker) = two(silent, QUICK);
    second.now(asks);
    let Ok(PasswordResponse::Asks { state, .. }) = asker.ask(claim("alice", plain("hello"))) else {
        panic!()
    };
    first.now(accepts);
    second.now(|request| {
        let is_answer = harness::raw::values(request, 24) == [b"ab"];
        vec![signed(request, if is_answer { 2 } else { 3 }, &[])]
    });
    let answer = || asker.ask(Credentials { state: Some(state.clone()), ..claim("alice", plain("123456")) });
    let before = first.asked();
    assert!(answer().is_ok());
    second.now(silent);
    let denied = answer().unwrap_err();
    assert!(matches!(denied, AuthFailure::Unavailable(_)), "{denied:?}");
    assert_eq!(first.asked(), before);
}

#[test]
fn real_server_that_is_stopped_in_the_middle_loses_no_login() {
    // The first of the two is a real server at 127.0.0.9, which ends; the second accepts.
    let mut server = harness::upstream::server("");
    let port = server.port;
    let second = Fake::at(&format!("127.0.0.2:{port}"), accepts);
    let asker = Asker::new(&["127.0.0.9", "127.0.0.2"], port, "timeout = 2\n");
    assert!(asker.login("alice", "hello").is_ok() && second.asked() == 0);
    let radius = Arc::clone(&asker.radius);
    let logins = asker.runtime.spawn(async move {
        let mut all = Vec::new();
        for _ in 0..300 {
            let radius = Arc::clone(&radius);
            all.push(tokio::spawn(
                async move { radius.verify_password(claim("alice", plain("hello"))).await },
            ));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        for login in all {
            assert!(login.await.unwrap().is_ok());
        }
    });
    std::thread::sleep(Duration::from_millis(500));
    server.kill();
    asker.runtime.block_on(logins).unwrap();
    assert!(second.asked() > 100, "{}", second.asked());
}
