//! What a user types as the second factor.

use super::encoding::decode;
use super::{Secret, is_invisible};
use unicode_normalization::UnicodeNormalization;

/// Characters of a recovery code, without its dashes: 12 of the base32 alphabet, 60 bits.
pub const RECOVERY_LENGTH: usize = 12;

/// A passcode in the form in which it is compared: compatibility characters folded (full-width digits become
/// ASCII, Unicode NFKC), letters in lower case, without what comes along when a code is copied: spaces, dashes, invisible
/// characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passcode(Secret);

impl Passcode {
    /// From what was typed: UTF-8, or else Windows-1252. `None` if nothing remains.
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

/// What stands between the digits of a code that was typed or pasted: white space of any kind, dashes, and characters
/// that are not seen, such as a zero-width space or a byte order mark. Control characters are not among these: a
/// pasted code contains no NUL.
fn is_filler(c: char) -> bool {
    c.is_whitespace()
        || matches!(c, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}')
        || (is_invisible(c) && !c.is_control())
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
            "\u{feff}123456",
            "123\u{200b}456",
            "123\u{200c}4\u{200d}56",
            "\u{200e}123456\u{200f}",
            "\u{202a}123456\u{202c}",
            "\u{2066}123\u{2060}456\u{2069}",
            "123\u{ad}456",
            "1\u{fe0f}23456",
        ] {
            assert_eq!(Passcode::parse(typed.as_bytes()), plain, "{typed:?}");
        }
        assert_eq!(Passcode::parse(b"ABCD-efgh"), Passcode::parse(b"abcdefgh"));
    }

    #[test]
    fn nothing_is_no_passcode() {
        for typed in [&b""[..], b"   ", b"- -", "\u{200b}\u{feff}".as_bytes()] {
            assert_eq!(Passcode::parse(typed), None);
        }
    }

    #[test]
    fn control_characters_are_no_part_of_a_code() {
        for typed in [&b"123456\0"[..], b"123\x1b456", b"123\x81456\xff"] {
            assert_ne!(Passcode::parse(typed), Passcode::parse(b"123456"), "{typed:?}");
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
