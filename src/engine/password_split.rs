//! Password and passcode in one field.

use super::{Engine, SubmittedPassword};
use crate::config::PasscodePosition;
use crate::types::{Passcode, Secret};

/// Which part of the field is the passcode.
#[derive(Clone, Copy, Debug)]
pub enum PasscodePlace<'a> {
    /// The last so many characters, spaces, dashes and invisible characters between them not counted.
    Last(usize),
    /// What follows the last of these delimiters.
    AfterDelimiter(&'a str),
    /// The first so many characters, counted in the same way.
    First(usize),
    /// What stands before the first of these delimiters.
    BeforeDelimiter(&'a str),
}

impl<'a> PasscodePlace<'a> {
    /// Where the length of the passcode tells.
    pub fn split_by_length(position: PasscodePosition, characters: usize) -> Self {
        match position {
            PasscodePosition::After => Self::Last(characters),
            PasscodePosition::Before => Self::First(characters),
        }
    }

    /// Where a delimiter does.
    pub fn split_by_delimiter(position: PasscodePosition, delimiter: &'a str) -> Self {
        match position {
            PasscodePosition::After => Self::AfterDelimiter(delimiter),
            PasscodePosition::Before => Self::BeforeDelimiter(delimiter),
        }
    }
}

/// What a password field holds, as far as that is told before anything in it is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldContents {
    /// The second factor and nothing else.
    Passcode,
    /// A password and an answer beside it, which is cut off and looked at before the password is checked.
    PasswordAndPasscode,
    /// A password and nothing else.
    Password,
}

/// Password and passcode of `field`, any octets. `None` if there is no passcode, or no password beside it: an empty
/// password must never reach a directory, where it would be an anonymous bind (RFC 4513, section 5.1.2). Nor must one with a
/// NUL octet: where it is handed on as a C string it ends there, and may be empty.
pub fn split_field(field: &Secret, place: PasscodePlace<'_>) -> Option<(Secret, Passcode)> {
    let octets = field.expose();
    let find = |delimiter: &str, is_last: bool| {
        let delimiter = delimiter.as_bytes();
        let mut windows = octets.windows(delimiter.len().max(1));
        let at = match is_last {
            true => windows.rposition(|window| window == delimiter),
            false => windows.position(|window| window == delimiter),
        }?;
        Some((octets.get(..at)?, octets.get(at.checked_add(delimiter.len())?..)?))
    };
    let (password, passcode) = match place {
        PasscodePlace::AfterDelimiter(delimiter) => find(delimiter, true)?,
        PasscodePlace::BeforeDelimiter(delimiter) => {
            let (passcode, password) = find(delimiter, false)?;
            (password, passcode)
        }
        PasscodePlace::Last(count) => octets.split_at_checked(tail_start(octets, count)?)?,
        PasscodePlace::First(count) => {
            let (passcode, password) = octets.split_at_checked(head_end(octets, count)?)?;
            (password, passcode)
        }
    };
    join(password, passcode)
}

/// The pair, if both can be what they are taken for.
fn join(password: &[u8], passcode: &[u8]) -> Option<(Secret, Passcode)> {
    if password.is_empty() || password.contains(&0) {
        return None;
    }
    Some((Secret::new(password), Passcode::parse(passcode)?))
}

/// The octet at which the last `count` characters begin, counted as [`Passcode::parse`] will see them.
fn tail_start(octets: &[u8], count: usize) -> Option<usize> {
    let mut left = CharacterCount::new(count)?;
    match std::str::from_utf8(octets) {
        Ok(text) => text.char_indices().rev().find_map(|(at, character)| {
            left.has_length(character.encode_utf8(&mut [0; 4]).as_bytes()).then_some(at)
        }),
        Err(_) => {
            let mut octets = octets.iter().enumerate().rev();
            octets.find_map(|(at, octet)| left.has_length(std::slice::from_ref(octet)).then_some(at))
        }
    }
    .filter(|_| left.is_met())
}

/// The octets behind the first `count` characters, counted in the same way.
fn head_end(octets: &[u8], count: usize) -> Option<usize> {
    let mut left = CharacterCount::new(count)?;
    match std::str::from_utf8(octets) {
        Ok(text) => text.char_indices().find_map(|(at, character)| {
            left.has_length(character.encode_utf8(&mut [0; 4]).as_bytes())
                .then_some(at.checked_add(character.len_utf8())?)
        }),
        Err(_) => {
            let mut octets = octets.iter().enumerate();
            octets.find_map(|(at, octet)| {
                left.has_length(std::slice::from_ref(octet)).then_some(at.checked_add(1)?)
            })
        }
    }
    .filter(|_| left.is_met())
}

/// Counts characters of a passcode.
struct CharacterCount {
    wanted: usize,
    counted: usize,
}

impl CharacterCount {
    /// None if none are wanted.
    fn new(wanted: usize) -> Option<Self> {
        (wanted > 0).then_some(Self { wanted, counted: 0 })
    }

    /// Whether these are enough. One that is typed may be several that are compared, or none.
    fn has_length(&mut self, typed: &[u8]) -> bool {
        let compared = Passcode::parse(typed);
        self.counted += compared.map_or(0, |code| String::from_utf8_lossy(code.expose()).chars().count());
        self.counted >= self.wanted
    }

    /// Whether these are exactly as many as are wanted.
    fn is_met(&self) -> bool {
        self.counted == self.wanted
    }
}

impl Engine {
    /// Password and answer, where the field alone tells which is which: a delimiter stands between them, or the client has
    /// sent them apart.
    pub(super) fn split_by_field(&self, presented: &SubmittedPassword) -> Option<(Secret, Passcode)> {
        match presented {
            SubmittedPassword::Separate { password, answer } => join(password.expose(), answer.expose()),
            SubmittedPassword::Plain(field) => {
                let delimiter = self.config.delimiter.as_deref()?;
                split_field(
                    field,
                    PasscodePlace::split_by_delimiter(self.config.passcode_position, delimiter),
                )
            }
            SubmittedPassword::Absent
            | SubmittedPassword::Chap { .. }
            | SubmittedPassword::MsChap { .. }
            | SubmittedPassword::MsChap2 { .. } => None,
        }
    }

    /// The same, where the length of the passcode tells if nothing else does.
    pub(super) fn parts_by_length(
        &self,
        presented: &SubmittedPassword,
        length: usize,
    ) -> Option<(Secret, Passcode)> {
        match (presented, &self.config.delimiter) {
            (SubmittedPassword::Plain(field), None) => {
                split_field(field, PasscodePlace::split_by_length(self.config.passcode_position, length))
            }
            _ => self.split_by_field(presented),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(field: &[u8], place: PasscodePlace<'_>) -> Option<(Vec<u8>, String)> {
        let (password, passcode) = split_field(&Secret::new(field), place)?;
        Some((password.expose().to_vec(), String::from_utf8_lossy(passcode.expose()).into_owned()))
    }

    #[test]
    fn passcode_is_cut_off_by_length() {
        let six = PasscodePlace::Last(6);
        assert_eq!(parts(b"secret123456", six), Some((b"secret".to_vec(), "123456".into())));
        assert_eq!(parts(b"secret123 456", six), Some((b"secret".to_vec(), "123456".into())));
        assert_eq!(parts("secret\u{ff11}23456".as_bytes(), six), Some((b"secret".to_vec(), "123456".into())));
        assert_eq!(parts(b"J\xfcrgen123456", six), Some((b"J\xfcrgen".to_vec(), "123456".into())));
        assert_eq!(parts(b"99123456", six), Some((b"99".to_vec(), "123456".into())));
        for pasted in ["secret123\u{200b}456", "secret123456\u{feff}", "secret12\u{ad}34\u{2060}56\u{200e}"] {
            assert_eq!(
                parts(pasted.as_bytes(), six),
                Some((b"secret".to_vec(), "123456".into())),
                "{pasted:?}"
            );
        }
        // An en dash and the euro sign of Windows-1252.
        assert_eq!(parts(b"\x80123\x96456", six), Some((b"\x80".to_vec(), "123456".into())));
    }

    #[test]
    fn passcode_before_the_password_is_cut_off_by_length() {
        let six = PasscodePlace::First(6);
        for (field, password) in [
            (&b"123456secret"[..], &b"secret"[..]),
            (b"123 456secret", b"secret"),
            (b" 123-456secret", b"secret"),
            ("\u{ff11}23456secret".as_bytes(), b"secret"),
            (b"123456J\xfcrgen", b"J\xfcrgen"),
            // What stands behind the last digit is the password's.
            (b"12345699", b"99"),
            (b"123456 secret", b" secret"),
            (b"123456-secret", b"-secret"),
            ("123456\u{301}e".as_bytes(), "\u{301}e".as_bytes()),
        ] {
            assert_eq!(parts(field, six), Some((password.to_vec(), "123456".into())), "{field:?}");
        }
        assert_eq!(parts("12345\u{bd}secret".as_bytes(), six), None, "one character that is three");
    }

    #[test]
    fn passcode_is_cut_off_at_the_delimiter() {
        let comma = PasscodePlace::AfterDelimiter(",");
        assert_eq!(parts(b"se,cret,123456", comma), Some((b"se,cret".to_vec(), "123456".into())));
        assert_eq!(parts(b"secret123456", comma), None);
        assert_eq!(parts(b"secret,", comma), None);
        let comma = PasscodePlace::BeforeDelimiter(",");
        assert_eq!(parts(b"123456,se,cret", comma), Some((b"se,cret".to_vec(), "123456".into())));
        assert_eq!(parts(b"push,secret", comma), Some((b"secret".to_vec(), "push".into())));
        assert_eq!(parts(b"123456secret", comma), None);
        assert_eq!(parts(b",secret", comma), None);
    }

    #[test]
    fn there_is_always_a_password_beside_it() {
        for (field, place) in [
            (&b"123456"[..], PasscodePlace::Last(6)),
            (b",123456", PasscodePlace::AfterDelimiter(",")),
            (b"12", PasscodePlace::Last(6)),
            (b"", PasscodePlace::Last(6)),
            (b"\x00123456", PasscodePlace::Last(6)),
            (b"secret\0,123456", PasscodePlace::AfterDelimiter(",")),
            (b"123456", PasscodePlace::First(6)),
            (b"123456 ", PasscodePlace::First(7)),
            (b"", PasscodePlace::First(6)),
            (b"secret", PasscodePlace::First(0)),
            (b"123456\0", PasscodePlace::First(6)),
            (b"123456\0secret", PasscodePlace::First(6)),
            (b"123456,", PasscodePlace::BeforeDelimiter(",")),
            (b"123456,secret\0", PasscodePlace::BeforeDelimiter(",")),
        ] {
            assert_eq!(parts(field, place), None, "{field:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn password_is_always_one_end_of_the_field(field: Vec<u8>, count in 0usize..20) {
            let field_of = |place| split_field(&Secret::new(field.clone()), place);
            for place in [PasscodePlace::Last(count), PasscodePlace::AfterDelimiter(",")] {
                if let Some((password, _)) = field_of(place) {
                    proptest::prop_assert!(field.starts_with(password.expose()));
                }
            }
            for place in [PasscodePlace::First(count), PasscodePlace::BeforeDelimiter(",")] {
                if let Some((password, _)) = field_of(place) {
                    proptest::prop_assert!(field.ends_with(password.expose()));
                }
            }
        }

        #[test]
        fn what_was_put_together_is_taken_apart(password in "[^\\x00]{1,20}", code in "[0-9]{6,10}") {
            for (field, place) in [
                (format!("{password}{code}"), PasscodePlace::Last(code.len())),
                (format!("{password},{code}"), PasscodePlace::AfterDelimiter(",")),
                (format!("{code}{password}"), PasscodePlace::First(code.len())),
                (format!("{code},{password}"), PasscodePlace::BeforeDelimiter(",")),
            ] {
                let expected = Some((password.as_bytes().to_vec(), code.clone()));
                proptest::prop_assert_eq!(parts(field.as_bytes(), place), expected, "{}", field);
            }
        }
    }
}
