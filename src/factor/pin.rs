//! The PIN that is typed before a token's digits.

use crate::types::Secret;

/// Why a text is no PIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPin {
    /// Too short or too long.
    #[error("PIN of {0} characters: 4 to 32")]
    Length(usize),
    /// Something that is changed when a passcode is read, such as a space, or cannot be typed everywhere.
    #[error("PIN holds something else than letters a to z and digits")]
    Character,
}

/// A PIN: 4 to 32 ASCII letters and digits. Upper case is lower case in it, as in every passcode.
pub fn parse_pin(text: &str) -> Result<Secret, BadPin> {
    if !text.chars().all(|c| c.is_ascii_alphanumeric()) {
        return Err(BadPin::Character);
    }
    match text.len() {
        4..=32 => Ok(Secret::new(text.to_ascii_lowercase())),
        length => Err(BadPin::Length(length)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Passcode;

    #[test]
    fn pin_is_what_a_typed_passcode_becomes() {
        let made = parse_pin("Ab12").unwrap();
        assert_eq!(Passcode::parse(b"AB12").unwrap().expose(), made.expose());
    }

    #[test]
    fn what_could_never_be_typed_back_is_no_pin() {
        assert_eq!(parse_pin("abc"), Err(BadPin::Length(3)));
        assert_eq!(parse_pin(&"1".repeat(33)), Err(BadPin::Length(33)));
        for text in ["12 34", "12-34", "p\u{e4}ss1", "\u{ff11}234", "1234\n"] {
            assert_eq!(parse_pin(text), Err(BadPin::Character), "{text:?}");
        }
    }
}
