//! The attributes that `reply { }` names, looked up and checked when the server starts.

use super::error::Error;
use crate::config;
use crate::config::name_template::NameTemplate;
use crate::config::reply::ReplyRule;
use crate::config::tree::Section;
use crate::freeradius::{Attribute, MissingAttribute, find_attribute};
use std::collections::BTreeMap;
use std::iter::repeat;

/// The attributes that `reply { }` names, and the tags (RFC 2868, section 3) behind their names: `Tunnel-Type:1`.
pub(super) struct ReplyAttributes(BTreeMap<String, (Attribute, u8)>);

impl ReplyAttributes {
    /// Looks up what `replies` name. `instance` is the section that they were read from.
    ///
    /// # Errors
    ///
    /// One message for each attribute that a reply cannot have, with its place.
    pub(super) fn find_reply_attributes(
        replies: &[ReplyRule],
        instance: &Section,
    ) -> Result<Self, Vec<String>> {
        let (mut found, mut wrong) = (BTreeMap::new(), Vec::new());
        for reply in replies {
            let section = instance.section("reply").and_then(|section| section.section(&reply.name));
            let pairs =
                section.into_iter().flat_map(Section::pairs_named).filter(|pair| pair.name == "attribute");
            let places = pairs.map(|pair| pair.at.clone()).chain(repeat(instance.at.clone()));
            for ((name, template), at) in reply.attributes.iter().zip(places) {
                match find_reply_attribute(name, template) {
                    Ok(attribute) => _ = found.insert(name.clone(), attribute),
                    Err(why) => {
                        wrong.push(config::Error::new(&at, format!("\"attribute\" {why}")).to_string())
                    }
                }
            }
        }
        if wrong.is_empty() { Ok(Self(found)) } else { Err(wrong) }
    }

    /// The attribute under a name of `reply { }`, and its tag.
    pub(super) fn find_attribute(&self, name: &str) -> Option<(Attribute, u8)> {
        self.0.get(name).copied()
    }
}

/// The attribute of that name, and its tag.
///
/// # Errors
///
/// Why the reply cannot have it with such a value.
fn find_reply_attribute(name: &str, template: &NameTemplate) -> Result<(Attribute, u8), Error> {
    let (bare, tag) = name.split_once(':').unwrap_or((name, "0"));
    let attribute = find_attribute(bare).map_err(|MissingAttribute(bare)| Error::UnknownAttribute(bare))?;
    if !attribute.has_text() {
        return Err(Error::HoldsAttributes(name.to_owned()));
    }
    if PROTOCOL_ATTRIBUTES.contains(&bare) {
        return Err(Error::ProtocolAttribute(name.to_owned()));
    }
    let Ok(tag @ 0..=31) = tag.parse::<u8>() else { return Err(Error::BadTag(name.to_owned())) };
    // A template that takes something of the user is checked when they log in.
    let fixed = template.fill_template(&|_| None).ok();
    match fixed.filter(|value| !attribute.accepts_text(value)) {
        Some(value) => Err(Error::BadValue { name: name.to_owned(), value }),
        None => Ok((attribute, tag)),
    }
}

/// Attributes of a reply that the protocol needs.
const PROTOCOL_ATTRIBUTES: [&str; 4] = ["State", "Proxy-State", "Message-Authenticator", "EAP-Message"];
