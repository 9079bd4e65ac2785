//! Password and passcode in one field (mode `append`).

use crate::types::{Passcode, Secret};

/// Where the passcode begins.
#[derive(Clone, Copy, Debug)]
pub enum Tail<'a> {
    /// It is the last so many characters; spaces, dashes and invisible characters between them are not counted.
    Characters(usize),
    /// It is what follows the last of these delimiters.
    After(&'a str),
}

/// What a password field holds, as far as that is told before anything in it is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// The second factor and nothing else.
    Answer,
    /// A password, and an answer behind it, which is cut off and looked at before the password is checked.
    Both,
    /// A password and nothing else.
    Password,
}

/// Password and passcode of `field`, any octets. `None` if there is no passcode, or no password before it: an empty
/// password must never reach a directory, where it would be an anonymous bind (RFC 4513, section 5.1.2). Nor must one with a
/// NUL octet: where it is handed on as a C string it ends there, and may be empty.
pub fn split(field: &Secret, tail: Tail<'_>) -> Option<(Secret, Passcode)> {
    let octets = field.expose();
    let (password, passcode) = match tail {
        Tail::After(delimiter) => {
            let delimiter = delimiter.as_bytes();
            let at = octets.windows(delimiter.len().max(1)).rposition(|window| window == delimiter)?;
            (octets.get(..at)?, octets.get(at.checked_add(delimiter.len())?..)?)
        }
        Tail::Characters(count) => octets.split_at_checked(tail_start(octets, count)?)?,
    };
    if password.is_empty() || password.contains(&0) {
        return None;
    }
    Some((Secret::new(password), Passcode::parse(passcode)?))
}

/// The octet at which the last `count` characters begin, counted as [`Passcode::parse`] will see them.
fn tail_start(octets: &[u8], count: usize) -> Option<usize> {
    let mut counted = 0;
    let mut found = |at: usize, character: &[u8]| {
        counted +=
            Passcode::parse(character).map_or(0, |p| String::from_utf8_lossy(p.expose()).chars().count());
        (counted >= count).then_some(at)
    };
    let start = match std::str::from_utf8(octets) {
        Ok(text) => text
            .char_indices()
            .rev()
            .find_map(|(at, character)| found(at, character.encode_utf8(&mut [0; 4]).as_bytes())),
        Err(_) => {
            let mut octets = octets.iter().enumerate().rev();
            octets.find_map(|(at, octet)| found(at, std::slice::from_ref(octet)))
        }
    };
    (counted == count && count > 0).then_some(start).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(field: &[u8], tail: Tail<'_>) -> Option<(Vec<u8>, String)> {
        let (password, passcode) = split(&Secret::new(field), tail)?;
        Some((password.expose().to_vec(), String::from_utf8_lossy(passcode.expose()).into_owned()))
    }

    #[test]
    fn passcode_is_cut_off_by_length() {
        let six = Tail::Characters(6);
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
    fn passcode_is_cut_off_at_the_last_delimiter() {
        let comma = Tail::After(",");
        assert_eq!(parts(b"se,cret,123456", comma), Some((b"se,cret".to_vec(), "123456".into())));
        assert_eq!(parts(b"secret123456", comma), None);
        assert_eq!(parts(b"secret,", comma), None);
    }

    #[test]
    fn there_is_always_a_password_before_it() {
        for (field, tail) in [
            (&b"123456"[..], Tail::Characters(6)),
            (b",123456", Tail::After(",")),
            (b"12", Tail::Characters(6)),
            (b"", Tail::Characters(6)),
            (b"\x00123456", Tail::Characters(6)),
            (b"secret\0,123456", Tail::After(",")),
        ] {
            assert_eq!(parts(field, tail), None, "{field:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn password_is_always_a_beginning_of_the_field(field: Vec<u8>, count in 0usize..20) {
            if let Some((password, _)) = split(&Secret::new(field.clone()), Tail::Characters(count)) {
                proptest::prop_assert!(field.starts_with(password.expose()));
            }
        }
    }
}
