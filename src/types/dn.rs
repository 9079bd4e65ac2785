//! Distinguished names, compared as directories compare them.

use super::{CaseRule, user};
use std::fmt::Write;
use std::hash::{Hash, Hasher};

/// A distinguished name (RFC 4514): the text as it was given, and a form in which equal names are equal.
///
/// Equal are names that differ in upper and lower case, in how a character is escaped, in white space around the parts and in
/// the order within one part (`cn=a+uid=b`). Types are not translated: `cn` and `2.5.4.3` are two.
#[derive(Clone, Debug)]
pub struct DistinguishedName {
    text: String,
    /// Each part: its types and values, unescaped and folded, in order.
    key: Vec<Vec<(String, String)>>,
    name: String,
}

/// Why a text is no distinguished name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is no distinguished name, such as \"cn=vpn,ou=groups,dc=example,dc=test\"")]
pub struct BadDn;

impl DistinguishedName {
    /// A name of at least one part.
    ///
    /// # Errors
    ///
    /// It is none, or empty.
    pub fn parse(text: &str) -> Result<Self, BadDn> {
        let (mut key, mut name) = (Vec::new(), None);
        for part in split_unescaped(text, &[',', ';']) {
            let mut pairs = Vec::new();
            for pair in split_unescaped(part, &['+']) {
                let (kind, value) = pair.split_once('=').ok_or(BadDn)?;
                let kind = kind.trim().to_ascii_lowercase();
                let is_kind = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
                if kind.is_empty() || !kind.chars().all(is_kind) {
                    return Err(BadDn);
                }
                let value = unescape_value(value)?;
                if value.is_empty() {
                    return Err(BadDn);
                }
                let folded = user::fold_case(&value, CaseRule::Fold);
                pairs.push((kind, folded.split_whitespace().collect::<Vec<_>>().join(" ")));
                name.get_or_insert(value);
            }
            pairs.sort_unstable();
            key.push(pairs);
        }
        Ok(Self { text: trim_dn(text).to_owned(), key, name: name.ok_or(BadDn)? })
    }

    /// The text as given.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The value of its first part, unescaped: of a group, what people call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is `top`, or somewhere below it.
    pub fn is_within(&self, top: &Self) -> bool {
        self.key.ends_with(&top.key)
    }
}

impl PartialEq for DistinguishedName {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for DistinguishedName {}

impl Hash for DistinguishedName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}

impl std::fmt::Display for DistinguishedName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

/// The text without the white space around it, but for a blank at its end that is escaped and so belongs to the value.
fn trim_dn(text: &str) -> &str {
    let text = text.trim_start();
    let short = text.trim_end();
    let is_escaped = short.bytes().rev().take_while(|octet| *octet == b'\\').count() % 2 == 1;
    let blank = text.get(short.len()..).and_then(|rest| rest.chars().next()).filter(|_| is_escaped);
    let length = short.len().saturating_add(blank.map_or(0, char::len_utf8));
    text.get(..length).unwrap_or(short)
}

/// Cuts at these characters where they are neither escaped nor quoted.
fn split_unescaped<'t>(text: &'t str, at: &'static [char]) -> impl Iterator<Item = &'t str> {
    let (mut is_escaped, mut is_quoted) = (false, false);
    text.split(move |c| {
        let was_escaped = is_escaped;
        is_escaped = c == '\\' && !was_escaped;
        if c == '"' && !was_escaped {
            is_quoted = !is_quoted;
        }
        !was_escaped && !is_quoted && at.contains(&c)
    })
}

/// A value without its escapes (RFC 4514, section 2.4), quotes (RFC 2253) and the white space around it. Octets that are no UTF-8,
/// and values in hexadecimal (`#0403..`), stay as they are written.
fn unescape_value(text: &str) -> Result<String, BadDn> {
    let start = text.trim_start();
    let start = match start.trim_end().strip_prefix('"') {
        Some(quoted) if quoted.ends_with('"') => quoted.strip_suffix('"').unwrap_or_default(),
        _ => start,
    };
    let (mut octets, mut keep, mut rest) = (Vec::new(), 0, start.chars());
    while let Some(c) = rest.next() {
        if c != '\\' {
            octets.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            keep = if c.is_whitespace() { keep } else { octets.len() };
            continue;
        }
        let pair = rest.as_str().get(..2).filter(|pair| pair.bytes().all(|b| b.is_ascii_hexdigit()));
        match pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(octet) => {
                octets.push(octet);
                let _ = (rest.next(), rest.next());
            }
            None => {
                let c = rest.next().ok_or(BadDn)?;
                octets.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
        keep = octets.len();
    }
    octets.truncate(keep);
    Ok(String::from_utf8(octets).unwrap_or_else(|error| {
        let mut shown = String::new();
        for octet in error.as_bytes() {
            let _ = write!(shown, "\\{octet:02x}");
        }
        shown
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_blank_at_the_end_belongs_to_the_value() {
        for (text, shown, name) in [
            ("cn=vpn\\ ", "cn=vpn\\ ", "vpn "),
            (" cn=vpn\\  \n", "cn=vpn\\ ", "vpn "),
            ("cn=vpn\\\\ ", "cn=vpn\\\\", "vpn\\"),
            ("cn=vpn ", "cn=vpn", "vpn"),
            ("b=\0b=\\\t\n", "b=\0b=\\\t", "\0b=\t"),
        ] {
            let dn = DistinguishedName::parse(text).unwrap();
            assert_eq!((dn.as_str(), dn.name()), (shown, name), "{text:?}");
            assert_eq!(DistinguishedName::parse(dn.as_str()).as_ref(), Ok(&dn));
        }
        assert!(DistinguishedName::parse("cn=vpn\\").is_err());
    }

    #[test]
    fn spellings_of_one_name_are_equal() {
        for (one, other) in [
            ("CN=Vpn Users,DC=example,DC=test", "cn = vpn  users ; dc=Example , dc=TEST"),
            ("cn=Doe\\, J\u{fc}rgen,dc=test", "CN=doe\\2C J\\C3\\BCrgen,DC=test"),
            ("cn=a\\+b,dc=test", "cn=a\\2bb,dc=test"),
            ("cn=a+uid=b,dc=test", "UID=B+CN=A,dc=test"),
            ("cn=\"a,b\",dc=test", "cn=a\\,b,dc=test"),
            ("cn=x\\ ,dc=test", "cn=x\\20 ,dc=test"),
        ] {
            assert_eq!(
                DistinguishedName::parse(one).unwrap(),
                DistinguishedName::parse(other).unwrap(),
                "{one} {other}"
            );
        }
    }

    #[test]
    fn different_names_are_not() {
        for (one, other) in [
            ("cn=a,dc=test", "cn=a\\,dc=test"),
            ("cn=a,dc=b,dc=test", "cn=a\\,dc\\=b,dc=test"),
            ("cn=a+uid=b,dc=test", "cn=a\\+uid\\=b,dc=test"),
            ("cn=a,dc=test", "ou=a,dc=test"),
            ("cn=a", "cn=a,cn=a"),
        ] {
            assert_ne!(
                DistinguishedName::parse(one).ok(),
                DistinguishedName::parse(other).ok(),
                "{one} {other}"
            );
        }
    }

    #[test]
    fn name_is_what_people_call_it() {
        assert_eq!(
            DistinguishedName::parse("CN=Doe\\, J\\C3\\BCrgen\\+,DC=test").unwrap().name(),
            "Doe, J\u{fc}rgen+"
        );
        let (below, top) = (
            DistinguishedName::parse("cn=a,ou=B,dc=test").unwrap(),
            DistinguishedName::parse("OU=b,DC=test").unwrap(),
        );
        assert!(below.is_within(&top) && top.is_within(&top) && !top.is_within(&below));
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for bad in ["", "vpn", "cn=", "=a", "cn=a,", "cn=a,,dc=b", "c n=a", "cn=a\\"] {
            assert!(DistinguishedName::parse(bad).is_err(), "{bad:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(text in "([a-z=,+;\"\\\\ #]|\\PC){0,40}") {
            let _ = DistinguishedName::parse(&text);
        }
    }
}
