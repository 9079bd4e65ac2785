//! Any octets to the responder that logins wait at, as they are and signed: they are refused, or they are answered with a
//! packet.
#![no_main]

use hmac::{Hmac, KeyInit, Mac};
use libfuzzer_sys::fuzz_target;
use md5::Md5;
use rlm_mfa::config::profile::PromptEcho;
use rlm_mfa::types::Secret;
use rlm_mfa::waiting::{LoopbackReply, LoopbackRequest, ReplyCode};

const SECRET: &[u8] = b"testing123";

/// With its length as it is, and the Message-Authenticator at the end, which is right.
fn signed(octets: &[u8]) -> Vec<u8> {
    let mut packet = octets.to_vec();
    packet.truncate(4078);
    packet.resize(packet.len().max(20), 0);
    packet.extend([80, 18]);
    packet.extend([0; 16]);
    let length = u16::try_from(packet.len()).unwrap().to_be_bytes();
    packet[0] = 1;
    packet[2..4].copy_from_slice(&length);
    let mut mac = Hmac::<Md5>::new_from_slice(SECRET).unwrap();
    mac.update(&packet);
    let at = packet.len() - 16;
    packet[at..].copy_from_slice(&mac.finalize().into_bytes());
    packet
}

fuzz_target!(|octets: &[u8]| {
    let secret = Secret::new(SECRET);
    assert!(LoopbackRequest::parse(octets, &Secret::new("another")).is_none(), "not signed");
    let Some(request) = LoopbackRequest::parse(&signed(octets), &secret) else { return };
    let text = String::from_utf8_lossy(octets).into_owned();
    let message = text.split('\n').map(str::to_owned).collect();
    let reply = LoopbackReply { message, state: Some(text), echo: PromptEcho::Shown };
    let answer = request.build_reply(ReplyCode::Challenge, &reply, &secret);
    assert!((20..=4096).contains(&answer.len()));
    assert_eq!(answer[..2], [11, request.id]);
    assert_eq!(usize::from(u16::from_be_bytes([answer[2], answer[3]])), answer.len());
    let mut rest = &answer[20..];
    while let [_, length, ..] = *rest {
        assert!(length >= 2);
        rest = &rest[usize::from(length)..];
    }
    assert!(rest.is_empty());
});
