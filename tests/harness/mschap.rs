//! The client's side of MS-CHAPv2 (RFC 2759, section 8), which `radclient` does not compute.

use des::Des;
use des::cipher::{BlockCipherEncrypt, KeyInit};
use md4::Md4;
use sha1::{Digest, Sha1};

/// MS-CHAP2-Response (RFC 2548, section 2.3.2) to the authenticator's challenge.
pub fn response(user: &str, password: &str, challenge: &[u8; 16], peer: &[u8; 16]) -> Vec<u8> {
    let hash = Sha1::new().chain_update(peer).chain_update(challenge).chain_update(user).finalize();
    let unicode: Vec<u8> = password.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut key = Md4::digest(unicode).to_vec();
    key.resize(21, 0);
    let mut out = vec![0, 0];
    out.extend(peer);
    out.extend([0; 8]);
    for seven in key.chunks(7) {
        let mut block = <[u8; 8]>::try_from(&hash[..8]).unwrap().into();
        Des::new(&parity(seven).into()).encrypt_block(&mut block);
        out.extend(block);
    }
    out
}

fn parity(seven: &[u8]) -> [u8; 8] {
    let bits = seven.iter().fold(0u64, |bits, octet| bits << 8 | u64::from(*octet));
    std::array::from_fn(|index| ((bits >> (49 - 7 * index)) as u8 & 0x7f) << 1)
}

/// NT-Response to a challenge of MS-CHAP (RFC 2433, appendix A.5).
pub fn nt_response(challenge: &[u8; 8], password: &str) -> [u8; 24] {
    let unicode: Vec<u8> = password.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut key = Md4::digest(unicode).to_vec();
    key.resize(21, 0);
    let blocks = key.chunks(7).flat_map(|seven| {
        let mut block = (*challenge).into();
        Des::new(&parity(seven).into()).encrypt_block(&mut block);
        block.to_vec()
    });
    blocks.collect::<Vec<_>>().try_into().unwrap()
}
