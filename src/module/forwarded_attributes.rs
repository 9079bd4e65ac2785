//! Attributes for another RADIUS server that checks passwords, and from it.

use crate::config::radius::PassThrough;
use crate::config::{Config, PasswordBackendKind};
use crate::engine::directory::RawAttribute;
use crate::freeradius::{Attribute, AttributeList, Request, attribute_by_number, find_attribute};

/// Which attributes of the client's request are passed on.
pub(super) enum PassedAttributes {
    /// No attributes, or no backend that receives any.
    Nothing,
    /// All that may be.
    All,
    /// The named attributes.
    These(Vec<Attribute>),
}

impl PassedAttributes {
    /// As `radius { }` says, if it verifies any password.
    ///
    /// # Errors
    ///
    /// One message for each attribute that the dictionary does not have.
    pub(super) fn find_backend(config: &Config) -> Result<Self, Vec<String>> {
        let Some(radius) = config
            .radius
            .as_ref()
            .filter(|_| config.passwords.all().any(|by| by == PasswordBackendKind::Radius))
        else {
            return Ok(Self::Nothing);
        };
        let words = match &radius.pass_through {
            PassThrough::Nothing => return Ok(Self::Nothing),
            PassThrough::All => return Ok(Self::All),
            PassThrough::These(words) => words,
        };
        let (mut found, mut wrong) = (Vec::new(), Vec::new());
        for word in words {
            match word.parse().map_or_else(|_| find_attribute(word), attribute_by_number) {
                Ok(attribute) => found.push(attribute),
                Err(missing) => wrong.push(format!("pass_through of radius {{ }}: {missing}")),
            }
        }
        if wrong.is_empty() { Ok(Self::These(found)) } else { Err(wrong) }
    }

    /// What is passed on of a request: that of the client, which stands around the tunnels.
    pub(super) fn packet_to_forward(&self, request: &mut Request<'_>) -> Vec<RawAttribute> {
        if let Some(mut outer) = request.outer() {
            return self.packet_to_forward(&mut outer);
        }
        let wanted = match self {
            Self::Nothing => return Vec::new(),
            Self::All => None,
            Self::These(these) => Some(these.as_slice()),
        };
        let encoded = request.encoded(AttributeList::Request, wanted);
        encoded.into_iter().map(|(kind, value)| RawAttribute { kind, value }).collect()
    }
}

/// Puts what another server has said into the reply.
pub(super) fn add_to_reply(request: &mut Request<'_>, told: &[RawAttribute]) {
    request.add_encoded(AttributeList::Reply, told.iter().map(|raw| (raw.kind, raw.value.as_slice())));
}
