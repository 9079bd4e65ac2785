//! The list of a user with twelve devices whose names are long and full of umlauts and emoji, at clients of every kind, in every
//! language: as another implementation of RADIUS reads it.

use crate::harness::duo::Duo;
use crate::harness::pyrad::{self, Decoded};
use crate::harness::site::PASSWORD;
use crate::harness::wire::{Packet, STATE};
use crate::harness::{Code, Server, Site};
use serde_json::json;

const NAS_IDENTIFIER: u8 = 32;
const CALLED_STATION: u8 = 30;

/// The client's profile comes as NAS-Identifier, its language as Called-Station-Id.
const SPOKEN: &str =
    "update control {\n&MFA-Profile := \"%{NAS-Identifier}\"\n&MFA-Language := \"%{Called-Station-Id}\"\n}";

/// Nine take pushes, three are called.
fn start(duo: &Duo, name: impl Fn(usize) -> String) -> Server {
    let device = |n: usize| {
        let can = if n <= 9 { "push" } else { "phone" };
        json!({ "device": format!("DP{n}"), "type": "phone", "name": name(n), "capabilities": ["auto", can] })
    };
    duo.user("*", json!({ "devices": (1..=12).map(device).collect::<Vec<_>>() }));
    let site = Site::auto("");
    let mfa = format!("mode = challenge\npush {{\n{}}}", duo.options());
    Site { mfa, ..site }.first(SPOKEN).start()
}

fn ask(
    server: &Server,
    seed: u64,
    [profile, language]: [&str; 2],
    typed: &str,
    state: Option<&[u8]>,
) -> Decoded {
    let packet = Packet::pap(seed, b"alice", typed.as_bytes())
        .with(NAS_IDENTIFIER, profile.as_bytes())
        .with(CALLED_STATION, language.as_bytes());
    let packet = state.iter().fold(packet, |packet, state| packet.with(STATE, state));
    pyrad::ask(server, "127.0.0.1", &packet)
}

fn short(n: usize) -> String {
    format!("📱 Jürgens Ger\u{e4}t № {n} 👩🏽 ü\u{308}")
}

fn long(n: usize) -> String {
    format!("{n} {}", "🇨🇭👩🏽Ωß".repeat(20))
}

#[test]
fn list_of_twelve_devices_is_whole_where_there_is_room() {
    let duo = Duo::start();
    let server = start(&duo, short);
    let way = |n: usize| match n {
        1..=9 => format!("{n}. Push to {}\n", short(n)),
        _ => format!("{n}. Phone call to {}\n", short(n)),
    };
    let reply = ask(&server, 1, ["generic", "en"], PASSWORD, None);
    assert_eq!((reply.code, reply.states.len()), (Code::Challenge, 1));
    assert_eq!(
        reply.text(),
        format!(
            "Enter a passcode or choose an option:\n{}Passcode or option (1-12): ",
            (1..=12).map(way).collect::<String>()
        )
    );
    assert!((2..=4).contains(&reply.messages.len()), "{}", reply.messages.len());
    for message in &reply.messages[..reply.messages.len() - 1] {
        assert!(message.ends_with(b"\n"), "no line goes over from one attribute to the next");
    }
}

#[test]
fn list_that_does_not_fit_is_one_line_of_words() {
    let duo = Duo::start();
    let server = start(&duo, long);
    let words = "push, push2, push3, push4, push5, push6, push7, push8, push9, phone, phone2, phone3";
    let profiles = ["generic", "ivanti", "fortigate", "globalprotect", "anyconnect", "ocserv", "pam_radius"];
    for (n, profile) in profiles.iter().enumerate() {
        for (m, language) in ["en", "de", "fr"].iter().enumerate() {
            let seed = u64::try_from(n * 3 + m).unwrap();
            let reply = ask(&server, seed, [profile, language], PASSWORD, None);
            assert_eq!((reply.code, reply.states.len()), (Code::Challenge, 1), "{profile} {language}");
            assert_eq!(reply.messages.len(), 1, "{profile} {language}");
            assert!(reply.text().contains(words), "{profile} {language}: {}", reply.text());
            assert!(!reply.text().contains('\n'), "{profile} {language}: {}", reply.text());
        }
    }
}

#[test]
fn number_and_word_mean_the_device_that_was_shown() {
    let duo = Duo::start();
    duo.decide("approve");
    let server = start(&duo, short);
    for (seed, profile, typed) in
        [(0, "generic", "12"), (2, "pam_radius", "phone3"), (4, "ivanti", "Phone 3")]
    {
        let list = ask(&server, seed, [profile, "de"], PASSWORD, None);
        let state = list.states.first().unwrap();
        let reply = ask(&server, seed + 1, [profile, "de"], typed, Some(state));
        assert_eq!(reply.code, Code::Accept, "{profile}");
        let call = duo.calls("/auth/v2/auth").pop().unwrap();
        assert_eq!((call.params["factor"].as_str(), call.params["device"].as_str()), ("phone", "DP12"));
    }
}
