//! `reply { }`: reply attributes for accepted users, by their groups.

use super::name_template::NameTemplate;
use super::policy::GroupName;
use crate::config::error::{InvalidValue, invalid};
use crate::config::reader::OptionReader;
use crate::config::values::group;

/// One of `reply { }`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplyRule {
    /// What the administrator calls it.
    pub name: String,
    /// `group`: who is in one of them. None: everybody.
    pub groups: Vec<GroupName>,
    /// `attribute`: what is put into the reply.
    pub attributes: Vec<(String, NameTemplate)>,
}

pub(super) fn replies(r: &mut OptionReader<'_, '_>) -> Vec<ReplyRule> {
    r.read_named_sections("staff", |name, r| {
        let reply = ReplyRule {
            name: name.to_owned(),
            groups: r.read_values("group", group),
            attributes: r.read_values("attribute", attribute),
        };
        if !r.has_option("attribute") {
            r.report_conflict("attribute", "is missing: what are clients told, \"Filter-Id = vpn\"?");
        }
        reply
    })
}

/// `Filter-Id = "vpn-{department}"`, the quotes being the configuration's own.
fn attribute(text: &str) -> Result<(String, NameTemplate), InvalidValue> {
    let (name, value) = text
        .split_once('=')
        .ok_or_else(|| invalid!("must be an attribute and its value, \"Filter-Id = vpn\", not \"{text}\""))?;
    let (name, value) = (name.trim(), value.trim());
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '/');
    if name.is_empty() || !name.chars().all(is_name) {
        return Err(invalid!("must begin with the name of an attribute, not with \"{name}\""));
    }
    let template = NameTemplate::parse(value).map_err(|why| invalid!("{name}: {why}"))?;
    Ok((name.to_owned(), template))
}

#[cfg(test)]
mod tests {
    use crate::config::declare::tests::config_of;

    #[test]
    fn attributes_are_told_by_group() {
        let replies = config_of(
            "reply {\n admins {\n group = \"VPN Admins\"\n attribute = \"Filter-Id = admin\"\n \
             attribute = \"Class = dep-{Department}\"\n }\n all {\n attribute = \"Class = x\"\n }\n}",
        )
        .unwrap()
        .replies;
        let [admins, all] = &replies[..] else { panic!("{replies:?}") };
        assert!(admins.groups[0].is("vpn admins") && all.groups.is_empty());
        let told: Vec<_> = admins.attributes.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(told, ["Filter-Id=admin", "Class=dep-{department}"]);
    }

    #[test]
    fn what_is_no_attribute_is_told() {
        for bad in
            ["group = x", "attribute = \"Filter-Id\"", "attribute = \"= x\"", "attribute = \"Class = {\""]
        {
            assert!(config_of(&format!("reply {{\n a {{\n {bad}\n }}\n}}")).is_err(), "{bad}");
        }
    }
}
