//! Text on its way to C.

use std::ffi::{CStr, CString, c_char};

/// Octets of a text that is given to the server: as many as a line of its configuration has.
const MAX_LENGTH: usize = 8191;

/// Text as the server's functions read it: not empty, without a NUL inside, bounded, and with a NUL behind it.
///
/// Every text of this folder goes to C as one of these, or as a literal (`c"..."`). A Rust string has no NUL behind it, and an empty
/// one need not point to memory: a function that reads its first octet, whatever length it is told, reads anywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CText(CString);

/// Why a text cannot be given to C. To follow on the name of what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadText {
    /// It has no octet.
    #[error("is empty")]
    Empty,
    /// It would end early.
    #[error("holds a NUL")]
    Nul,
    /// It is longer than any text of the configuration.
    #[error("is longer than {MAX_LENGTH} octets")]
    TooLong,
}

impl CText {
    pub(super) fn new(text: impl AsRef<[u8]>) -> Result<Self, BadText> {
        match text.as_ref() {
            [] => Err(BadText::Empty),
            octets if octets.len() > MAX_LENGTH => Err(BadText::TooLong),
            octets => CString::new(octets).map(Self).map_err(|_| BadText::Nul),
        }
    }

    /// `text` on one line of the log: control characters become spaces, and what is too long is cut.
    pub(super) fn line(text: &str) -> Self {
        let end = text.floor_char_boundary(MAX_LENGTH);
        let is_control = |c: char| c.is_control();
        let clean = text.get(..end).unwrap_or_default().replace(is_control, " ");
        Self::new(clean).unwrap_or_else(|_| Self(c"(empty)".to_owned()))
    }

    pub(super) fn as_ptr(&self) -> *const c_char {
        self.0.as_ptr()
    }

    /// Octets, without the NUL; never 0.
    pub(super) fn len(&self) -> usize {
        self.0.as_bytes().len()
    }

    /// For what the server keeps until its process ends: it is never freed.
    pub(super) fn leak(self) -> *mut c_char {
        self.0.into_raw()
    }
}

impl std::ops::Deref for CText {
    type Target = CStr;
    fn deref(&self) -> &CStr {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_for_c_is_not_empty_and_ends_in_its_only_nul() {
        assert_eq!(CText::new("").unwrap_err(), BadText::Empty);
        assert_eq!(CText::new("a\0b").unwrap_err(), BadText::Nul);
        assert_eq!(CText::new("\0").unwrap_err(), BadText::Nul);
        assert_eq!(CText::new([b'x'; MAX_LENGTH + 1]).unwrap_err(), BadText::TooLong);
        let text = CText::new([b'\xff'; MAX_LENGTH]).unwrap();
        assert_eq!((text.len(), text.to_bytes_with_nul().last()), (MAX_LENGTH, Some(&0)));
    }

    #[test]
    fn every_line_of_the_log_can_be_written() {
        for (text, line) in [("", c"(empty)"), ("a\0b\nc", c"a b c"), ("\u{e9}\u{85}", c"\xc3\xa9 ")] {
            assert_eq!(&*CText::line(text), line);
        }
        assert!(CText::line(&"\u{20ac}".repeat(MAX_LENGTH)).len() <= MAX_LENGTH);
    }

    /// No other file of this folder makes a string for C.
    #[test]
    fn there_is_one_way_for_text_to_c() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/freeradius");
        for file in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            let text = std::fs::read_to_string(&file).unwrap();
            let is_own = file.file_name().is_some_and(|name| name == "text.rs");
            assert!(is_own || !text.contains("CString"), "{}: CText instead of CString", file.display());
            assert!(is_own || !text.contains(".as_ptr().cast(), text.len()"), "{}", file.display());
        }
    }
}
