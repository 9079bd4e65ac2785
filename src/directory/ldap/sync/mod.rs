//! All users, for `mfa sync`, and what has changed. Entries are handed over as they come, so that very many cost no
//! memory.
//!
//! A list that is not whole is an error: a missing user would count as removed. What has changed is told by Active
//! Directory's uSNChanged, which counts on one domain controller alone, and by modifyTimestamp elsewhere; who has
//! left is told by nothing but the list of all.

mod identity;
mod members;
mod since;

pub use since::ChangeMarker;

use super::entry::{GID, LdapEntry, UID, UPN};
use super::error::LdapFault;
use super::session::{LdapSession, ServerKind};
use super::{LdapDirectory, LdapState, text_of};
use crate::config::directory::SearchAccount;
use crate::engine::directory::BackendUnavailable;
use crate::engine::provider::ProviderFuture;
use crate::types::{DistinguishedName, Mailbox, PhoneNumber, Timestamp, UnusableValue};
use identity::{id_attribute, id_of, id_value};
use members::MemberRule;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::Sender;

/// How long a host may take for one answer, at least: there are long ones among them.
const PATIENCE: Duration = Duration::from_secs(60);
/// Entries that are looked up at once.
const AT_ONCE: usize = 100;
/// Users who are neither computers nor trusts, and not disabled ([MS-ADTS] 2.2.16).
const USERS: &str = "(sAMAccountType=805306368)(!(userAccountControl:1.2.840.113556.1.4.803:=2))";

/// Which users to list.
#[derive(Clone, Debug)]
pub struct ListRequest {
    /// Members of these groups. None: all users.
    pub groups: Vec<DistinguishedName>,
    /// What the last list has told; none to have all of everybody.
    pub since: Option<ChangeMarker>,
    /// Time of the listing.
    pub now: Timestamp,
}

/// What a list came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListResult {
    /// For the next one.
    pub since: Option<ChangeMarker>,
    /// Whether all of everybody was read.
    pub is_full: bool,
}

/// A user in the directory. The same user may come twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedUser {
    /// Permanent identifier: objectGUID or entryUUID, in the form of RFC 4122.
    pub id: String,
    /// Details of the user; `None` if unchanged.
    pub told: Option<UserDetails>,
}

/// Details of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserDetails {
    /// As the directory has it.
    pub name: String,
    /// `userPrincipalName`, if present.
    pub upn: Option<String>,
    /// The first value of each `attribute` of `ldap { }`, by its name in lower case.
    pub attributes: BTreeMap<String, String>,
    /// The first mailbox that is one; if there is none, why not.
    pub mail: Option<Result<Mailbox, UnusableValue>>,
    /// The same of the telephone number.
    pub phone: Option<Result<PhoneNumber, UnusableValue>>,
}

/// How much of an entry is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ReadDepth {
    Id,
    All,
}

impl LdapDirectory {
    /// Hands over everybody, and all of those who have changed.
    pub fn list(
        &self,
        ask: ListRequest,
        to: Sender<ListedUser>,
    ) -> ProviderFuture<Result<ListResult, BackendUnavailable>> {
        self.run_apart(move |inner, mut session| async move { inner.list(&mut session, &ask, &to).await })
    }

    /// Hands over all of those who are known by these.
    pub fn look_up(
        &self,
        ids: Vec<String>,
        to: Sender<ListedUser>,
    ) -> ProviderFuture<Result<(), BackendUnavailable>> {
        self.run_apart(move |inner, mut session| async move { inner.look_up(&mut session, &ids, &to).await })
    }

    /// Work on a connection of its own, with the first host that has one. As for logins, an answer that the LDAP library cannot
    /// bear does no harm beyond it.
    fn run_apart<T, W>(
        &self,
        work: impl FnOnce(Arc<LdapState>, LdapSession) -> W + Send + 'static,
    ) -> ProviderFuture<Result<T, BackendUnavailable>>
    where
        T: Send + 'static,
        W: Future<Output = Result<T, LdapFault>> + Send + 'static,
    {
        let inner = Arc::clone(&self.0);
        Box::pin(async move {
            let task = tokio::spawn(async move {
                let (host, session) = inner.reader_session().await?;
                let told = |fault: LdapFault| BackendUnavailable(format!("{host}: {}", fault.text()));
                work(inner, session).await.map_err(told)
            });
            let why = "an answer that no directory gives, or a mistake of this module";
            task.await.unwrap_or_else(|_panicked| Err(BackendUnavailable(why.to_owned())))
        })
    }
}

impl LdapState {
    async fn reader_session(&self) -> Result<(String, LdapSession), BackendUnavailable> {
        let mut why = Vec::new();
        for host in &self.hosts {
            let open = async {
                let mut session =
                    LdapSession::new(host.line.open_session().await?, self.config.timeout.max(PATIENCE));
                match &self.config.account {
                    SearchAccount::Nobody => {}
                    SearchAccount::Service(name, password) => {
                        session.bind_service(name, &text_of(password).unwrap_or_default()).await?;
                    }
                    SearchAccount::User(_) => {
                        let text = "users cannot be listed without an account: set service_account_username";
                        return Err(LdapFault::Settled(text.to_owned()));
                    }
                }
                session.read_root_dse().await?;
                Ok(session)
            };
            match open.await {
                Ok(session) => return Ok((host.line.host.clone(), session)),
                Err(fault) => why.push(format!("{}: {}", host.line.host, fault.text())),
            }
        }
        Err(BackendUnavailable(why.join("; ")))
    }

    async fn list(
        &self,
        session: &mut LdapSession,
        ask: &ListRequest,
        to: &Sender<ListedUser>,
    ) -> Result<ListResult, LdapFault> {
        let next = since::next(session, ask.now).await?;
        let since =
            ask.since.as_ref().filter(|since| next.as_ref().is_some_and(|next| since.is_before(next)));
        let members = self.read_members(session, &ask.groups).await?;
        if let Some(since) = since {
            self.read(session, &members, &since.changes_filter(), ReadDepth::All, to).await?;
        }
        let depth = if since.is_some() { ReadDepth::Id } else { ReadDepth::All };
        self.read(session, &members, "", depth, to).await?;
        Ok(ListResult { is_full: since.is_none(), since: next })
    }

    async fn look_up(
        &self,
        session: &mut LdapSession,
        ids: &[String],
        to: &Sender<ListedUser>,
    ) -> Result<(), LdapFault> {
        let attribute = id_attribute(session.tree.kind);
        for some in ids.chunks(AT_ONCE) {
            let mut filter = "(|".to_owned();
            for id in some {
                let value = id_value(id, session.tree.kind)?;
                let _ = write!(filter, "({attribute}={value})");
            }
            filter.push(')');
            self.read(session, &MemberRule::default(), &filter, ReadDepth::All, to).await?;
        }
        Ok(())
    }

    /// Hands over who fits.
    async fn read(
        &self,
        session: &mut LdapSession,
        members: &MemberRule,
        filter: &str,
        depth: ReadDepth,
        to: &Sender<ListedUser>,
    ) -> Result<(), LdapFault> {
        let config = &self.config;
        let kind = session.tree.kind;
        let users = if kind == ServerKind::Active { USERS } else { "" };
        let own = config.filter.as_deref().unwrap_or_default();
        let name = &config.username_attribute;
        let filter = format!("(&({name}=*){users}{own}{}{filter})", members.filter);
        let mut wanted = vec![id_attribute(kind)];
        if depth == ReadDepth::All {
            wanted.extend([name.as_str(), UPN, &config.mail_attribute, &config.phone_attribute]);
            wanted.extend(config.attributes.iter().map(String::as_str));
        }
        if members.sieve.is_some() {
            wanted.extend([UID, GID]);
        }
        wanted.sort_unstable_by_key(|name| name.to_ascii_lowercase());
        wanted.dedup_by(|one, other| one.eq_ignore_ascii_case(other));
        for base in &config.search_dn {
            let mut reading = session.read(base.as_str(), &filter, &wanted).await?;
            while let Some(entry) = reading.next().await? {
                let entry = LdapEntry::new(entry)?;
                if members.sieve.as_ref().is_some_and(|sieve| !sieve.contains(&entry)) {
                    continue;
                }
                let id = id_of(&entry, kind)?;
                let told = (depth == ReadDepth::All).then(|| self.read_details(&entry)).transpose()?;
                if to.send(ListedUser { id, told }).await.is_err() {
                    return Err(LdapFault::Settled("no reader is left".to_owned()));
                }
            }
        }
        Ok(())
    }

    fn read_details(&self, entry: &LdapEntry) -> Result<UserDetails, LdapFault> {
        let config = &self.config;
        let name = entry.text_values(&config.username_attribute).first().ok_or_else(|| {
            let attribute = &config.username_attribute;
            LdapFault::Settled(format!("an entry was found by {attribute}, which may not be read"))
        })?;
        let first =
            |name: &String| Some((name.to_ascii_lowercase(), entry.text_values(name).first()?.clone()));
        Ok(UserDetails {
            name: name.clone(),
            upn: entry.text_values(UPN).first().cloned(),
            attributes: config.attributes.iter().filter_map(first).collect(),
            mail: first_valid(entry.text_values(&config.mail_attribute), Mailbox::parse),
            phone: first_valid(entry.text_values(&config.phone_attribute), |text| {
                PhoneNumber::parse(text, self.country.as_ref())
            }),
        })
    }
}

/// The first value that is one; if none is, why the first is not.
fn first_valid<T, E: std::fmt::Display>(
    texts: &[String],
    parse: impl Fn(&str) -> Result<T, E>,
) -> Option<Result<T, UnusableValue>> {
    let mut why = None;
    for text in texts {
        match parse(text) {
            Ok(value) => return Some(Ok(value)),
            Err(error) => drop(why.get_or_insert(UnusableValue::new(error))),
        }
    }
    why.map(Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn best_value_is_the_first_that_is_one() {
        let texts = |all: &[&str]| all.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let parse = |text: &str| text.parse::<u8>().map_err(|_| "no number");
        assert_eq!(first_valid(&texts(&[]), parse), None);
        assert_eq!(first_valid(&texts(&["x", "7"]), parse), Some(Ok(7)));
        assert_eq!(first_valid(&texts(&["x", "y"]), parse), Some(Err(UnusableValue::new("no number"))));
    }
}
