//! Any octets as the answer of the RADIUS server that checks passwords, as they are and signed: what is not signed is no answer,
//! an accept is one by its code alone, and what is passed on to the client fits into its attributes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use md5::{Digest, Md5};
use rlm_mfa::directory::fuzz::radius::read;
use rlm_mfa::engine::directory::{AuthFailure, PasswordResponse};

const SECRET: &str = "testing123";
const REQUEST: [u8; 16] = [7; 16];
/// State, Proxy-State, EAP-Message, Message-Authenticator; passwords.
const NEVER_PASSED_ON: [u8; 7] = [24, 33, 79, 80, 2, 3, 60];

/// With its length as it is, and the response authenticator (RFC 2865, section 3) that is right.
fn signed(octets: &[u8]) -> Vec<u8> {
    let mut packet = octets.to_vec();
    packet.truncate(4096);
    packet.resize(packet.len().max(20), 0);
    let length = u16::try_from(packet.len()).unwrap().to_be_bytes();
    packet[2..4].copy_from_slice(&length);
    packet[4..20].copy_from_slice(&REQUEST);
    let digest = Md5::new().chain_update(&packet).chain_update(SECRET).finalize();
    packet[4..20].copy_from_slice(&digest);
    packet
}

fuzz_target!(|octets: &[u8]| {
    assert!(read(octets, &REQUEST, SECRET).is_none(), "not signed");
    let packet = signed(octets);
    assert!(read(&packet, &REQUEST, "another").is_none(), "another's");
    assert!(read(&packet, &[8; 16], SECRET).is_none(), "to another request");
    let Some(answer) = read(&packet, &REQUEST, SECRET) else { return };
    match (packet[0], answer) {
        (2, Ok(PasswordResponse::Person(person))) => {
            assert_eq!(person.name, "alice");
            for raw in &person.reply {
                assert!(raw.value.len() <= 253 && !NEVER_PASSED_ON.contains(&raw.kind), "{raw:?}");
            }
        }
        (3, Err(AuthFailure::Wrong)) => {}
        (11, Ok(PasswordResponse::Asks { text, state })) => {
            assert!(text.iter().all(|line| line.len() <= 253 && !line.contains(char::is_control)));
            assert!(state[0] == 0 && state.len() <= 254, "its host stands before it");
        }
        (11, Err(AuthFailure::Unavailable(_))) => {}
        (code, answer) => panic!("code {code}: {answer:?}"),
    }
});
