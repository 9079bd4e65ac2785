//! The arithmetic of MS-CHAP (RFC 2433) and MS-CHAPv2 (RFC 2759), for comparing an answer with a candidate passcode.

use des::Des;
use des::cipher::{BlockCipherEncrypt, KeyInit};
use md4::Md4;
use sha1::{Digest, Sha1};

/// ChallengeHash (RFC 2759, section 8.2).
pub(super) fn challenge_hash(peer: &[u8; 16], authenticator: &[u8; 16], name: &[u8]) -> [u8; 8] {
    let digest: [u8; 20] =
        Sha1::new().chain_update(peer).chain_update(authenticator).chain_update(name).finalize().into();
    let mut hash = [0; 8];
    for (to, from) in hash.iter_mut().zip(digest) {
        *to = from;
    }
    hash
}

/// ChallengeResponse over NtPasswordHash (RFC 2759, sections 8.3 and 8.5; RFC 2433, appendix A): `password` is
/// UTF-8, the hash is over UTF-16LE.
pub(super) fn nt_response(challenge: &[u8; 8], password: &[u8]) -> [u8; 24] {
    let mut md4 = Md4::new();
    for unit in String::from_utf8_lossy(password).encode_utf16() {
        md4.update(unit.to_le_bytes());
    }
    let mut padded = [0u8; 21];
    for (to, from) in padded.iter_mut().zip(md4.finalize()) {
        *to = from;
    }
    let mut response = [0u8; 24];
    for (key, out) in padded.chunks_exact(7).zip(response.chunks_exact_mut(8)) {
        let mut block = (*challenge).into();
        Des::new(&des_key(key).into()).encrypt_block(&mut block);
        out.copy_from_slice(&block);
    }
    response
}

/// 56 bits spread over eight octets; DES ignores the parity bit of each.
fn des_key(seven: &[u8]) -> [u8; 8] {
    let bits = seven.iter().fold(0u64, |bits, octet| bits << 8 | u64::from(*octet));
    let mut key = [0; 8];
    for (index, octet) in key.iter_mut().enumerate() {
        *octet = (bits >> (49 - 7 * index) & 0x7f) as u8 * 2;
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 2759, section 9.2: ChallengeHash is D0 2E 43 86 BC E9 12 26.
    #[test]
    fn challenge_hash_is_that_of_the_rfc() {
        let hex = |text: &str| data_encoding::HEXUPPER.decode(text.as_bytes()).unwrap().try_into().unwrap();
        let hash = challenge_hash(
            &hex("21402324255E262A28295F2B3A337C7E"),
            &hex("5B5D7C7D7B3F2F3E3C2C602132262628"),
            b"User",
        );
        assert_eq!(hash, [0xd0, 0x2e, 0x43, 0x86, 0xbc, 0xe9, 0x12, 0x26]);
    }

    #[test]
    fn des_key_spreads_seven_octets_over_eight() {
        assert_eq!(des_key(&[0xff; 7]), [0xfe; 8]);
        assert_eq!(des_key(&[0x80, 0, 0, 0, 0, 0, 0x01]), [0x80, 0, 0, 0, 0, 0, 0, 0x02]);
    }
}
