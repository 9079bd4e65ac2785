//! What a RADIUS server's octets go through, for `fuzz/`: pure, and of no use otherwise.

use super::host::RadiusAnswer;
use super::packet;
use super::udp_channel::{self, AnswerProof};
use crate::config::radius::RequiredSignature;
use crate::engine::directory::{AuthFailure, PasswordResponse};
use crate::types::Secret;
use crate::wire::RadiusPacket;
use std::sync::atomic::AtomicU64;

/// What a datagram says in answer to a request of `alice` with this authenticator; none if it is ignored. No Message-Authenticator
/// is required.
pub fn read(
    datagram: &[u8],
    request: &[u8; 16],
    secret: &str,
) -> Option<Result<PasswordResponse, AuthFailure>> {
    let secret = Secret::new(secret);
    let packet = RadiusPacket::parse(datagram)?;
    let proof = AnswerProof {
        secret: secret.clone(),
        signed: RequiredSignature::Optional,
        ignored: AtomicU64::new(0),
    };
    udp_channel::judge_datagram(&packet, request, &proof).ok()?;
    let answer = RadiusAnswer { octets: datagram.to_vec(), authenticator: *request };
    Some(packet::read(&answer, "alice", 0, &secret))
}
