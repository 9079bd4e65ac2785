//! Why the server cannot be given what the module needs of it.

use std::fmt::Display;

/// Why the server does not take something while it starts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServerError {
    /// A name of the site's configuration is needed by the module.
    #[error("{at}: {kind} {name}: requests that wait need this name: give it another one")]
    NameTaken {
        /// File and line.
        at: String,
        /// What is called so.
        kind: String,
        /// The name.
        name: String,
    },
    /// The server allocates nothing more.
    #[error("no memory for {0}")]
    NoMemory(String),
    /// A text cannot be handed to C: it contains a NUL octet.
    #[error("{text} {why}")]
    Text {
        /// What it is, or the text itself.
        text: String,
        /// What is wrong with it.
        why: String,
    },
    /// The server has refused it, and said why in its log or here.
    #[error("{0}")]
    Refused(String),
    /// A structure of the server differs from the headers that the module was built with.
    #[error("{structure} {difference}: build with this server's headers")]
    Layout {
        /// Its name in C.
        structure: &'static str,
        /// How it differs.
        difference: String,
    },
    /// An attribute cannot be registered.
    #[error("attribute {name}{why}")]
    Attribute {
        /// Its name.
        name: String,
        /// The reason, after a blank or a colon.
        why: String,
    },
}

impl ServerError {
    /// A text that cannot be handed to C.
    pub(super) fn text(text: impl Into<String>, why: impl Display) -> Self {
        Self::Text { text: text.into(), why: why.to_string() }
    }
}
