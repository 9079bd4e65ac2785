//! Who is in a group, told from the group's side: by a filter, or by a list that each entry is held against.

use super::super::LdapState;
use super::super::entry::{GID, LdapEntry, PRIMARY_GROUP, SID, UID};
use super::super::error::LdapFault;
use super::super::groups;
use super::super::session::{LdapSession, ServerKind};
use crate::config::directory::GroupMode;
use crate::types::DistinguishedName;
use ldap3::{Scope, SearchEntry, ldap_escape};
use sha2::{Digest, Sha256};
use std::collections::{HashMap, HashSet};
use std::hash::{Hash, Hasher};

/// Groups within groups.
const MOST: usize = 10_000;
/// Groups that are the primary group of a user, in one filter.
const MOST_PRIMARY: usize = 1_000;
/// [MS-ADTS] 3.1.1.3.4.4.1 and 3.1.1.3.4.4.3.
const BIT_AND: &str = "1.2.840.113556.1.4.803";
const IN_CHAIN: &str = "1.2.840.113556.1.4.1941";

impl LdapState {
    /// What tells members of these groups. A group that is not there is an error.
    pub(super) async fn read_members(
        &self,
        session: &mut LdapSession,
        groups: &[DistinguishedName],
    ) -> Result<MemberRule, LdapFault> {
        match session.tree.kind {
            _ if groups.is_empty() => Ok(MemberRule::default()),
            ServerKind::Active => self.in_filter(session, groups).await,
            ServerKind::Other => self.in_sieve(session, groups).await,
        }
    }

    /// Active Directory finds members itself, but for those whose primary group it is.
    async fn in_filter(
        &self,
        session: &mut LdapSession,
        groups: &[DistinguishedName],
    ) -> Result<MemberRule, LdapFault> {
        let is_nested = self.config.groups == GroupMode::Nested;
        let rule = if is_nested { format!(":{IN_CHAIN}:") } else { String::new() };
        let (mut named, mut primary) = (String::new(), HashSet::new());
        for group in groups {
            let entry = read_one(session, group, &[SID]).await?;
            primary.extend(entry.first_octets(SID).and_then(last_part));
            let own = format!("(memberOf{rule}={})", ldap_escape(group.as_str()));
            if is_nested {
                // Only these can be primary groups: security groups, global or universal.
                let filter =
                    format!("(&(objectClass=group)(|(groupType:{BIT_AND}:=2)(groupType:{BIT_AND}:=8)){own})");
                for base in groups::search_bases(session, &self.config) {
                    let found = session.search_all(base.as_str(), &filter, &[SID], MOST).await?;
                    for entry in found {
                        primary.extend(LdapEntry::new(entry)?.first_octets(SID).and_then(last_part));
                    }
                }
            }
            named.push_str(&own);
        }
        if primary.len() > MOST_PRIMARY {
            return Err(LdapFault::Settled(format!("more than {MOST_PRIMARY} groups within group_dn")));
        }
        let primary: String = primary.iter().map(|rid| format!("({PRIMARY_GROUP}={rid})")).collect();
        Ok(MemberRule { filter: format!("(|{named}{primary})"), sieve: None })
    }

    /// Elsewhere the groups are read, and those of them that are in them.
    async fn in_sieve(
        &self,
        session: &mut LdapSession,
        groups: &[DistinguishedName],
    ) -> Result<MemberRule, LdapFault> {
        let mut all = HashMap::new();
        if self.config.groups == GroupMode::Nested {
            let filter = "(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)(objectClass=group))";
            for base in groups::search_bases(session, &self.config) {
                for SearchEntry { dn, .. } in
                    session.search_all(base.as_str(), filter, &["1.1"], MOST).await?
                {
                    let dn = dn_of(&dn)?;
                    all.insert(print(&dn), dn);
                }
            }
        }
        let mut sieve = MemberSieve::default();
        let mut next = groups.to_vec();
        let mut seen: HashSet<DnDigest> = next.iter().map(print).collect();
        while let Some(group) = next.pop() {
            let mut from = Some(0);
            while let Some(start) = from {
                let page = read_page(session, &group, start).await?;
                for value in page.members {
                    let member = print(&dn_of(&value)?);
                    match all.get(&member) {
                        Some(inner) if seen.insert(member) => next.push(inner.clone()),
                        Some(_) => {}
                        None => drop(sieve.members.insert(member)),
                    }
                }
                if start == 0 {
                    sieve.uids.extend(page.uids);
                    sieve.gids.extend(page.gids);
                }
                from = page.next;
            }
        }
        Ok(MemberRule { filter: String::new(), sieve: Some(sieve) })
    }
}

/// How members are told from others.
#[derive(Default)]
pub(super) struct MemberRule {
    pub(super) filter: String,
    pub(super) sieve: Option<MemberSieve>,
}

/// Who is in the groups: by DN, by `uid` (RFC 2307), by the number of the primary group.
#[derive(Default)]
pub(super) struct MemberSieve {
    members: HashSet<DnDigest>,
    uids: HashSet<String>,
    gids: HashSet<String>,
}

impl MemberSieve {
    pub(super) fn contains(&self, entry: &LdapEntry) -> bool {
        self.members.contains(&print(&entry.dn))
            || entry.text_values(UID).iter().any(|uid| self.uids.contains(uid))
            || entry.text_values(GID).iter().any(|gid| self.gids.contains(gid))
    }
}

/// A distinguished name, in little room.
type DnDigest = [u8; 16];

fn print(dn: &DistinguishedName) -> DnDigest {
    struct Feed(Sha256);
    impl Hasher for Feed {
        fn finish(&self) -> u64 {
            0
        }
        fn write(&mut self, octets: &[u8]) {
            self.0.update(octets);
        }
    }
    let mut feed = Feed(Sha256::new());
    dn.hash(&mut feed);
    let digest: [u8; 32] = feed.0.finalize().into();
    *digest.first_chunk().unwrap_or(&[0; 16])
}

fn dn_of(text: &str) -> Result<DistinguishedName, LdapFault> {
    DistinguishedName::parse(text)
        .map_err(|bad| LdapFault::Settled(format!("search: the name of a member {bad}")))
}

/// As much of a group as a server gives at once.
struct MemberPage {
    members: Vec<String>,
    uids: Vec<String>,
    gids: Vec<String>,
    /// Where the members go on ([MS-ADTS] 3.1.1.3.1.3.3).
    next: Option<u32>,
}

async fn read_page(
    session: &mut LdapSession,
    group: &DistinguishedName,
    start: u32,
) -> Result<MemberPage, LdapFault> {
    let range = format!("member;range={start}-*");
    let wanted: &[&str] = match start {
        0 => &["member", "uniqueMember", "memberUid", "gidNumber"],
        _ => &[&range],
    };
    let entry = read_one(session, group, wanted).await?;
    let (mut members, mut next) =
        ([entry.text_values("member"), entry.text_values("uniqueMember")].concat(), None);
    for (name, values) in entry.all() {
        if let Some(end) = range_end(name) {
            members.extend_from_slice(values);
            next = end.and_then(|end| end.checked_add(1)).filter(|next| *next > start);
        }
    }
    Ok(MemberPage {
        members,
        uids: entry.text_values("memberUid").to_vec(),
        gids: entry.text_values(GID).to_vec(),
        next,
    })
}

/// The last member that `member;range=0-1499` has; none if it is the last of all.
fn range_end(name: &str) -> Option<Option<u32>> {
    let (_, end) = name.strip_prefix("member;range=")?.split_once('-')?;
    Some(end.parse().ok())
}

/// The one entry of this name.
async fn read_one(
    session: &mut LdapSession,
    dn: &DistinguishedName,
    attributes: &[&str],
) -> Result<LdapEntry, LdapFault> {
    let found = session.search_entries(dn.as_str(), Scope::Base, "(objectClass=*)", attributes, 1).await;
    let found = found.map_err(|fault| LdapFault::Settled(format!("group_dn: {}", fault.text())))?;
    let entry = found.entries.into_iter().next();
    LdapEntry::new(
        entry.ok_or_else(|| {
            LdapFault::Settled(format!("group_dn: \"{dn}\" is not there, or may not be read"))
        })?,
    )
}

/// The relative identifier ([MS-DTYP] 2.4.2.2).
fn last_part(sid: &[u8]) -> Option<u32> {
    sid.last_chunk().map(|octets| u32::from_le_bytes(*octets))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_long_groups_are_told() {
        assert_eq!(range_end("member;range=0-1499"), Some(Some(1499)));
        assert_eq!(range_end("member;range=1500-*"), Some(None));
        assert_eq!(range_end("member"), None);
    }

    #[test]
    fn prints_are_of_names_and_not_of_spellings() {
        let of = |text: &str| print(&DistinguishedName::parse(text).unwrap());
        assert_eq!(of("CN=A, dc=Test"), of("cn=a,DC=test"));
        assert_ne!(of("cn=a,dc=test"), of("cn=adc,dc=test"));
    }
}
