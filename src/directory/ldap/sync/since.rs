//! Up to where changes are known: a domain controller's count, or the time.

use super::super::entry::LdapEntry;
use super::super::error::LdapFault;
use super::super::session::{LdapSession, ServerKind};
use super::identity::guid_text;
use crate::types::Timestamp;
use ldap3::Scope;
use std::time::Duration;

/// How far before the last run changes are looked for where clocks tell: clocks differ, and replicas lag.
const OVERLAP: Duration = Duration::from_secs(60 * 60);

/// Up to where changes are known.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ChangeMarker {
    /// Who counts: the domain controller and its database; empty where time does.
    server: String,
    /// The server's change count, or seconds since 1970.
    count: u64,
}

/// Where the next list has to begin. None if that cannot be told: then it reads everything.
pub(super) async fn next(
    session: &mut LdapSession,
    now: Timestamp,
) -> Result<Option<ChangeMarker>, LdapFault> {
    if session.tree.kind == ServerKind::Other {
        return Ok(Some(ChangeMarker { server: String::new(), count: now.as_seconds() }));
    }
    let wanted = ["dsServiceName", "highestCommittedUSN"];
    let root = session.search_entries("", Scope::Base, "(objectClass=*)", &wanted, 1).await?.entries;
    let value = |name: &str| {
        let all = root.iter().flat_map(|entry| &entry.attrs);
        all.filter(|(own, _)| own.eq_ignore_ascii_case(name)).find_map(|(_, values)| values.first()).cloned()
    };
    let (Some(service), Some(count)) =
        (value("dsServiceName"), value("highestCommittedUSN").and_then(|usn| usn.parse().ok()))
    else {
        return Ok(None);
    };
    // Its database has another identity once it was restored, and then counts anew.
    let found = session.search_entries(&service, Scope::Base, "(objectClass=*)", &["invocationId"], 1).await;
    let entry =
        found.ok().and_then(|found| found.entries.into_iter().next()).map(LdapEntry::new).transpose()?;
    let database = entry.and_then(|entry| entry.first_octets("invocationId").and_then(guid_text));
    Ok(database.map(|database| ChangeMarker { server: format!("{service} {database}"), count }))
}

impl ChangeMarker {
    /// Whether that one goes on where this one ended.
    pub(super) fn is_before(&self, next: &Self) -> bool {
        next.server == self.server && next.count >= self.count
    }

    pub(super) fn changes_filter(&self) -> String {
        if !self.server.is_empty() {
            return format!("(uSNChanged>={})", self.count.saturating_add(1));
        }
        let from = Timestamp::from_seconds(self.count).minus(OVERLAP).as_seconds();
        let from = jiff::Timestamp::from_second(i64::try_from(from).unwrap_or_default()).unwrap_or_default();
        // RFC 4517, section 3.3.13.
        format!("(modifyTimestamp>={})", from.strftime("%Y%m%d%H%M%SZ"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_told_by_count_or_time() {
        let since = |server: &str, count| ChangeMarker { server: server.into(), count }.changes_filter();
        assert_eq!(since("dc1", 41), "(uSNChanged>=42)");
        assert_eq!(since("", 1_700_000_000), "(modifyTimestamp>=20231114211320Z)");
    }
}
