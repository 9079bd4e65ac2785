//! Recovery codes: printed once, kept as keyed hashes, each good for one login.

use crate::engine::PresentedFactor;
use crate::engine::port::{EnrolledToken, SpendPasscode, TokenMatch};
use crate::types::{Passcode, RECOVERY_LENGTH, Secret};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// The most codes of one token: each has a bit in [`EnrolledToken::next`], whose sign is left alone.
pub const MOST: usize = 63;

/// Base32 (RFC 4648, section 6) as people write it.
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// Makes `count` codes, at most [`MOST`]; `random` fills a buffer with random octets. Gives the key of the hashes (the
/// token's secret), the codes as `xxxx-xxxx-xxxx` to be shown once, and the hashes to be stored.
pub fn generate_codes(
    random: &mut dyn FnMut(&mut [u8]),
    count: usize,
) -> (Secret, Vec<String>, Vec<[u8; 32]>) {
    let mut key = Zeroizing::new([0u8; 32]);
    random(key.as_mut());
    let key = Secret::new(*key);
    let (mut shown, mut hashes) = (Vec::new(), Vec::new());
    for _ in 0..count.min(MOST) {
        let mut octets = [0u8; RECOVERY_LENGTH];
        random(&mut octets);
        let code: Vec<u8> =
            octets.iter().filter_map(|octet| ALPHABET.get(usize::from(octet & 31))).copied().collect();
        hashes.extend(hash(&key, &code));
        let groups: Vec<_> = code.chunks(4).map(String::from_utf8_lossy).collect();
        shown.push(groups.join("-"));
    }
    (key, shown, hashes)
}

/// What is stored of a code: HMAC-SHA-256 over its normal form, [`Passcode::expose`]. `None` for a key that HMAC does not
/// take; there is no such key, and if there were, no code would be right.
pub fn hash(key: &Secret, code: &[u8]) -> Option<[u8; 32]> {
    let mac = Hmac::<Sha256>::new_from_slice(key.expose()).ok()?;
    Some(mac.chain_update(code).finalize().into_bytes().into())
}

/// See [`PasscodeVerifier::verify_passcode`](crate::engine::port::PasscodeVerifier::verify_passcode). A hash cannot answer a challenge.
pub(super) fn check(token: &EnrolledToken, presented: &PresentedFactor) -> TokenMatch {
    let PresentedFactor::Plain(passcode) = presented else { return TokenMatch::No };
    match find_hash(token, passcode) {
        None => TokenMatch::No,
        Some(index) if token.next >> index & 1 == 1 => TokenMatch::Spent,
        Some(index) => TokenMatch::Right {
            spend: SpendPasscode::Code { index },
            passcode: Secret::new(passcode.expose()),
        },
    }
}

/// The code with that hash. Compares with all of them, whichever it is.
fn find_hash(token: &EnrolledToken, passcode: &Passcode) -> Option<u32> {
    if passcode.expose().len() != RECOVERY_LENGTH {
        return None;
    }
    let presented = hash(&token.secret, passcode.expose())?;
    let mut found = None;
    for (index, stored) in (0..).zip(token.codes.iter().take(MOST)) {
        if stored.ct_eq(&presented).into() {
            found = Some(index);
        }
    }
    found
}
