//! What a command can end with, and the exit status that tells it to scripts.

use crate::store;

/// The answer of a command that worked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum CommandAnswer {
    /// Done; or the answer is yes.
    Yes,
    /// No: the login would be refused, something is wrong.
    No,
}

/// Why a command did not work. Every text says what to do.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// What was typed cannot be.
    #[error("{0}")]
    Usage(String),
    /// No such user, token or client.
    #[error("{0}")]
    NotFound(String),
    /// Configuration, key, store or a file cannot be used.
    #[error("{0}")]
    Unavailable(String),
    /// It exists already.
    #[error("{0}")]
    Exists(String),
    /// The reader of the output has gone.
    #[error("output closed")]
    Closed,
    /// The administrator broke off.
    #[error("interrupted, nothing was changed")]
    Interrupted,
}

/// Why an argument cannot be read; clap names the option.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct UnreadableArgument(pub(super) String);

impl Error {
    /// The exit status, as the help and the man page list them.
    pub(super) const fn exit_status(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::NotFound(_) => 3,
            Self::Unavailable(_) | Self::Closed => 4,
            Self::Exists(_) => 5,
            Self::Interrupted => 130,
        }
    }

    /// Bad input: `what` was typed, and this is why it cannot be.
    pub(super) fn usage(what: &str, why: impl std::fmt::Display) -> Self {
        Self::Usage(format!("{what}: {why}"))
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        let text = error.to_string();
        match error {
            store::Error::NoUser(_) | store::Error::NoToken { .. } => Self::NotFound(text),
            store::Error::UserExists(_) | store::Error::TokenExists(_) | store::Error::SecretTaken { .. } => {
                Self::Exists(text)
            }
            _ => Self::Unavailable(text),
        }
    }
}

/// Errors of the terminal: input and output. Errors of files name the file and are made where it is opened.
impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Self::Closed,
            std::io::ErrorKind::Interrupted | std::io::ErrorKind::UnexpectedEof => Self::Interrupted,
            _ => Self::Unavailable(format!("input or output: {error}")),
        }
    }
}
