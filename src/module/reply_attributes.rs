//! The attributes that `reply { }` names, looked up and checked when the server starts.

use crate::config::Error;
use crate::config::name_template::NameTemplate;
use crate::config::reply::ReplyRule;
use crate::config::tree::Section;
use crate::freeradius::{Attribute, MissingAttribute, find_attribute};
use std::collections::BTreeMap;
use std::iter::repeat;

/// The attributes that `reply { }` names, and the tags (RFC 2868, section 3) behind their names: `Tunnel-Type:1`.
pub(super) struct ReplyAttributes(BTreeMap<String, (Attribute, u8)>);

impl ReplyAttributes {
    /// `instance` is the section that they were read from.
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
                match find_told(name, template) {
                    Ok(told) => _ = found.insert(name.clone(), told),
                    Err(why) => wrong.push(Error::new(&at, format!("\"attribute\" {why}")).to_string()),
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

/// The attribute of that name, and its tag; or why the reply cannot have it with such a value.
fn find_told(name: &str, template: &NameTemplate) -> Result<(Attribute, u8), String> {
    let (bare, tag) = name.split_once(':').unwrap_or((name, "0"));
    let attribute = find_attribute(bare).map_err(|MissingAttribute(bare)| {
        format!("{bare}: not in the server's dictionary: check its spelling, and the $INCLUDE lines of raddb/dictionary")
    })?;
    if !attribute.has_text() {
        return Err(format!("{name}: holds other attributes: name one of those"));
    }
    if OWN.contains(&bare) {
        return Err(format!("{name}: every answer has its own: remove it"));
    }
    let Ok(tag @ 0..=31) = tag.parse::<u8>() else {
        return Err(format!("{name}: the tag must be a number from 0 to 31"));
    };
    // What is known of a user only is looked at when they log in.
    let fixed = template.fill_template(&|_| None).ok();
    match fixed.filter(|value| !attribute.accepts_text(value)) {
        Some(value) => Err(format!(
            "{name}: \"{value}\" is no value of it: see its VALUE lines and its type in the dictionary"
        )),
        None => Ok((attribute, tag)),
    }
}

/// Attributes of a reply that the protocol needs.
const OWN: [&str; 4] = ["State", "Proxy-State", "Message-Authenticator", "EAP-Message"];
