//! What RADIUS hides from those between with the shared secret: passwords on their way to a server, keys on their way back.

use crate::types::Secret;
use md5::{Digest, Md5};

/// Octets in a block.
const BLOCK: usize = 16;
/// The longest password (RFC 2865, section 5.2).
const PASSWORD: usize = 128;

/// User-Password (RFC 2865, section 5.2). None if the password is empty, longer than 128 octets, or has a NUL in it, behind which
/// the other end would see nothing.
pub fn hide_password(password: &Secret, secret: &Secret, authenticator: &[u8; 16]) -> Option<Vec<u8>> {
    let octets = password.expose();
    if octets.is_empty() || octets.len() > PASSWORD || octets.contains(&0) {
        return None;
    }
    let (mut hidden, mut before) = (Vec::with_capacity(PASSWORD), authenticator.to_vec());
    for block in octets.chunks(BLOCK) {
        let mut mask = key_stream(secret, &[&before]);
        for (octet, plain) in mask.iter_mut().zip(block) {
            *octet ^= plain;
        }
        hidden.extend(mask);
        before = mask.to_vec();
    }
    Some(hidden)
}

/// The whole hidden text, padding included; the caller, who knows the length, removes it. `None` if it is not a whole
/// number of blocks.
pub fn reveal_password(hidden: &[u8], secret: &Secret, authenticator: &[u8; 16]) -> Option<Vec<u8>> {
    reveal_blocks(hidden, secret, authenticator)
}

/// What was hidden behind a salt: MS-MPPE-Send-Key and MS-MPPE-Recv-Key (RFC 2548, section 2.4.2), and Tunnel-Password behind its tag
/// (RFC 2868, section 3.5). None if that is not how it was hidden.
pub fn reveal_salted_key(value: &[u8], secret: &Secret, authenticator: &[u8; 16]) -> Option<Vec<u8>> {
    let (salt, hidden) = value.split_at_checked(2)?;
    let plain = reveal_blocks(hidden, secret, &[authenticator, salt].concat())?;
    let (length, plain) = plain.split_first()?;
    Some(plain.get(..usize::from(*length))?.to_vec())
}

fn reveal_blocks(hidden: &[u8], secret: &Secret, first: &[u8]) -> Option<Vec<u8>> {
    if hidden.is_empty() || !hidden.len().is_multiple_of(BLOCK) {
        return None;
    }
    let (mut plain, mut before) = (Vec::with_capacity(hidden.len()), first);
    for block in hidden.chunks(BLOCK) {
        let mask = key_stream(secret, &[before]);
        plain.extend(mask.iter().zip(block).map(|(mask, octet)| mask ^ octet));
        before = block;
    }
    Some(plain)
}

fn key_stream(secret: &Secret, before: &[&[u8]]) -> [u8; BLOCK] {
    let mut digest = Md5::new().chain_update(secret.expose());
    for octets in before {
        digest.update(octets);
    }
    digest.finalize().into()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    fn secret() -> Secret {
        Secret::new("testing123")
    }

    /// Hides behind a salt, as a server does.
    pub(crate) fn salt(plain: &[u8], secret: &Secret, authenticator: &[u8; 16]) -> Vec<u8> {
        let mut octets = vec![u8::try_from(plain.len()).unwrap()];
        octets.extend(plain);
        octets.resize(octets.len().div_ceil(BLOCK) * BLOCK, 0);
        let mut value = vec![0x80, 1];
        let mut before = [&authenticator[..], &value].concat();
        for block in octets.chunks(BLOCK) {
            let mut hidden = key_stream(secret, &[&before]);
            hidden.iter_mut().zip(block).for_each(|(octet, plain)| *octet ^= plain);
            value.extend(hidden);
            before = hidden.to_vec();
        }
        value
    }

    #[test]
    fn password_comes_out_as_it_went_in() {
        for length in [1, 15, 16, 17, 128] {
            let hidden = hide_password(&Secret::new(vec![b'x'; length]), &secret(), &[7; 16]).unwrap();
            assert_eq!(hidden.len(), length.div_ceil(16) * 16);
            let plain = reveal_password(&hidden, &secret(), &[7; 16]).unwrap();
            assert_eq!(plain[..length], vec![b'x'; length]);
            assert!(plain[length..].iter().all(|octet| *octet == 0));
        }
    }

    #[test]
    fn password_that_would_not_arrive_whole_is_not_hidden() {
        for password in [&b""[..], b"a\0b", &[b'x'; 129]] {
            assert_eq!(hide_password(&Secret::new(password), &secret(), &[7; 16]), None);
        }
    }

    // RFC 2865, section 7.1: "arctangent" under the secret "xyzzy5461".
    #[test]
    fn password_is_hidden_as_in_the_rfc() {
        let hex = |text: &str| data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap();
        let authenticator = hex("0f403f9473978057bd83d5cb98f4227a").try_into().unwrap();
        let hidden = hide_password(&Secret::new("arctangent"), &Secret::new("xyzzy5461"), &authenticator);
        assert_eq!(hidden, Some(hex("0dbe708d93d413ce3196e43f782a0aee")));
    }

    #[test]
    fn key_behind_a_salt_comes_out() {
        for length in [0, 1, 15, 16, 32] {
            let key = vec![5; length];
            assert_eq!(reveal_salted_key(&salt(&key, &secret(), &[7; 16]), &secret(), &[7; 16]), Some(key));
        }
        let other = reveal_salted_key(&salt(&[5; 16], &secret(), &[7; 16]), &secret(), &[8; 16]);
        assert_ne!(other, Some(vec![5; 16]));
    }

    proptest::proptest! {
        #[test]
        fn no_octets_make_it_panic(octets: Vec<u8>) {
            let _ = (reveal_salted_key(&octets, &secret(), &[0; 16]), reveal_password(&octets, &secret(), &[0; 16]));
        }
    }
}
