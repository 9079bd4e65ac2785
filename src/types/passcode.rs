//! What a user types as his second factor.

use super::Secret;
use unicode_normalization::UnicodeNormalization;

/// Characters of a recovery code, without its dashes: 12 of the base32 alphabet, 60 bits.
pub const RECOVERY_LENGTH: usize = 12;

/// A passcode in the form in which it is compared: compatibility characters folded (full-width digits become
/// ASCII, Unicode NFKC), spaces and dashes removed, letters in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passcode(Secret);

impl Passcode {
    /// From what was typed: UTF-8, or else Latin-1. `None` if nothing remains.
    pub fn parse(typed: &[u8]) -> Option<Self> {
        let text: String =
            decode(typed).nfkc().filter(|c| !is_filler(*c)).flat_map(char::to_lowercase).collect();
        (!text.is_empty()).then(|| Self(Secret::new(text)))
    }

    /// The characters that are compared, as UTF-8.
    pub fn expose(&self) -> &[u8] {
        self.0.expose()
    }
}

/// Octets as text: UTF-8 if they are that, else each octet a Latin-1 character.
pub(super) fn decode(octets: &[u8]) -> String {
    match std::str::from_utf8(octets) {
        Ok(text) => text.to_owned(),
        Err(_) => octets.iter().copied().map(char::from).collect(),
    }
}

/// What people put between the digits of a code: white space of any kind, and dashes.
fn is_filler(c: char) -> bool {
    c.is_whitespace() || matches!(c, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typed_forms_of_one_code_are_equal() {
        let plain = Passcode::parse(b"123456");
        for typed in [
            "123 456",
            "123-456",
            " 123456\r\n",
            "\u{ff11}\u{ff12}\u{ff13}\u{ff14}\u{ff15}\u{ff16}",
            "123\u{a0}456",
        ] {
            assert_eq!(Passcode::parse(typed.as_bytes()), plain, "{typed:?}");
        }
        assert_eq!(Passcode::parse(b"ABCD-efgh"), Passcode::parse(b"abcdefgh"));
    }

    #[test]
    fn nothing_is_no_passcode() {
        for typed in [&b""[..], b"   ", b"- -"] {
            assert_eq!(Passcode::parse(typed), None);
        }
    }

    proptest::proptest! {
        #[test]
        fn any_octets_are_taken_without_panic(octets: Vec<u8>) {
            let once = Passcode::parse(&octets);
            let again = once.as_ref().and_then(|p| Passcode::parse(p.expose()));
            proptest::prop_assert_eq!(once.is_some(), again.is_some());
        }
    }
}
