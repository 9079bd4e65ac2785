//! What an LDAP server's octets go through that the LDAP library does not read, for `fuzz/`: pure, and of no use otherwise.

use super::entry::LdapEntry;
use super::{connector, groups, verdict};
use ldap3::controls::{Control, RawControl};
use ldap3::{LdapResult, SearchEntry};

/// How many of these octets are read as the answer to STARTTLS, and whether it is a yes.
pub fn start_tls(octets: &[u8]) -> (usize, bool) {
    let mut read = 0;
    loop {
        let Some(so_far) = octets.get(..read) else { return (octets.len(), false) };
        match connector::missing_octets(so_far) {
            Some(0) => return (read, connector::is_start_tls_accepted(so_far).is_ok()),
            Some(more) => read = read.saturating_add(more),
            None => return (read, false),
        }
    }
}

/// Whether an answer to a bind has proved the user's password: its result code, its text, and its controls.
pub fn bind(code: u32, text: &str, controls: &[(&str, &[u8])]) -> bool {
    let control = |(ctype, val): &(&str, &[u8])| {
        Control(None, RawControl { ctype: (*ctype).to_owned(), crit: false, val: Some(val.to_vec()) })
    };
    let ctrls = controls.iter().map(control).collect();
    let answer =
        LdapResult { rc: code, matched: String::new(), text: text.to_owned(), refs: Vec::new(), ctrls };
    matches!(verdict::of_bind(&answer), Ok(Ok(())))
}

/// The filter for the primary group of an entry with this name and these values of `objectSid` and `primaryGroupID`.
pub fn primary_group(dn: &str, sid: &[u8], group: &str) -> Option<String> {
    let attrs = [("primaryGroupID".to_owned(), vec![group.to_owned()])].into();
    let bin_attrs = [("objectSid".to_owned(), vec![sid.to_vec()])].into();
    let entry = LdapEntry::new(SearchEntry { dn: dn.to_owned(), attrs, bin_attrs }).ok()?;
    groups::primary_group(&entry)
}
