//! What can go wrong while an instance starts, or while the reply of an accept is made.

use crate::freeradius;

/// Why the module cannot do what its configuration asks for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Error {
    /// The home server pool of parked requests cannot be made.
    #[error("requests cannot be parked: {0}")]
    Pool(#[source] freeradius::Error),
    /// The store or a service does not open, in its own words.
    #[error("{0}")]
    Services(String),
    /// `reply { }` names an attribute that does not exist.
    #[error(
        "{0}: not in the server's dictionary: check its spelling, and the $INCLUDE lines of raddb/dictionary"
    )]
    UnknownAttribute(String),
    /// `reply { }` names an attribute that has no value of its own.
    #[error("{0}: holds other attributes: name one of those")]
    HoldsAttributes(String),
    /// `reply { }` names an attribute that the protocol needs for itself.
    #[error("{0}: every answer has its own: remove it")]
    ProtocolAttribute(String),
    /// `reply { }` names a tag that RFC 2868 does not have.
    #[error("{0}: the tag must be a number from 0 to 31")]
    BadTag(String),
    /// A value in `reply { }` is not of the attribute's type.
    #[error("{name}: \"{value}\" is no value of it: see its VALUE lines and its type in the dictionary")]
    BadValue {
        /// The attribute as it was named.
        name: String,
        /// The value as it was written.
        value: String,
    },
    /// The value that a user has for an attribute of `reply { }` is not of its type: the name of the attribute.
    #[error("{0}")]
    UserValue(String),
}
