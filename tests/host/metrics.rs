//! `metrics { listen }`: what Prometheus reads.

use crate::harness::process;
use crate::harness::site::PASSWORD;
use crate::harness::webhook::Webhook;
use crate::harness::{Code, Login, SOON, Server, Site};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Reads OpenMetrics as Prometheus' own client for Python does, and writes each sample as `name{labels} value`.
const PARSER: &str = "
import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
for family in text_string_to_metric_families(sys.stdin.read()):
    assert family.documentation, family.name
    for sample in family.samples:
        labels = ','.join(f'{name}={value}' for name, value in sorted(sample.labels.items()))
        print(f'{sample.name}{{{labels}}} {float(sample.value)}')
";

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A server that shows its counters on that port.
fn start(webhook: &Webhook, port: u16) -> Server {
    Site::auto(&webhook.options()).with(&format!("metrics {{\nlisten = 127.0.0.1:{port}\n}}")).start()
}

/// What is answered to these octets, until the connection ends.
fn http(port: u16, octets: &[u8]) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(2 * SOON)).unwrap();
    // The server may have had enough before all is written.
    let _ = stream.write_all(octets);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

fn get(port: u16, path: &str) -> String {
    http(port, format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").as_bytes())
}

/// The samples, as another implementation reads them.
fn samples(port: u16) -> Vec<String> {
    let answer = get(port, "/metrics");
    let (head, body) = answer.split_once("\r\n\r\n").expect("headers");
    assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
    assert!(
        head.contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8"),
        "{head}"
    );
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let gear = Command::new(root.join("tests/make/gear"))
        .arg("prometheus")
        .env_remove("CARGO_TARGET_DIR")
        .output()
        .unwrap_or_else(|error| panic!("tests/make/gear: {error}: run `make deps`"));
    assert!(gear.status.success(), "{}", process::both(&gear));
    let mut python = Command::new(root.join("target/gear/prometheus/bin/python"));
    let read = process::run(python.args(["-c", PARSER]), body);
    assert!(read.status.success(), "{}\n{body}", process::both(&read));
    String::from_utf8(read.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn counters_are_read_by_prometheus_and_name_nobody() {
    let webhook = Webhook::start();
    let port = free_port();
    let server = start(&webhook, port);
    let accepted = Login::pap("alice", PASSWORD).start(&server);
    webhook.wait_for(1);
    std::thread::sleep(Duration::from_millis(300));
    webhook.approve("alice");
    assert_eq!(accepted.reply().code, Code::Accept);
    webhook.fault("ask", "500", 1);
    assert_eq!(Login::pap("carol", PASSWORD).send(&server).code, Code::Reject);
    let waiting = Login::pap("bob", PASSWORD).start(&server);
    // Carol has a question as well, of which the module does not know.
    webhook.wait_for(2);

    let found = samples(port);
    for sample in [
        "mfa_attempts_total{factor=push,verdict=accept} 1.0",
        "mfa_attempts_total{factor=none,verdict=unavailable} 1.0",
        "mfa_waits{how=parked} 1.0",
        "mfa_waits{how=blocking} 0.0",
        "mfa_waits{how=unattended} 0.0",
        "mfa_bypassed_total{} 0.0",
        "mfa_provider_errors_total{kind=failed,provider=webhook} 1.0",
        "mfa_provider_errors_total{kind=unreachable,provider=webhook} 0.0",
        "mfa_provider_seconds_count{provider=webhook} 3.0",
        "mfa_answer_seconds_count{provider=webhook} 1.0",
        "mfa_answer_seconds_bucket{le=60.0,provider=webhook} 1.0",
    ] {
        assert!(found.iter().any(|line| line == sample), "{sample}: {found:#?}");
    }
    let value = |name: &str| {
        let line = found.iter().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}"));
        line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()
    };
    assert!((0.3..60.0).contains(&value("mfa_answer_seconds_sum{")), "{found:#?}");
    assert!((0.0..60.0).contains(&value("mfa_provider_seconds_sum{")), "{found:#?}");
    assert!(value("mfa_store_seconds_count{operation=settle}") >= 2.0, "{found:#?}");
    assert!(value("mfa_store_seconds_count{operation=find}") >= 3.0, "{found:#?}");
    assert!(!found.iter().any(|line| ["alice", "bob", "carol"].iter().any(|user| line.contains(user))));
    webhook.deny("bob");
    assert_eq!(waiting.reply().code, Code::Reject);
    assert!(samples(port).contains(&"mfa_waits{how=parked} 0.0".to_owned()));
}

#[test]
fn nothing_else_is_there_and_whoever_sends_too_much_or_too_slowly_is_shown_out() {
    let webhook = Webhook::start();
    let port = free_port();
    let mut server = start(&webhook, port);
    for path in ["/", "/metrics/", "/metrics/x", "/..", "/control"] {
        assert!(get(port, path).starts_with("HTTP/1.1 404"), "{path}");
    }
    let long = format!("GET /metrics HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "x".repeat(100_000));
    assert!(!http(port, long.as_bytes()).starts_with("HTTP/1.1 200"));
    assert!(!http(port, b"\x16\x03\x01\0\0\r\n\r\n").contains("200 OK"));
    let start = Instant::now();
    assert_eq!(http(port, b"GET /metrics HTTP/1.1\r\nhost: "), "");
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    assert!(server.is_up() && get(port, "/metrics").contains("# EOF"));
    assert!(server.down());
}

#[test]
fn port_that_is_taken_is_told_at_start_by_the_option() {
    let webhook = Webhook::start();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let listen = format!("listen = 127.0.0.1:{port}");
    let mut server =
        Server::prepare(Site::auto(&webhook.options()).with(&format!("metrics {{\n{listen}\n}}")));
    assert!(server.mfa(&["init"]).ok);
    assert!(server.up().is_err());
    let log = server.log();
    assert!(log.contains(&format!("mfa: metrics {{ {listen} }}: Address already in use")), "{log}");
}
