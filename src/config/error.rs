//! What is wrong with a configuration, and where.

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
