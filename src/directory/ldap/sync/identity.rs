//! A directory's permanent identifier of an entry: objectGUID or entryUUID (RFC 4530), in the form of RFC 4122.

use super::super::entry::LdapEntry;
use super::super::error::LdapFault;
use super::super::session::ServerKind;
use ldap3::ldap_escape;
use std::fmt::Write;

pub(super) const fn id_attribute(kind: ServerKind) -> &'static str {
    match kind {
        ServerKind::Active => "objectGUID",
        ServerKind::Other => "entryUUID",
    }
}

pub(super) fn id_of(entry: &LdapEntry, kind: ServerKind) -> Result<String, LdapFault> {
    let attribute = id_attribute(kind);
    let id = match kind {
        ServerKind::Active => entry.first_octets(attribute).and_then(guid_text),
        ServerKind::Other => entry.text_values(attribute).first().map(|id| id.to_ascii_lowercase()),
    };
    id.filter(|id| guid_of(id).is_some()).ok_or_else(|| no_id(attribute))
}

/// As it stands in a filter.
pub(super) fn id_value(id: &str, kind: ServerKind) -> Result<String, LdapFault> {
    match kind {
        ServerKind::Active => guid_of(id).map(|octets| escape_filter(&octets)).ok_or_else(|| no_id(id)),
        ServerKind::Other => Ok(ldap_escape(id).into_owned()),
    }
}

fn no_id(what: &str) -> LdapFault {
    LdapFault::Settled(format!("an entry has no {what} that may be read: users cannot be told apart without"))
}

/// The octets of a GUID as text: the first three fields are little endian ([MS-DTYP] 2.3.4).
pub(super) fn guid_text(octets: &[u8]) -> Option<String> {
    let octets: &[u8; 16] = octets.try_into().ok()?;
    let mut text = String::new();
    for (at, octet) in swap_guid_fields(*octets).iter().enumerate() {
        let dash = if matches!(at, 4 | 6 | 8 | 10) { "-" } else { "" };
        let _ = write!(text, "{dash}{octet:02x}");
    }
    Some(text)
}

fn guid_of(text: &str) -> Option<[u8; 16]> {
    let is_dash = |at: usize| matches!(at, 8 | 13 | 18 | 23);
    if text.len() != 36 || !text.char_indices().all(|(at, c)| (c == '-') == is_dash(at)) {
        return None;
    }
    let octets = data_encoding::HEXLOWER_PERMISSIVE.decode(text.replace('-', "").as_bytes()).ok()?;
    Some(swap_guid_fields(octets.try_into().ok()?))
}

fn swap_guid_fields(mut guid: [u8; 16]) -> [u8; 16] {
    for field in [0..4, 4..6, 6..8] {
        if let Some(field) = guid.get_mut(field) {
            field.reverse();
        }
    }
    guid
}

fn escape_filter(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, octet| {
        let _ = write!(text, "\\{octet:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_are_text_and_octets() {
        let octets: Vec<u8> = (0..16).collect();
        let text = "03020100-0504-0706-0809-0a0b0c0d0e0f";
        assert_eq!(guid_text(&octets).as_deref(), Some(text));
        assert_eq!(guid_of(text).map(Vec::from), Some(octets));
        for bad in ["", "x", "03020100-0504-0706-0809-0a0b0c0d0e0", "03020100+0504-0706-0809-0a0b0c0d0e0f"] {
            assert_eq!(guid_of(bad), None, "{bad}");
        }
        assert_eq!(guid_text(&[0; 15]), None);
    }
}
