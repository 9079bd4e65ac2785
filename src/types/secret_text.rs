//! Secrets as people have them: base32 or hex, with what programs, papers and people put around and between the characters.

use super::{Secret, is_invisible};
use data_encoding::{BASE32_NOPAD, Encoding, HEXLOWER_PERMISSIVE, Specification};
use std::sync::LazyLock;
use zeroize::Zeroizing;

/// Why a text is no secret. No character of it is told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSecret {
    /// Nothing is left without spaces and dashes.
    #[error("the secret is empty")]
    Empty,
    /// A digit that base32 (RFC 4648, section 6) leaves out, since it looks like a letter.
    #[error(
        "the secret holds a {0}, and base32 has only the letters A to Z and the digits 2 to 7 (a letter that looks like it?)"
    )]
    Base32Digit(char),
    /// The same, where all of it could be hex.
    #[error("the secret is not base32, which has no {0}, but could be hex: put hex: in front of it")]
    PerhapsHex(char),
    /// Any other character; it is so many from the beginning.
    #[error("character {0} of the secret is none of base32: letters A to Z and digits 2 to 7")]
    Base32(usize),
    /// No octets have so many characters.
    #[error("the secret has {0} characters, which base32 never has: one is missing, or one too many")]
    Base32Length(usize),
    /// A character that is no hex digit; it is so many from the beginning.
    #[error("character {0} of the secret is no hex digit: 0 to 9 and a to f")]
    Hex(usize),
    /// An odd number of hex digits.
    #[error("the secret has {0} hex digits, an odd number: one is missing, or one too many")]
    HexLength(usize),
    /// Under 80 or over 1,024 bits.
    #[error("secret of {0} octets: 10 to 128")]
    Length(usize),
}

/// How the characters stand for octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum SecretEncoding {
    /// Base32; `hex:` in front means hex.
    #[default]
    Base32,
    /// Hex digits.
    Hex,
}

/// Base32 whose last character may hold bits that are left over, as some makers print them; they are dropped, as apps do.
static BASE32: LazyLock<Encoding> = LazyLock::new(|| {
    let mut specification: Specification = BASE32_NOPAD.specification();
    specification.check_trailing_bits = false;
    specification.encoding().unwrap_or(BASE32_NOPAD)
});

/// A secret of 10 to 128 octets. Spaces, dashes, invisible characters, quotes around it, padding and case are forgiven.
pub fn secret_from_text(text: &str, encoded: SecretEncoding) -> Result<Secret, BadSecret> {
    let text = strip_quotes(text);
    let (is_hex, text) = match split_prefix(text, "hex:") {
        Some(rest) => (true, rest),
        None => (encoded == SecretEncoding::Hex, text),
    };
    let octets = if is_hex { from_hex(text) } else { from_base32(text) }?;
    match octets.len() {
        0 => Err(BadSecret::Empty),
        10..=128 => Ok(Secret::new(octets)),
        n => Err(BadSecret::Length(n)),
    }
}

/// The text without spaces and quotes around it.
pub fn strip_quotes(text: &str) -> &str {
    let text = text.trim_matches(|c: char| c.is_whitespace() || is_invisible(c));
    for (open, close) in [('"', '"'), ('\'', '\''), ('\u{201c}', '\u{201d}'), ('\u{ab}', '\u{bb}')] {
        if let Some(inner) = text.strip_prefix(open).and_then(|rest| rest.strip_suffix(close)) {
            return inner.trim();
        }
    }
    text
}

/// What follows `prefix`, in whatever case it is written.
fn split_prefix<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// Whether it stands between characters for the eye alone.
fn is_between(c: char) -> bool {
    c.is_whitespace() || is_invisible(c) || matches!(c, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}')
}

fn from_base32(text: &str) -> Result<Vec<u8>, BadSecret> {
    let mut clean = Zeroizing::new(String::new());
    let kept = text.trim_end_matches(|c| c == '=' || is_between(c)).chars().filter(|c| !is_between(*c));
    clean.extend(kept.map(|c| c.to_ascii_uppercase()));
    let is_one = |c: char| matches!(c, 'A'..='Z' | '2'..='7');
    if let Some((at, wrong)) = (1usize..).zip(clean.chars()).find(|(_, c)| !is_one(*c)) {
        let is_hex = clean.len().is_multiple_of(2) && clean.chars().all(|c| c.is_ascii_hexdigit());
        return Err(match wrong {
            '0' | '1' | '8' | '9' if is_hex => BadSecret::PerhapsHex(wrong),
            '0' | '1' | '8' | '9' => BadSecret::Base32Digit(wrong),
            _ => BadSecret::Base32(at),
        });
    }
    BASE32.decode(clean.as_bytes()).map_err(|_| BadSecret::Base32Length(clean.len()))
}

fn from_hex(text: &str) -> Result<Vec<u8>, BadSecret> {
    let text = split_prefix(text.trim(), "0x").unwrap_or(text);
    let mut clean = Zeroizing::new(String::new());
    clean.extend(text.chars().filter(|c| !is_between(*c) && *c != ':'));
    if let Some((at, _)) = (1usize..).zip(clean.chars()).find(|(_, c)| !c.is_ascii_hexdigit()) {
        return Err(BadSecret::Hex(at));
    }
    HEXLOWER_PERMISSIVE.decode(clean.as_bytes()).map_err(|_| BadSecret::HexLength(clean.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base32(text: &str) -> Result<Secret, BadSecret> {
        secret_from_text(text, SecretEncoding::Base32)
    }

    #[test]
    fn secrets_are_read_as_people_have_them() {
        let secret = Secret::new("12345678901234567890");
        for text in [
            "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ",
            "gezd gnbv gy3t qojq gezd gnbv gy3t qojq",
            "GEZD-GNBV\u{2011}GY3T-QOJQ-GEZD-GNBV-GY3T-QOJQ\r\n",
            "\u{feff}\"GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\"",
            "'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ===='",
            "\u{201c}GEZDGNBVGY3TQOJQ\u{200b}GEZDGNBVGY3TQOJQ\u{201d}",
            "hex:3132333435363738393031323334353637383930",
            "HEX: 31:32:33:34:35:36:37:38:39:30:31:32:33:34:35:36:37:38:39:30",
            "hex:0x31323334 35363738 39303132 33343536 37383930",
        ] {
            assert_eq!(base32(text).as_ref(), Ok(&secret), "{text}");
        }
        let hex = "3132333435363738393031323334353637383930";
        assert_eq!(secret_from_text(hex, SecretEncoding::Hex), Ok(secret));
    }

    #[test]
    fn bits_that_are_left_over_are_dropped() {
        assert_eq!(base32("2234567abcdef2234567abcdef").unwrap().len(), 16);
        assert_eq!(base32("J3WWIV3PTGJPQV5QAICM").unwrap().len(), 12);
    }

    #[test]
    fn each_mistake_is_told_as_it_is() {
        use BadSecret::*;
        for (text, why) in [
            ("", Empty),
            (" - = ", Empty),
            ("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQO0Q", Base32Digit('0')),
            ("GEZDGNBVGY3TQOJQ1", Base32Digit('1')),
            ("3132333435363738393031323334353637383930", PerhapsHex('1')),
            ("GEZDGNB!GY3TQOJQ", Base32(8)),
            ("GEZD=GNBVGY3TQOJQ", Base32(5)),
            ("\"GEZDGNBVGY3TQOJQ", Base32(1)),
            ("GEZDGNBVGY3TQOJQG", Base32Length(17)),
            ("GEZDGNBVGY3TQOJQGEZ", Base32Length(19)),
            ("GEZDGNBVGY3TQOJQGEZDGN", Base32Length(22)),
            ("MFRGG", Length(3)),
            ("hex:313233343536373839303", HexLength(21)),
            ("hex:31323334353637383x", Hex(18)),
            ("hex:", Empty),
            ("hex:31", Length(1)),
        ] {
            assert_eq!(base32(text), Err(why), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_apps_print_is_read_back(octets in proptest::collection::vec(0u8.., 10..=128)) {
            let secret = Secret::new(octets.clone());
            proptest::prop_assert_eq!(base32(&BASE32_NOPAD.encode(&octets)), Ok(secret.clone()));
            let hex = data_encoding::HEXUPPER.encode(&octets);
            proptest::prop_assert_eq!(base32(&format!("hex:{hex}")), Ok(secret));
        }

        #[test]
        fn anything_is_read_without_panic(text: String) {
            let _ = base32(&text);
            let _ = secret_from_text(&text, SecretEncoding::Hex);
        }
    }
}
