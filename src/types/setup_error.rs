//! Why something that the configuration asks for cannot be set up.

/// Why something that the configuration asks for cannot be set up: a sentence that names the section, the option and the
/// file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    /// An option's value, or the file that it names, cannot be used.
    #[error("{option} {value}: {why}")]
    Option {
        /// The option's name.
        option: &'static str,
        /// Its value, as it stands in the configuration.
        value: String,
        /// What is wrong with it, and the remedy.
        why: String,
    },
    /// An option is missing, or does not fit the others.
    #[error("{0}")]
    Missing(String),
    /// The system does not give what is needed: threads, random numbers, certificates.
    #[error("{0}")]
    System(String),
    /// Something in this section cannot be set up.
    #[error("{section}: {error}")]
    Section {
        /// The section's name; for one of several, with its own.
        section: String,
        /// What it is.
        error: Box<SetupError>,
    },
}

impl SetupError {
    /// An option's value cannot be used.
    pub fn option(option: &'static str, value: impl std::fmt::Display, why: impl std::fmt::Display) -> Self {
        Self::Option { option, value: value.to_string(), why: why.to_string() }
    }

    /// The system gives no random numbers.
    pub fn no_random_numbers(why: impl std::fmt::Display) -> Self {
        Self::System(format!("the system gives no random numbers: {why}"))
    }

    /// The same error, in this section.
    #[must_use]
    pub fn in_section(self, section: impl Into<String>) -> Self {
        Self::Section { section: section.into(), error: Box::new(self) }
    }
}

/// What a probe of an external service says is wrong, in a sentence for the administrator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ProbeFault(pub String);

impl ProbeFault {
    /// In the words of this error.
    pub fn new(why: impl std::fmt::Display) -> Self {
        Self(why.to_string())
    }
}

/// Why a value that a directory has cannot be taken over, in a sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UnusableValue(pub String);

impl UnusableValue {
    /// In the words of this error.
    pub fn new(why: impl std::fmt::Display) -> Self {
        Self(why.to_string())
    }
}
