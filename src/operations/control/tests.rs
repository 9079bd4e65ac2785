//! The control socket without a server around it.

use super::protocol::AnswerLine;
use super::*;
use crate::operations::metrics::InstanceMetrics;
use crate::types::{Timestamp, UserName};
use crate::waiting::WaitCounts;
use crate::waiting::responder;
use crate::waiting::{AskedUser, AttemptFingerprint, JoinOutcome, NewWait, OpenWaits};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn waits() -> Arc<OpenWaits> {
    let responder::BoundSocket { socket, secret, .. } = responder::BoundSocket::open().unwrap();
    Arc::new(OpenWaits::new(socket, secret, Duration::ZERO))
}

fn desk(waits: &Arc<OpenWaits>) -> ControlServer {
    let metrics = Arc::new(InstanceMetrics::new(Some("webhook")));
    ControlServer::new("vpn", Timestamp::from_seconds(1000), Arc::clone(waits), metrics)
}

fn opening(user: &str) -> NewWait {
    NewWait {
        user: Some(AskedUser {
            name: UserName::from_canonical(user),
            proof: crate::engine::ProofClass::Proven,
        }),
        client: "192.0.2.1".into(),
        fingerprint: AttemptFingerprint { digest: [0; 32], datagram: None, roams: true, port: 0 },
        begun: None,
        since: Timestamp::from_seconds(2000),
        limit: Duration::from_secs(60),
        number: None,
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// What is answered to these octets.
fn answer(desk: &ControlServer, octets: &[u8]) -> Vec<AnswerLine> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (mut ours, theirs) = tokio::io::duplex(1 << 20);
        ours.write_all(octets).await.unwrap();
        ours.shutdown().await.unwrap();
        desk.serve_connection(theirs).await;
        let mut said = Vec::new();
        ours.read_to_end(&mut said).await.unwrap();
        let lines = said.split(|octet| *octet == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| serde_json::from_slice(line).unwrap()).collect()
    })
}

#[test]
fn status_tells_of_the_instance_and_of_who_waits() {
    let waits = waits();
    let JoinOutcome::Opened(_, Some(_seat)) = waits.join_or_open(opening("alice")) else {
        panic!("nobody else waits")
    };
    let lines = answer(&desk(&waits), b"{\"ask\":\"status\"}\n");
    let [AnswerLine::Overview(overview), AnswerLine::Wait(wait), AnswerLine::End] = lines.as_slice() else {
        panic!("{lines:?}")
    };
    assert_eq!((overview.instance.as_str(), overview.since), ("vpn", 1_000_000));
    assert_eq!(overview.waits, WaitCounts { parked: 1, ..WaitCounts::default() });
    assert_eq!((wait.user.as_str(), wait.client.as_str(), wait.since), ("alice", "192.0.2.1", 2_000_000));
    assert!((58..=60).contains(&wait.left), "{wait:?}");
}

#[test]
fn what_is_no_request_is_refused() {
    let waits = waits();
    let huge = vec![b'x'; 200_000];
    for octets in [
        &b"\n"[..],
        b"{}\n",
        b"{\"ask\":\"drain\"}\n",
        b"{\"ask\":\"drain\",\"wait\":-1}\n",
        b"\xff\0\n",
        &huge,
    ] {
        let lines = answer(&desk(&waits), octets);
        assert!(matches!(lines.as_slice(), [AnswerLine::Error(_), AnswerLine::End]), "{lines:?}");
    }
    assert_eq!(answer(&desk(&waits), b""), []);
    assert!(!waits.is_closed());
}

#[test]
fn drain_opens_no_more_waits_and_ends_those_there_are() {
    let waits = waits();
    let JoinOutcome::Opened(mut opened, Some(seat)) = waits.join_or_open(opening("alice")) else {
        panic!("opened")
    };
    let line = std::thread::scope(|scope| {
        scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let stopped = opened.stop.wait_for(|stop| *stop);
            runtime.block_on(async {
                tokio::time::timeout(Duration::from_secs(9), stopped).await.unwrap().unwrap()
            });
            let refused = crate::engine::Decision::refusal(None, crate::engine::RefusalReason::Cancelled);
            waits.resolve_wait(opened.id, refused);
            assert!(waits.take_decision(&seat.token).is_some());
        });
        answer(&desk(&waits), b"{\"ask\":\"drain\",\"wait\":0}\n")
    });
    assert_eq!((line.first(), line.last()), (Some(&AnswerLine::Left(1)), Some(&AnswerLine::End)));
    assert_eq!(line.iter().rev().nth(1), Some(&AnswerLine::Left(0)));
    assert!(matches!(waits.join_or_open(opening("bob")), JoinOutcome::Nothing));
    let lines = answer(&desk(&waits), b"{\"ask\":\"status\"}\n");
    assert!(
        matches!(lines.as_slice(), [AnswerLine::Overview(it), AnswerLine::End] if it.draining),
        "{lines:?}"
    );
}

#[cfg(unix)]
#[test]
fn socket_is_private_and_goes_with_its_process() {
    use std::os::unix::fs::PermissionsExt;
    let (folder, runtime, waits) = (tempfile::tempdir().unwrap(), runtime(), waits());
    let folder = folder.path();
    // What a process of before has left, and what only looks like it.
    drop(std::os::unix::net::UnixListener::bind(folder.join("mfa-vpn-4194304.sock")).unwrap());
    std::fs::write(folder.join("mfa-vpn-4194303.sock"), "a file").unwrap();
    let listening = runtime.block_on(listen_in(folder, "vpn", desk(&waits))).unwrap();
    let found = list_sockets(folder).unwrap();
    let [socket] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(
        (socket.process, socket.is_of("vpn"), socket.is_of("wifi")),
        (std::process::id(), true, false)
    );
    assert_eq!(socket.path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(request_status(socket).unwrap().overview.instance, "vpn");
    assert!(runtime.block_on(listen_in(folder, "vpn", desk(&waits))).is_err(), "it is in use");
    assert_eq!(request_status(socket).unwrap().waits, []);
    assert!(folder.join("mfa-vpn-4194303.sock").exists());
    drop(listening);
    assert_eq!(list_sockets(folder).unwrap(), []);
    assert_eq!(request_status(socket), Err(ControlError::Gone));
}

#[cfg(unix)]
#[test]
fn socket_of_a_dead_process_is_removed_when_found() {
    let folder = tempfile::tempdir().unwrap();
    drop(std::os::unix::net::UnixListener::bind(folder.path().join("mfa-vpn-4194304.sock")).unwrap());
    let found = list_sockets(folder.path()).unwrap();
    assert_eq!(request_status(&found[0]), Err(ControlError::Gone));
    assert_eq!(list_sockets(folder.path()).unwrap(), []);
}

#[cfg(unix)]
#[test]
fn client_without_a_request_does_not_delay_others() {
    use std::os::unix::net::UnixStream;
    let (folder, runtime, waits) = (tempfile::tempdir().unwrap(), runtime(), waits());
    let _listening = runtime.block_on(listen_in(folder.path(), "vpn", desk(&waits))).unwrap();
    let socket = list_sockets(folder.path()).unwrap().remove(0);
    let silent: Vec<_> = (0..40).map(|_| UnixStream::connect(&socket.path).unwrap()).collect();
    let since = std::time::Instant::now();
    while request_status(&socket).is_err() {
        assert!(since.elapsed() < Duration::from_secs(60), "the door stays closed");
        std::thread::sleep(Duration::from_millis(100));
    }
    drop(silent);
}

#[test]
fn names_of_instances_fit_into_names_of_files() {
    let place = |instance: &str| path(Path::new("/run"), instance, 7).unwrap();
    assert_eq!(place("mfa"), Path::new("/run/mfa-mfa-7.sock"));
    assert_eq!(place("../a-b/\u{e4}"), Path::new("/run/mfa-.._a_b__-7.sock"));
    let error = path(Path::new(&"/x".repeat(50)), "mfa", 7).unwrap_err();
    assert!(error.to_string().contains("has at most 107: choose a shorter folder"), "{error}");
}

#[cfg(unix)]
#[test]
fn server_whose_answer_has_no_end_is_given_up() {
    use std::io::Write;
    let folder = tempfile::tempdir().unwrap();
    let door = std::os::unix::net::UnixListener::bind(folder.path().join("mfa-vpn-4194304.sock")).unwrap();
    let socket = list_sockets(folder.path()).unwrap().remove(0);
    let line = format!("{{\"left\":1{}}}\n", " ".repeat(60_000));
    let talker = std::thread::spawn(move || {
        let mut stream = door.accept().unwrap().0;
        while stream.write_all(line.as_bytes()).is_ok() {}
    });
    let Err(ControlError::Silent(why)) = request_status(&socket) else { panic!("it has no end") };
    assert!(why.contains("its answer has no end"), "{why}");
    talker.join().unwrap();
}

proptest::proptest! {
    #[test]
    fn no_octets_make_it_panic(octets: Vec<u8>) {
        let lines = answer(&desk(&waits()), &octets);
        proptest::prop_assert!(matches!(lines.last(), None | Some(AnswerLine::End)));
    }
}
