//! What is wrong with a configuration, and where.

use super::template::TemplateError;
use super::tree::ConfigPlace;
use std::fmt;

/// One thing that is wrong: `file[line]: what, and the remedy`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {text}")]
pub struct Error {
    /// File and line of the error.
    pub at: ConfigPlace,
    /// What, and what to do about it.
    pub text: String,
}

/// Everything that is wrong, in the order of the file. Printed one a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Errors(pub Vec<Error>);

impl Error {
    /// An error at a place.
    pub fn new(at: &ConfigPlace, text: impl Into<String>) -> Self {
        Self { at: at.clone(), text: text.into() }
    }
}

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, error) in self.0.iter().enumerate() {
            if n > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Errors {}

impl From<Error> for Errors {
    fn from(error: Error) -> Self {
        Self(vec![error])
    }
}

/// What is wrong with the syntax of a line; the parser adds file and line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct SyntaxError(pub(super) String);

impl From<&str> for SyntaxError {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

/// What is wrong with the value of an option, and the remedy. Follows the quoted name of the option; the reader adds file
/// and line and makes an [`Error`] of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidValue(String);

impl From<&str> for InvalidValue {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<String> for InvalidValue {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<TemplateError> for InvalidValue {
    fn from(error: TemplateError) -> Self {
        Self(error.to_string())
    }
}

/// An [`InvalidValue`] from a format string.
macro_rules! invalid {
    ($($text:tt)*) => {
        $crate::config::InvalidValue::from(format!($($text)*))
    };
}
pub(super) use invalid;
