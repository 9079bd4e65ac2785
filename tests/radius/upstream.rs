//! A real FreeRADIUS that knows everybody's password.

use super::harness::site::PASSWORD;
use super::harness::upstream::server;
use super::harness::{Login, Server};
use super::*;

fn asker(server: &Server) -> Asker {
    Asker::new(&["127.0.0.1"], server.port, "timeout = 3\n")
}

#[test]
fn pap_is_right_or_wrong_and_never_empty() {
    let server = server("");
    let asker = asker(&server);
    assert_eq!(asker.login("alice", PASSWORD).unwrap().name, "alice");
    assert_eq!(asker.login("alice", "wrong"), Err(AuthFailure::Wrong));
    assert_eq!(asker.login("alice", &"x".repeat(128)), Err(AuthFailure::Wrong));
    let before = server.log().len();
    for nobody in ["", "hello\0", &"x".repeat(129)] {
        assert_eq!(asker.login("alice", nobody), Err(AuthFailure::Wrong));
    }
    assert_eq!(server.log().len(), before);
}

#[test]
fn chap_is_forwarded_with_its_challenge() {
    use md5::{Digest, Md5};
    let server = server("");
    let asker = asker(&server);
    let answer = |password: &str| {
        let challenge = vec![9; 24];
        let digest = Md5::new().chain_update([7]).chain_update(password).chain_update(&challenge).finalize();
        asker.ask(claim("alice", SubmittedPassword::Chap { id: 7, challenge, response: digest.into() }))
    };
    assert!(answer(PASSWORD).is_ok());
    assert_eq!(answer("wrong").unwrap_err(), AuthFailure::Wrong);
}

fn ms_chap2(password: &str) -> SubmittedPassword {
    let (challenge, peer_challenge) = ([0x5b; 16], [0x21; 16]);
    let whole = mschap::response("alice", password, &challenge, &peer_challenge);
    let names = vec![b"alice".to_vec()];
    SubmittedPassword::MsChap2 {
        id: 0,
        challenge,
        peer_challenge,
        response: whole[26..].try_into().unwrap(),
        names,
    }
}

#[test]
fn ms_chap2_brings_the_servers_proof_and_its_keys() {
    let server = server("");
    let asker = asker(&server);
    let alice = person(asker.ask(claim("alice", ms_chap2(PASSWORD))).unwrap());
    // What radclient, which knows the secret, makes of the same login.
    let direct = Login::mschap2("alice", PASSWORD).send(&server);
    let hex = |name: &str| {
        let text = direct.get(name).unwrap_or_else(|| panic!("{name}: {direct:?}"));
        data_encoding::HEXLOWER.decode(text.trim_start_matches("0x").as_bytes()).unwrap()
    };
    assert_eq!(microsoft(&alice, 26), hex("MS-CHAP2-Success"));
    assert_eq!(microsoft(&alice, 16), hex("MS-MPPE-Send-Key"));
    assert_eq!(microsoft(&alice, 17), hex("MS-MPPE-Recv-Key"));
    assert!(alice.reply.iter().all(|raw| raw.kind != 80), "no Message-Authenticator");
    assert_eq!(asker.ask(claim("alice", ms_chap2("wrong"))).unwrap_err(), AuthFailure::Wrong);
}

#[test]
fn ms_chap_is_forwarded_with_its_keys() {
    let server = server("");
    let asker = asker(&server);
    // RFC 2433, section B.1, leaves out what "hello" gives: radclient computes it, and we see that the server takes ours.
    let challenge = [0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88];
    let response = mschap::nt_response(&challenge, PASSWORD);
    let ms_chap =
        |response| asker.ask(claim("alice", SubmittedPassword::MsChap { id: 3, challenge, response }));
    let alice = person(ms_chap(response).unwrap());
    assert_eq!(microsoft(&alice, 12).len(), 24);
    assert_eq!(ms_chap([7; 24]).unwrap_err(), AuthFailure::Wrong);
}

#[test]
fn what_the_accept_holds_is_told_in_the_clear() {
    let server = server(
        "update reply {\nReply-Message := \"welcome\"\nTunnel-Password:1 := \"tunnelled\"\nClass := 0x0102\n\
         Cisco-AVPair := \"shell:priv-lvl=15\"\nState := 0x61\n}",
    );
    let alice = asker(&server).login("alice", PASSWORD).unwrap();
    assert_eq!(told(&alice, 18), [b"welcome"]);
    assert_eq!(told(&alice, 69), [b"\x01tunnelled"]);
    assert_eq!(told(&alice, 25), [[1, 2]]);
    assert_eq!(told(&alice, 26), [b"\0\0\0\x09\x01\x13shell:priv-lvl=15"]);
    assert!(told(&alice, 24).is_empty() && told(&alice, 80).is_empty());
}

#[test]
fn question_is_relayed_and_its_answer_goes_back_with_it() {
    let server = server("");
    let asker = asker(&server);
    let Ok(PasswordResponse::Asks { text, state }) = asker.ask(claim("carol", plain(PASSWORD))) else {
        panic!()
    };
    assert_eq!(text, ["Code?", "Six digits"]);
    let answer = |state: &[u8], code: &str| {
        asker.ask(Credentials { state: Some(state.to_vec()), ..claim("carol", plain(code)) })
    };
    assert_eq!(answer(&state, "654321").unwrap_err(), AuthFailure::Wrong);
    assert_eq!(answer(b"\0other", "123456").unwrap_err(), AuthFailure::Wrong);
    for nobodys in [&b"\x09one\0\xff"[..], b""] {
        assert!(matches!(answer(nobodys, "123456").unwrap_err(), AuthFailure::Unavailable(_)));
    }
    assert!(matches!(answer(&state, "123456"), Ok(PasswordResponse::Person(_))));
}

#[test]
fn what_the_client_said_is_passed_on_but_for_what_is_ours() {
    let server = server(
        "update reply {\nReply-Message := \"%{NAS-Identifier}|%{Calling-Station-Id}|%{User-Name}|%{Proxy-State}\"\n}",
    );
    let asker = asker(&server);
    let said = |packet: Vec<RawAttribute>| {
        let alice = asker.ask(Credentials { packet, ..claim("alice", plain(PASSWORD)) }).map(person).unwrap();
        String::from_utf8(told(&alice, 18).concat()).unwrap()
    };
    assert_eq!(said(vec![]), "mfa||alice|");
    let raw = |kind, value: &[u8]| RawAttribute { kind, value: value.to_vec() };
    let all = vec![
        raw(1, b"mallory"),
        raw(2, &[0; 16]),
        raw(24, b"state"),
        raw(26, b"\0\0\x01\x37\x19\x34xx"),
        raw(31, b"00-11"),
        raw(32, b"switch"),
        raw(33, b"theirs"),
        raw(80, &[0; 16]),
    ];
    assert_eq!(said(all), "switch|00-11|alice|");
    let much = (0..30).map(|_| raw(25, &[7; 253])).collect();
    assert_eq!(said(much), "mfa||alice|", "what does not fit is left out");
}

#[test]
fn many_logins_at_once_each_get_their_own_answer() {
    let server = server("update reply {\nReply-Message := \"%{User-Name}\"\n}");
    let asker = Asker::new(&["127.0.0.1"], server.port, "timeout = 5\n");
    asker.runtime.block_on(async {
        let logins: Vec<_> = (0..600)
            .map(|n| {
                let radius = Arc::clone(&asker.radius);
                tokio::spawn(async move {
                    let name = format!("user{n}");
                    let password = if n % 3 == 0 { "wrong" } else { PASSWORD };
                    let answer = radius.verify_password(claim(&name, plain(password))).await;
                    match (n % 3, answer) {
                        (0, Err(AuthFailure::Wrong)) => {}
                        (1 | 2, Ok(vouched)) => assert_eq!(told(&person(vouched), 18), [name.as_bytes()]),
                        other => panic!("{name}: {other:?}"),
                    }
                })
            })
            .collect();
        for login in logins {
            login.await.unwrap();
        }
    });
    assert_eq!(asker.radius.ignored_count(), 0);
}

#[test]
fn status_of_each_host_is_told() {
    let server = server("");
    let told = |options: &str| {
        let probed = Asker::new(&["127.0.0.1", "127.0.0.3"], server.port, options).probe();
        probed.into_iter().map(|one| one.found)
    };
    let unsigned = "require_message_authenticator = no\ntimeout = 1\n";
    let patient = "require_message_authenticator = no\ntimeout = 3\n";
    let rejects = told(patient).next().unwrap().unwrap();
    assert!(rejects.contains("does not let in a name that no user has"), "{rejects}");
    let found: Vec<_> = told(unsigned).collect();
    assert!(found[0].as_ref().unwrap().contains("answers Status-Server"), "{found:?}");
    assert!(found[1].as_ref().unwrap_err().0.contains("no server listens"), "{found:?}");
    let wrong =
        Asker::with(&format!("host = 127.0.0.1\nport = {}\nsecret = other\ntimeout = 1\n", server.port));
    assert!(wrong.probe()[0].found.as_ref().unwrap().contains("does not answer Status-Server"));
    let open = super::fake::Fake::start(super::fake::accepts);
    let found = Asker::new(&["127.0.0.1"], open.port, "timeout = 1\n").probe().remove(0).found;
    assert!(found.as_ref().is_err_and(|why| why.0.contains("lets in mfa-doctor-")), "{found:?}");
    let nowhere = Asker::new(&["nowhere.invalid"], server.port, "timeout = 1\n").probe();
    assert!(nowhere[0].found.as_ref().unwrap_err().0.contains("no address"), "{nowhere:?}");
}
