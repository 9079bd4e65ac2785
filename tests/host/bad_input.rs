//! What clients and attackers send: each is answered, nothing is accepted that should not be, and the server lives.

use crate::harness::site::PASSWORD;
use crate::harness::wire::{CALLING_STATION, Packet, REPLY_MESSAGE, STATE, USER_NAME, USER_PASSWORD, hide};
use crate::harness::{Code, Server, Site};

/// Still alive and still right about a right code.
fn lives(server: &mut Server, code: &str) {
    assert_eq!(Packet::pap(9_999, b"alice", code.as_bytes()).send(server), Code::Accept);
    assert!(server.is_up());
}

#[test]
fn passwords_that_are_no_code_are_refused() {
    for site in [Site::passcode(), Site::append()] {
        let mut site = site.with("lockout {\nslow_after = 100\n}");
        site.authorize = format!(
            "if (&User-Name == \"alice\") {{\nupdate control {{\nMFA-Mode := passcode\n}}\n}}\n{}",
            site.authorize
        );
        let mut server = site.start();
        server.enrol("bob");
        let alice = server.enrol("alice");
        for (seed, password) in [
            &b""[..],
            &[b'7'; 128],
            b"\0",
            b"123\x00456",
            b"\xff\xfe\xfd",
            &[0xc3; 127],
            b"%{User-Name}",
            b"`id`\n",
        ]
        .iter()
        .enumerate()
        {
            let code = Packet::pap(seed as u64, b"bob", password).send(&server);
            // Nothing at all asks for a passcode, where that is all there is.
            let is_asked = server.site.mfa.contains("passcode") && password.iter().all(|octet| *octet == 0);
            assert_eq!(code, if is_asked { Code::Challenge } else { Code::Reject }, "{password:?}");
        }
        // `pap` of the append site knows another password than a code.
        if server.site.mfa.contains("passcode") {
            lives(&mut server, &alice.code(0));
        }
        assert!(server.is_up());
    }
}

#[test]
fn right_code_with_a_nul_octet_behind_it_is_refused() {
    let mut server = Site::passcode().start();
    let alice = server.enrol("alice");
    let code = Packet::pap(1, b"alice", format!("{}\0x", alice.code(0)).as_bytes()).send(&server);
    assert_eq!(code, Code::Reject);
    lives(&mut server, &alice.code(1));
}

#[test]
fn spaces_dashes_and_full_width_digits_are_accepted() {
    let server = Site::passcode().start();
    let alice = server.enrol("alice");
    let (a, b, c) = (alice.code(0), alice.code(1), alice.code(2));
    let wide: String = c.chars().map(|d| char::from_u32(d as u32 - 0x30 + 0xff10).unwrap()).collect();
    for (seed, typed) in
        [format!("{} {}", &a[..3], &a[3..]), format!("{}-{}", &b[..3], &b[3..]), wide].iter().enumerate()
    {
        assert_eq!(
            Packet::pap(seed as u64, b"alice", typed.as_bytes()).send(&server),
            Code::Accept,
            "{typed}"
        );
    }
}

#[test]
fn several_names_are_refused() {
    let mut server = Site::passcode().start();
    let alice = server.enrol("alice");
    let packet = Packet::pap(1, b"alice", alice.code(0).as_bytes()).with(USER_NAME, b"bob");
    assert_eq!(packet.send(&server), Code::Reject);
    lives(&mut server, &alice.code(1));
}

#[test]
fn several_names_by_policy_do_not_fall_back_to_the_one_that_was_typed() {
    let two = "if (&Calling-Station-Id == \"two\") {\nupdate control {\nMFA-User += \"bob\"\nMFA-User += \"carol\"\n}\n}";
    let mut server = Site::passcode().first(two).start();
    let alice = server.enrol("alice");
    let packet = Packet::pap(1, b"alice", alice.code(0).as_bytes()).with(CALLING_STATION, b"two");
    assert_eq!(packet.send(&server), Code::Reject);
    assert_eq!(server.audited(&[]), [("malformed".into(), "no user name, or several".into())]);
    lives(&mut server, &alice.code(0));
}

#[test]
fn of_several_words_of_policy_the_stricter_one_counts() {
    let modes = "update control {\nMFA-Mode += passcode\nMFA-Mode += append\n}";
    let server = Site::passcode().first(modes).start();
    let alice = server.enrol("alice");
    assert_eq!(Packet::pap(1, b"alice", alice.code(0).as_bytes()).send(&server), Code::Reject);
    let exempt = "update control {\nMFA-Exempt += yes\nMFA-Exempt += no\n}";
    let server = Site::append().first(exempt).start();
    assert_eq!(Packet::pap(2, b"alice", PASSWORD.as_bytes()).send(&server), Code::Reject);
    let exempt = "update control {\nMFA-Exempt += yes\nMFA-Exempt += yes\n}";
    let server = Site::append().first(exempt).start();
    assert_eq!(Packet::pap(3, b"alice", PASSWORD.as_bytes()).send(&server), Code::Accept);
}

#[test]
fn names_with_more_than_one_domain_or_invisible_characters_are_nobody() {
    let options = "lockout {\nslow_after = 1000\nlock_after_unproven = 1000\n}";
    for rules in ["", "username {\ndomain = keep\n}"] {
        let mut server = Site::passcode().with(&format!("{options}\n{rules}")).start();
        let alice = server.enrol("alice");
        for (seed, name, reason) in [
            (1, "X\\alice@example.test", "more than one domain in user name"),
            (2, "alice@example.test@z", "more than one domain in user name"),
            (3, "EXAMPLE\\\\alice", "more than one domain in user name"),
            (4, "al\u{ad}ice", "invisible character in user name"),
            (5, "alice\u{e0001}", "invisible character in user name"),
        ] {
            let code = Packet::pap(seed, name.as_bytes(), alice.code(0).as_bytes()).send(&server);
            assert_eq!(code, Code::Reject, "{name:?}");
            let last = server.audited(&[]).pop().unwrap();
            assert_eq!(last, ("malformed".into(), reason.into()), "{name:?}");
        }
        lives(&mut server, &alice.code(0));
    }
}

#[test]
fn codes_are_taken_as_they_are_pasted() {
    let server = Site::passcode().start();
    let alice = server.enrol("alice");
    for (counter, filler) in
        ["\u{feff}", "\u{200b}", "\u{200e}", "\u{2060}", "\u{ad}", "\u{a0}"].iter().enumerate()
    {
        let code = alice.code(counter as u64);
        let typed = format!("{filler}{}{filler}{}{filler}", &code[..3], &code[3..]);
        let said = Packet::pap(counter as u64, b"alice", typed.as_bytes()).send(&server);
        assert_eq!(said, Code::Accept, "{typed:?}");
    }
}

#[test]
fn several_passwords_are_refused() {
    let mut server = Site::passcode().start();
    let alice = server.enrol("alice");
    let packet = Packet::new(1, [5; 16])
        .with(USER_NAME, b"alice")
        .with(USER_PASSWORD, &hide(alice.code(0).as_bytes(), &[5; 16]))
        .with(USER_PASSWORD, &hide(b"000000", &[5; 16]));
    assert_eq!(packet.send(&server), Code::Reject);
    lives(&mut server, &alice.code(1));
}

#[test]
fn several_states_change_nothing() {
    let server = Site::passcode().start();
    let alice = server.enrol("alice");
    let packet = Packet::pap(1, b"alice", alice.code(0).as_bytes()).with(STATE, b"one").with(STATE, b"tw\0o");
    assert_eq!(packet.send(&server), Code::Accept);
}

#[test]
fn missing_name_is_refused() {
    let mut server = Site::passcode().start();
    let alice = server.enrol("alice");
    let packet = Packet::new(1, [5; 16]).with(USER_PASSWORD, &hide(alice.code(0).as_bytes(), &[5; 16]));
    assert_eq!(packet.send(&server), Code::Reject);
    lives(&mut server, &alice.code(1));
}

#[test]
fn missing_password_is_refused() {
    let mut server = Site::passcode().start();
    let alice = server.enrol("alice");
    assert_eq!(Packet::new(1, [5; 16]).with(USER_NAME, b"alice").send(&server), Code::Reject);
    lives(&mut server, &alice.code(0));
}

#[test]
fn odd_names_are_refused() {
    let mut server =
        Site::passcode().with("lockout {\nslow_after = 1000\nlock_after_unproven = 1000\n}").start();
    let alice = server.enrol("alice");
    for (seed, name) in [
        &b"a\0lice"[..],
        b"\xff\xff",
        &[b'a'; 253],
        b"alice\n",
        b"%{control:MFA-Token}",
        b"' OR 1=1 --",
        b"@",
    ]
    .iter()
    .enumerate()
    {
        let code = Packet::pap(seed as u64, name, b"000000").send(&server);
        assert_eq!(code, Code::Reject, "{name:?}");
    }
    lives(&mut server, &alice.code(0));
}

#[test]
fn packet_of_4096_octets_with_200_attributes_is_a_login_like_any_other() {
    let mut server = Site::passcode().start();
    let alice = server.enrol("alice");
    let mut packet = Packet::pap(1, b"alice", alice.code(0).as_bytes());
    for n in 0..196u8 {
        packet = packet.with(REPLY_MESSAGE, &[n; 18]);
    }
    let rest = 4096 - packet.len() - 2;
    packet = packet.with(CALLING_STATION, &vec![b'x'; rest.min(253)]);
    assert!(packet.len() > 4000 && packet.len() <= 4096, "{}", packet.len());
    assert_eq!(packet.send(&server), Code::Accept);
    lives(&mut server, &alice.code(1));
}

#[test]
fn truncated_chap_answers_are_refused() {
    let mut server = Site::passcode().start();
    let alice = server.enrol("alice");
    for length in [1, 16, 17] {
        let packet =
            Packet::new(length, [5; 16]).with(USER_NAME, b"alice").with(3, &vec![7; usize::from(length)]);
        let code = packet.send(&server);
        assert_ne!(code, Code::Accept, "CHAP-Password of {length} octets");
    }
    lives(&mut server, &alice.code(0));
}
