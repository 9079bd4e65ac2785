//! Attributes that are forwarded to the RADIUS server that verifies passwords, and those that come from it.

use crate::config::radius::PassThrough;
use crate::config::{Config, PasswordBackendKind};
use crate::engine::directory::RawAttribute;
use crate::freeradius::{Attribute, AttributeList, Request, attribute_by_number, find_attribute};

/// Which attributes of a request are forwarded.
pub(super) enum ForwardedAttributes {
    /// None are, or there is no RADIUS backend.
    Nothing,
    /// All that may be forwarded.
    All,
    /// The named attributes.
    These(Vec<Attribute>),
}

impl ForwardedAttributes {
    /// Looks up what `pass_through` of `radius { }` names, if a RADIUS server verifies any password.
    ///
    /// # Errors
    ///
    /// One message for each attribute that the dictionary does not have.
    pub(super) fn find_forwarded(config: &Config) -> Result<Self, Vec<String>> {
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

    /// The attributes to forward of a request. Of one in a tunnel, they are those of the outermost packet.
    pub(super) fn read_forwarded(&self, request: &mut Request<'_>) -> Vec<RawAttribute> {
        if let Some(mut outer) = request.outer() {
            return self.read_forwarded(&mut outer);
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

/// Adds the attributes of another server's accept to the reply.
pub(super) fn add_to_reply(request: &mut Request<'_>, told: &[RawAttribute]) {
    request.add_encoded(AttributeList::Reply, told.iter().map(|raw| (raw.kind, raw.value.as_slice())));
}
