//! Passwords that are kept here: what can be one, and when two are the same.

use super::Secret;
use super::encoding::decode;
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

/// The longest password a client can send, in octets (RFC 2865, section 5.2).
const LONGEST: usize = 128;

/// Why it cannot be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPassword {
    /// No text.
    #[error("is empty")]
    Empty,
    /// No client could send it.
    #[error("is longer than 128 octets, which is the most that RADIUS carries")]
    Long,
    /// NUL or another control character in it.
    #[error("holds a control character")]
    Control,
}

/// The form in which passwords are compared: Unicode NFC, each kind of space an ASCII one, upper and lower case kept (RFC 8265,
/// section 4.2). `typed` is UTF-8, or else Windows-1252.
pub fn normalise_password(typed: &[u8]) -> Result<Secret, BadPassword> {
    match typed.len() {
        0 => return Err(BadPassword::Empty),
        1..=LONGEST => {}
        _ => return Err(BadPassword::Long),
    }
    let text = Zeroizing::new(decode(typed));
    if text.chars().any(char::is_control) {
        return Err(BadPassword::Control);
    }
    let is_space = |c: char| c.is_whitespace() && !matches!(c, '\u{2028}' | '\u{2029}');
    Ok(Secret::new(text.chars().map(|c| if is_space(c) { ' ' } else { c }).nfc().collect::<String>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_password_typed_on_several_clients_is_the_same() {
        for (typed, other) in [
            ("p\u{e4}ss".as_bytes(), "pa\u{308}ss".as_bytes()),
            ("p\u{e4}ss".as_bytes(), b"p\xe4ss"),
            ("100 \u{20ac} \u{e4}".as_bytes(), b"100 \x80 \xe4"),
            (b"a b", "a\u{a0}b".as_bytes()),
            ("\u{ac00}".as_bytes(), "\u{1100}\u{1161}".as_bytes()),
        ] {
            assert_eq!(normalise_password(typed), normalise_password(other));
        }
    }

    #[test]
    fn what_differs_stays_different() {
        for (typed, other) in [("secret", "Secret"), ("secret", "secret "), ("1", "\u{ff11}")] {
            assert_ne!(
                normalise_password(typed.as_bytes()),
                normalise_password(other.as_bytes()),
                "{typed:?}"
            );
        }
    }

    #[test]
    fn what_can_be_no_password_is_refused() {
        assert_eq!(normalise_password(b""), Err(BadPassword::Empty));
        assert_eq!(normalise_password(&[b'a'; 129]), Err(BadPassword::Long));
        assert!(normalise_password(&[b'a'; 128]).is_ok());
        for bad in [&b"\0"[..], b"a\0b", b"a\n", b"\x1b[A", b"a\x81b"] {
            assert_eq!(normalise_password(bad), Err(BadPassword::Control));
        }
    }

    proptest::proptest! {
        #[test]
        fn form_is_stable(typed: String) {
            if let Ok(once) = normalise_password(typed.as_bytes())
                && once.len() <= LONGEST
            {
                proptest::prop_assert_eq!(normalise_password(once.expose()), Ok(once));
            }
        }
    }
}
