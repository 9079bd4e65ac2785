//! Passcodes as an authenticator computes them (RFC 4226, RFC 6238), written apart from the product's own.

use hmac::{Hmac, KeyInit, Mac};
use std::time::{SystemTime, UNIX_EPOCH};

/// The hash under the HMAC.
#[derive(Clone, Copy, Debug)]
pub enum Hash {
    Sha1,
    Sha256,
    Sha512,
}

/// The passcode of `counter`.
pub fn hotp(hash: Hash, secret: &[u8], counter: u64, digits: u32) -> String {
    let counter = counter.to_be_bytes();
    let mac = match hash {
        Hash::Sha1 => mac::<Hmac<sha1::Sha1>>(secret, &counter),
        Hash::Sha256 => mac::<Hmac<sha2::Sha256>>(secret, &counter),
        Hash::Sha512 => mac::<Hmac<sha2::Sha512>>(secret, &counter),
    };
    let offset = usize::from(mac[mac.len() - 1] & 0xf);
    let word = u32::from_be_bytes(mac[offset..offset + 4].try_into().unwrap()) & 0x7fff_ffff;
    format!("{:0width$}", word % 10u32.pow(digits), width = digits as usize)
}

fn mac<M: Mac + KeyInit>(secret: &[u8], message: &[u8]) -> Vec<u8> {
    let mut mac = <M as KeyInit>::new_from_slice(secret).unwrap();
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}

/// The time step of now.
pub fn step() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() / 30
}

/// The secret as `mfa token add --secret` takes it.
pub fn base32(secret: &[u8]) -> String {
    data_encoding::BASE32_NOPAD.encode(secret)
}

/// The code of six digits in a message.
pub fn code_in(text: &str) -> String {
    let digits = text.split(|c: char| !c.is_ascii_digit()).find(|digits| digits.len() == 6);
    digits.unwrap_or_else(|| panic!("no code in {text:?}")).to_owned()
}
