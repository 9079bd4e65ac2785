//! What can go wrong while an instance is set up.

use super::text::BadText;
use crate::config::tree::ConfigPlace;

/// The dictionary has no attribute of that name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("attribute {0} is not in the server's dictionary: check the $INCLUDE lines of raddb/dictionary")]
pub struct MissingAttribute(pub String);

/// Why the server cannot be set up as a module needs it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The dictionary lacks an attribute.
    #[error(transparent)]
    MissingAttribute(#[from] MissingAttribute),
    /// The name of an attribute is taken.
    #[error("attribute {0} exists in the dictionary with another type: remove it there")]
    AttributeType(String),
    /// All numbers for attributes of the site are taken.
    #[error("no attribute number from 3900 to 3999 is free")]
    NoFreeNumber,
    /// The dictionary does not take an attribute.
    #[error("attribute {name}: {reason}")]
    AttributeRefused {
        /// Its name.
        name: String,
        /// The server's own words.
        reason: String,
    },
    /// The dictionary does not take a named value.
    #[error("value {name:?} of {attribute:?}: {reason}")]
    ValueRefused {
        /// The name of the attribute.
        attribute: String,
        /// The name of the value.
        name: String,
        /// The server's own words.
        reason: String,
    },
    /// A text cannot be given to the server.
    #[error("{what} {why}")]
    BadText {
        /// What the text is, quoted where it is no secret.
        what: String,
        /// What is wrong with it.
        why: BadText,
    },
    /// The site's configuration has something of a name that the module needs.
    #[error("{at}: {kind} {name}: requests that wait need this name: give it another one")]
    NameTaken {
        /// Where it stands.
        at: ConfigPlace,
        /// What it is: `server`, `home_server` and so on.
        kind: String,
        /// The name of both.
        name: String,
    },
    /// A part of the configuration could not be allocated.
    #[error("no memory for {0}")]
    NoMemory(String),
    /// The server does not accept the section of a home server.
    #[error("the server would not have the home server, see the line before")]
    HomeServerRefused,
    /// The server does not add a home server to those that it has.
    #[error("the server would not add the home server, see the line before")]
    HomeServerNotAdded,
    /// The server does not add a pool to those that it has.
    #[error("the server would not add the home server pool")]
    PoolNotAdded,
    /// A home server has another size than in the headers that bindgen read.
    #[error("home_server_t has {found} octets instead of {expected}: build with this server's headers")]
    HomeServerSize {
        /// Octets that the server has allocated.
        found: usize,
        /// Octets that the headers tell.
        expected: usize,
    },
    /// The server does not find a pool by name and type, so that it reads these elsewhere than the headers tell.
    #[error("home_pool_t is laid out otherwise: build with this server's headers")]
    PoolLayout,
}
