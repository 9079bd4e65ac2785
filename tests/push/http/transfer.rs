//! What is sent, and how much of what comes is read, for how long.

use super::apart::apart;
use crate::duo::gear::{Site, User, failed, options_within, unreachable};
use crate::harness::duo::Duo;
use crate::harness::{SILENCE, SOON};
use rlm_mfa::config::push::ProviderOptions;
use serde_json::json;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::time::Instant;

/// Someone at a free port of this machine who does this with every connection.
fn somebody(does: fn(TcpStream)) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || does(stream));
        }
    });
    address
}

/// Asks the impostor instead of Duo.
fn instead_of(duo: &Duo, api_host: String) -> User {
    let mut options = options_within(duo, 2);
    let Some(ProviderOptions::Duo(duo)) = &mut options.provider else { unreachable!() };
    duo.api_host = api_host;
    User::new(&options)
}

#[test]
fn connections_are_kept() {
    let site = Site::start();
    for _ in 0..20 {
        site.question("anna");
    }
    let received = site.duo.received();
    assert_eq!(received.calls.len(), 40);
    assert!(received.connections <= 5, "{} connections", received.connections);
    assert!(received.calls.iter().all(|call| call.agent.starts_with("rlm_mfa/")));
}

#[test]
fn redirects_are_not_followed() {
    let (site, other) = (Site::start(), Duo::start());
    site.duo.decide("approve");
    let question = site.question("anna");
    for status in [300, 301, 302, 303, 304, 307, 308] {
        for path in ["/auth/v2/preauth", "/auth/v2/auth", "/auth/v2/auth_status"] {
            let headers = json!({"Location": format!("https://{}{path}", other.api_host)});
            let body = json!({"stat": "OK", "response": {"result": "allow", "status": "allow"}});
            site.duo.fault(
                json!({"kind": "answer", "path": path, "status": status, "headers": headers, "body": body}),
            );
            let text = match path {
                "/auth/v2/auth_status" => failed(site.answer(&question)),
                _ => failed(site.device("anna", "")),
            };
            assert!(text.contains("redirect"), "{status} {path}: {text}");
        }
    }
    assert_eq!((other.received().connections, site.duo.pushes()), (0, 1));
}

#[test]
fn huge_answers_are_cut_early() {
    let site = Site::start();
    for chunked in [false, true] {
        site.duo.fault(json!({"kind": "huge", "chunked": chunked}));
        let start = Instant::now();
        assert!(failed(site.device("anna", "")).contains("256 KiB"));
        assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    }
    let octets = site.duo.received().octets;
    assert!(octets < 20 << 20, "{octets} octets");
}

#[test]
fn head_without_end_is_cut() {
    let site = Site::start();
    site.duo.fault(json!({"kind": "headers"}));
    let start = Instant::now();
    failed(site.device("anna", ""));
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    let octets = site.duo.received().octets;
    assert!(octets < 20 << 20, "{octets} octets");
}

#[test]
fn answer_that_comes_octet_by_octet_is_given_up_in_time() {
    let site = Site::hasty();
    site.duo.fault(json!({"kind": "trickle", "path": "/auth/v2/preauth"}));
    let start = Instant::now();
    unreachable(site.device("anna", ""));
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
}

#[test]
fn who_accepts_a_connection_and_no_more_is_unreachable() {
    let duo = Duo::start();
    for does in [
        (|stream| {
            std::thread::sleep(SILENCE);
            drop(stream);
        }) as fn(TcpStream),
        drop,
    ] {
        // It is not that there was no answer: there was no connection, so nothing can have been asked.
        let text = unreachable(instead_of(&duo, somebody(does)).device("anna", ""));
        assert!(text.contains("(Connect)"), "{text}");
    }
}

#[test]
fn want_of_descriptors_says_nothing_of_duo() {
    let duo = Duo::start();
    let name = duo.api_host.replace("127.0.0.1", "localhost");
    for api_host in [&duo.api_host, &name] {
        let said = apart(&[("RLM_MFA_EXHAUST", "1".into())], api_host, &duo.ca_file());
        assert!(said.starts_with("Err(Failed(") && said.contains("LimitNOFILE"), "{said}");
    }
}

#[test]
fn who_speaks_no_tls_is_somebody_else() {
    let duo = Duo::start();
    let plain = somebody(|mut stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
        std::thread::sleep(SILENCE);
    });
    failed(instead_of(&duo, plain).device("anna", ""));
}
