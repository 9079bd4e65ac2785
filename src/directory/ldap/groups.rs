//! The groups of a user, searched from the user's side: groups that name the user, and groups that name those.
//!
//! Active Directory follows nested groups itself (LDAP_MATCHING_RULE_IN_CHAIN) but leaves out the primary group.
//! Elsewhere the groups of groups are asked for, level by level, each once. A list that is not whole is an error: a
//! group that requires a second factor might be what is missing.

use super::entry::{GID, LdapEntry, MEMBER_OF, PRIMARY_GROUP, SID, UID};
use super::error::LdapFault;
use super::session::{LdapSession, ServerKind};
use crate::config::directory::{GroupMode, LdapOptions};
use crate::types::DistinguishedName;
use ldap3::{SearchEntry, ldap_escape};
use std::collections::HashSet;
use std::fmt::Write;

/// The most groups that are read of one user.
const MOST: usize = 10_000;
/// Groups whose groups are asked for at once.
const AT_ONCE: usize = 50;
/// [MS-ADTS] 3.1.1.3.4.4.3.
const IN_CHAIN: &str = "1.2.840.113556.1.4.1941";

/// The user's groups, each once.
pub(super) async fn groups_of(
    session: &mut LdapSession,
    config: &LdapOptions,
    entry: &LdapEntry,
    user: &str,
) -> Result<Vec<DistinguishedName>, LdapFault> {
    let mut all = FoundGroups::default();
    let bases = search_bases(session, config);
    match (config.groups, session.tree.kind) {
        (GroupMode::None, _) => {}
        (groups, ServerKind::Active) => {
            let primary = match primary_group(entry) {
                Some(filter) => all.read(session, &bases, &filter).await?,
                None => Vec::new(),
            };
            let rule = if groups == GroupMode::Nested { format!(":{IN_CHAIN}:") } else { String::new() };
            // What the primary group is in counts only where groups of groups do.
            let primary = primary.iter().filter(|_| groups == GroupMode::Nested);
            let members = std::iter::once(&entry.dn).chain(primary);
            all.read(session, &bases, &any_of(members.map(|dn| member_filter(&format!("member{rule}"), dn))))
                .await?;
        }
        (groups, ServerKind::Other) => {
            let mut next = all.read(session, &bases, &membership_filter(entry, user)).await?;
            for dn in entry.text_values(MEMBER_OF) {
                next.extend(all.add(name_of(dn)?));
            }
            while groups == GroupMode::Nested && !next.is_empty() {
                let mut found = Vec::new();
                for some in next.chunks(AT_ONCE) {
                    found.extend(all.read(session, &bases, &any_of(by_dn(some).into_iter())).await?);
                }
                next = found;
            }
        }
    }
    Ok(all.groups)
}

/// Where groups are looked for.
pub(super) fn search_bases(session: &LdapSession, config: &LdapOptions) -> Vec<DistinguishedName> {
    if !config.group_search_dn.is_empty() {
        return config.group_search_dn.clone();
    }
    let mut bases: Vec<DistinguishedName> = Vec::new();
    for users in &config.search_dn {
        let top = session.tree.tops.iter().find(|top| users.is_within(top)).unwrap_or(users);
        if !bases.contains(top) {
            bases.push(top.clone());
        }
    }
    bases
}

/// The groups that have been found.
#[derive(Default)]
struct FoundGroups {
    groups: Vec<DistinguishedName>,
    seen: HashSet<DistinguishedName>,
}

impl FoundGroups {
    /// Adds what the filter finds; those that are new.
    async fn read(
        &mut self,
        session: &mut LdapSession,
        bases: &[DistinguishedName],
        filter: &str,
    ) -> Result<Vec<DistinguishedName>, LdapFault> {
        let mut new = Vec::new();
        for base in bases {
            let found = session.search_all(base.as_str(), filter, &["1.1"], MOST).await?;
            for SearchEntry { dn, .. } in found {
                new.extend(self.add(name_of(&dn)?));
            }
            if self.groups.len() > MOST {
                return Err(LdapFault::Answered(format!("more than {MOST} groups")));
            }
        }
        Ok(new)
    }

    /// The group, if it is a new one.
    fn add(&mut self, dn: DistinguishedName) -> Option<DistinguishedName> {
        if !self.seen.insert(dn.clone()) {
            return None;
        }
        self.groups.push(dn.clone());
        Some(dn)
    }
}

fn name_of(group: &str) -> Result<DistinguishedName, LdapFault> {
    DistinguishedName::parse(group)
        .map_err(|bad| LdapFault::Settled(format!("search: the name of a group {bad}")))
}

/// `(attribute=DN)`.
fn member_filter(attribute: &str, dn: &DistinguishedName) -> String {
    format!("({attribute}={})", ldap_escape(dn.as_str()))
}

fn any_of(filters: impl Iterator<Item = String>) -> String {
    format!("(|{})", filters.collect::<String>())
}

/// What finds the groups that name one of these. Where an attribute has no index, the class keeps a server from reading everything.
fn by_dn(members: &[DistinguishedName]) -> Vec<String> {
    let mut filters: Vec<String> = members.iter().map(|dn| member_filter("member", dn)).collect();
    let unique = any_of(members.iter().map(|dn| member_filter("uniqueMember", dn)));
    filters.push(format!("(&(objectClass=groupOfUniqueNames){unique})"));
    filters
}

/// The groups that name the user by DN, by `uid` (RFC 2307) or by the number of the primary group.
fn membership_filter(entry: &LdapEntry, user: &str) -> String {
    let own = [user.to_owned()];
    let uids = match entry.text_values(UID) {
        [] => &own[..],
        uids => uids,
    };
    let by_uid = uids.iter().map(|uid| format!("(memberUid={})", ldap_escape(uid.as_str())));
    let gids = entry.text_values(GID).iter();
    let by_gid = gids.map(|gid| format!("(gidNumber={})", ldap_escape(gid.as_str())));
    let mut filters = by_dn(std::slice::from_ref(&entry.dn));
    filters.push(format!("(&(objectClass=posixGroup){})", any_of(by_uid.chain(by_gid))));
    any_of(filters.into_iter())
}

/// A filter for the primary group: its SID is the user's with another last part ([MS-DTYP] 2.4.2.2).
pub(super) fn primary_group(entry: &LdapEntry) -> Option<String> {
    let rid: u32 = entry.text_values(PRIMARY_GROUP).first()?.parse().ok()?;
    let sid = entry.first_octets(SID)?;
    let domain = sid.get(..sid.len().checked_sub(4)?)?;
    let mut filter = "(objectSid=".to_owned();
    for octet in domain.iter().chain(&rid.to_le_bytes()) {
        let _ = write!(filter, "\\{octet:02x}");
    }
    filter.push(')');
    Some(filter)
}
