//! Everybody, for `mfa sync`: who is there, and what has changed of whom. Entries are handed over as they come, so that very many
//! cost no memory.
//!
//! A list that is not whole is an error: whoever is missing would be taken for somebody who left. What has changed is told by
//! Active Directory's uSNChanged, which counts on one domain controller alone, and by modifyTimestamp elsewhere; who has left
//! is told by nothing but the list of all.

use super::fault::Fault;
use super::groups;
use super::person::{Entry, GID, PRIMARY_GROUP, SID, UID, UPN};
use super::session::{Kind, Session};
use super::{Inner, Ldap, text_of};
use crate::config::directory::{Account, Groups};
use crate::engine::directory::Unavailable;
use crate::engine::provider::Pending;
use crate::types::{Dn, Mailbox, Phone, Timestamp};
use ldap3::{Scope, SearchEntry, ldap_escape};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::Sender;

/// How long a host may take for one answer, at least: there are long ones among them.
const PATIENCE: Duration = Duration::from_secs(60);
/// How far before the last run changes are looked for where clocks tell: clocks differ, and replicas lag.
const OVERLAP: Duration = Duration::from_secs(60 * 60);
/// Groups within groups.
const MOST: usize = 10_000;
/// Groups that are the primary one of somebody, in one filter.
const MOST_PRIMARY: usize = 1_000;
/// Entries that are looked up at once.
const AT_ONCE: usize = 100;
/// [MS-ADTS] 3.1.1.3.4.4.1 and 3.1.1.3.4.4.3.
const BIT_AND: &str = "1.2.840.113556.1.4.803";
const IN_CHAIN: &str = "1.2.840.113556.1.4.1941";
/// Users who are neither computers nor trusts, and not disabled ([MS-ADTS] 2.2.16).
const USERS: &str = "(sAMAccountType=805306368)(!(userAccountControl:1.2.840.113556.1.4.803:=2))";

/// Whom to list.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Members of these groups. None: all users.
    pub groups: Vec<Dn>,
    /// What the last list has told; none to have all of everybody.
    pub since: Option<Since>,
    /// When it is.
    pub now: Timestamp,
}

/// Up to where changes are known.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Since {
    /// Who counts: the domain controller and its database; empty where time does.
    server: String,
    /// His count, or seconds since 1970.
    count: u64,
}

/// What a list came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// For the next one.
    pub since: Option<Since>,
    /// Whether all of everybody was read.
    pub is_full: bool,
}

/// Somebody who is there. Somebody may come twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// By which he is known whatever he is called: objectGUID or entryUUID, in the form of RFC 4122.
    pub id: String,
    /// What is known of him; none if he has not changed.
    pub told: Option<Told>,
}

/// What is known of somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// As the directory has it.
    pub name: String,
    /// `userPrincipalName`, if he has one.
    pub upn: Option<String>,
    /// The first value of each `attribute` of `ldap { }`, by its name in lower case.
    pub attributes: BTreeMap<String, String>,
    /// The first mailbox that is one; if there is none, why not.
    pub mail: Option<Result<Mailbox, String>>,
    /// The same of the telephone number.
    pub phone: Option<Result<Phone, String>>,
}

/// How much of an entry is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Depth {
    Id,
    All,
}

impl Ldap {
    /// Hands over everybody, and all of those who have changed.
    pub fn list(&self, ask: Ask, to: Sender<Member>) -> Pending<Result<Listed, Unavailable>> {
        self.apart(move |inner, mut session| async move { inner.list(&mut session, &ask, &to).await })
    }

    /// Hands over all of those who are known by these.
    pub fn look_up(&self, ids: Vec<String>, to: Sender<Member>) -> Pending<Result<(), Unavailable>> {
        self.apart(move |inner, mut session| async move { inner.look_up(&mut session, &ids, &to).await })
    }

    /// Work on a connection of its own, with the first host that has one. As for logins, an answer that the LDAP library cannot
    /// bear does no harm beyond it.
    fn apart<T, W>(
        &self,
        work: impl FnOnce(Arc<Inner>, Session) -> W + Send + 'static,
    ) -> Pending<Result<T, Unavailable>>
    where
        T: Send + 'static,
        W: Future<Output = Result<T, Fault>> + Send + 'static,
    {
        let inner = Arc::clone(&self.0);
        Box::pin(async move {
            let task = tokio::spawn(async move {
                let (host, session) = inner.reader().await?;
                let told = |fault: Fault| Unavailable(format!("{host}: {}", fault.text()));
                work(inner, session).await.map_err(told)
            });
            let why = "an answer that no directory gives, or a mistake of this module";
            task.await.unwrap_or_else(|_panicked| Err(Unavailable(why.to_owned())))
        })
    }
}

impl Inner {
    async fn reader(&self) -> Result<(String, Session), Unavailable> {
        let mut why = Vec::new();
        for host in &self.hosts {
            let open = async {
                let mut session = Session::new(host.line.connect().await?, self.config.timeout.max(PATIENCE));
                match &self.config.account {
                    Account::Nobody => {}
                    Account::Service(name, password) => {
                        session.bind_service(name, &text_of(password).unwrap_or_default()).await?;
                    }
                    Account::User(_) => {
                        let text = "nobody can be listed without an account: set service_account_username";
                        return Err(Fault::Settled(text.to_owned()));
                    }
                }
                session.learn().await?;
                Ok(session)
            };
            match open.await {
                Ok(session) => return Ok((host.line.host.clone(), session)),
                Err(fault) => why.push(format!("{}: {}", host.line.host, fault.text())),
            }
        }
        Err(Unavailable(why.join("; ")))
    }

    async fn list(&self, session: &mut Session, ask: &Ask, to: &Sender<Member>) -> Result<Listed, Fault> {
        let next = next(session, ask.now).await?;
        let since = ask.since.as_ref().filter(|since| {
            next.as_ref().is_some_and(|next| next.server == since.server && next.count >= since.count)
        });
        let members = self.members(session, &ask.groups).await?;
        if let Some(since) = since {
            self.read(session, &members, &since.filter(), Depth::All, to).await?;
        }
        let depth = if since.is_some() { Depth::Id } else { Depth::All };
        self.read(session, &members, "", depth, to).await?;
        Ok(Listed { is_full: since.is_none(), since: next })
    }

    async fn look_up(&self, session: &mut Session, ids: &[String], to: &Sender<Member>) -> Result<(), Fault> {
        let attribute = id_attribute(session.tree.kind);
        for some in ids.chunks(AT_ONCE) {
            let mut filter = "(|".to_owned();
            for id in some {
                let value = match session.tree.kind {
                    Kind::Active => escaped(&guid_of(id).ok_or_else(|| no_id(id))?),
                    Kind::Other => ldap_escape(id.as_str()).into_owned(),
                };
                let _ = write!(filter, "({attribute}={value})");
            }
            filter.push(')');
            self.read(session, &Members::default(), &filter, Depth::All, to).await?;
        }
        Ok(())
    }

    /// Hands over who fits.
    async fn read(
        &self,
        session: &mut Session,
        members: &Members,
        filter: &str,
        depth: Depth,
        to: &Sender<Member>,
    ) -> Result<(), Fault> {
        let config = &self.config;
        let kind = session.tree.kind;
        let users = if kind == Kind::Active { USERS } else { "" };
        let own = config.filter.as_deref().unwrap_or_default();
        let name = &config.username_attribute;
        let filter = format!("(&({name}=*){users}{own}{}{filter})", members.filter);
        let mut wanted = vec![id_attribute(kind)];
        if depth == Depth::All {
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
                let entry = Entry::new(entry)?;
                if members.sieve.as_ref().is_some_and(|sieve| !sieve.has(&entry)) {
                    continue;
                }
                let id = id_of(&entry, kind)?;
                let told = (depth == Depth::All).then(|| self.told(&entry)).transpose()?;
                if to.send(Member { id, told }).await.is_err() {
                    return Err(Fault::Settled("nobody listens any more".to_owned()));
                }
            }
        }
        Ok(())
    }

    fn told(&self, entry: &Entry) -> Result<Told, Fault> {
        let config = &self.config;
        let name = entry.texts(&config.username_attribute).first().ok_or_else(|| {
            let attribute = &config.username_attribute;
            Fault::Settled(format!("an entry was found by {attribute}, which may not be read"))
        })?;
        let first = |name: &String| Some((name.to_ascii_lowercase(), entry.texts(name).first()?.clone()));
        Ok(Told {
            name: name.clone(),
            upn: entry.texts(UPN).first().cloned(),
            attributes: config.attributes.iter().filter_map(first).collect(),
            mail: best(entry.texts(&config.mail_attribute), Mailbox::parse),
            phone: best(entry.texts(&config.phone_attribute), |text| {
                Phone::parse(text, self.country.as_ref())
            }),
        })
    }

    /// What tells members of these groups. A group that is not there is an error.
    async fn members(&self, session: &mut Session, groups: &[Dn]) -> Result<Members, Fault> {
        match session.tree.kind {
            _ if groups.is_empty() => Ok(Members::default()),
            Kind::Active => self.in_filter(session, groups).await,
            Kind::Other => self.in_sieve(session, groups).await,
        }
    }

    /// Active Directory finds members itself, but for those whose primary group it is.
    async fn in_filter(&self, session: &mut Session, groups: &[Dn]) -> Result<Members, Fault> {
        let is_nested = self.config.groups == Groups::Nested;
        let rule = if is_nested { format!(":{IN_CHAIN}:") } else { String::new() };
        let (mut named, mut primary) = (String::new(), HashSet::new());
        for group in groups {
            let entry = one(session, group, &[SID]).await?;
            primary.extend(entry.octets(SID).and_then(last_part));
            let own = format!("(memberOf{rule}={})", ldap_escape(group.as_str()));
            if is_nested {
                // Of these alone can a group be that is somebody's primary one: security groups, global or universal.
                let filter =
                    format!("(&(objectClass=group)(|(groupType:{BIT_AND}:=2)(groupType:{BIT_AND}:=8)){own})");
                for base in groups::bases(session, &self.config) {
                    let found = session.search_all(base.as_str(), &filter, &[SID], MOST).await?;
                    for entry in found {
                        primary.extend(Entry::new(entry)?.octets(SID).and_then(last_part));
                    }
                }
            }
            named.push_str(&own);
        }
        if primary.len() > MOST_PRIMARY {
            return Err(Fault::Settled(format!("more than {MOST_PRIMARY} groups within group_dn")));
        }
        let primary: String = primary.iter().map(|rid| format!("({PRIMARY_GROUP}={rid})")).collect();
        Ok(Members { filter: format!("(|{named}{primary})"), sieve: None })
    }

    /// Elsewhere the groups are read, and those of them that are in them.
    async fn in_sieve(&self, session: &mut Session, groups: &[Dn]) -> Result<Members, Fault> {
        let mut all = HashMap::new();
        if self.config.groups == Groups::Nested {
            let filter = "(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)(objectClass=group))";
            for base in groups::bases(session, &self.config) {
                for SearchEntry { dn, .. } in
                    session.search_all(base.as_str(), filter, &["1.1"], MOST).await?
                {
                    let dn = dn_of(&dn)?;
                    all.insert(print(&dn), dn);
                }
            }
        }
        let mut sieve = Sieve::default();
        let mut next = groups.to_vec();
        let mut seen: HashSet<Print> = next.iter().map(print).collect();
        while let Some(group) = next.pop() {
            let mut from = Some(0);
            while let Some(start) = from {
                let page = page(session, &group, start).await?;
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
        Ok(Members { filter: String::new(), sieve: Some(sieve) })
    }
}

/// How members are told from others.
#[derive(Default)]
struct Members {
    filter: String,
    sieve: Option<Sieve>,
}

/// Who is in the groups: by DN, by `uid` (RFC 2307), by the number of the primary group.
#[derive(Default)]
struct Sieve {
    members: HashSet<Print>,
    uids: HashSet<String>,
    gids: HashSet<String>,
}

impl Sieve {
    fn has(&self, entry: &Entry) -> bool {
        self.members.contains(&print(&entry.dn))
            || entry.texts(UID).iter().any(|uid| self.uids.contains(uid))
            || entry.texts(GID).iter().any(|gid| self.gids.contains(gid))
    }
}

/// A distinguished name, in little room.
type Print = [u8; 16];

fn print(dn: &Dn) -> Print {
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

fn dn_of(text: &str) -> Result<Dn, Fault> {
    Dn::parse(text).map_err(|bad| Fault::Settled(format!("search: the name of a member {bad}")))
}

/// As much of a group as a server gives at once.
struct Page {
    members: Vec<String>,
    uids: Vec<String>,
    gids: Vec<String>,
    /// Where the members go on ([MS-ADTS] 3.1.1.3.1.3.3).
    next: Option<u32>,
}

async fn page(session: &mut Session, group: &Dn, start: u32) -> Result<Page, Fault> {
    let range = format!("member;range={start}-*");
    let wanted: &[&str] = match start {
        0 => &["member", "uniqueMember", "memberUid", "gidNumber"],
        _ => &[&range],
    };
    let entry = one(session, group, wanted).await?;
    let (mut members, mut next) = ([entry.texts("member"), entry.texts("uniqueMember")].concat(), None);
    for (name, values) in entry.all() {
        if let Some(end) = range_end(name) {
            members.extend_from_slice(values);
            next = end.and_then(|end| end.checked_add(1)).filter(|next| *next > start);
        }
    }
    Ok(Page { members, uids: entry.texts("memberUid").to_vec(), gids: entry.texts(GID).to_vec(), next })
}

/// The last member that `member;range=0-1499` has; none if it is the last of all.
fn range_end(name: &str) -> Option<Option<u32>> {
    let (_, end) = name.strip_prefix("member;range=")?.split_once('-')?;
    Some(end.parse().ok())
}

/// The one entry of this name.
async fn one(session: &mut Session, dn: &Dn, attributes: &[&str]) -> Result<Entry, Fault> {
    let found = session.search(dn.as_str(), Scope::Base, "(objectClass=*)", attributes, 1).await;
    let found = found.map_err(|fault| Fault::Settled(format!("group_dn: {}", fault.text())))?;
    let entry = found.entries.into_iter().next();
    Entry::new(
        entry
            .ok_or_else(|| Fault::Settled(format!("group_dn: \"{dn}\" is not there, or may not be read")))?,
    )
}

/// The relative identifier ([MS-DTYP] 2.4.2.2).
fn last_part(sid: &[u8]) -> Option<u32> {
    sid.last_chunk().map(|octets| u32::from_le_bytes(*octets))
}

const fn id_attribute(kind: Kind) -> &'static str {
    match kind {
        Kind::Active => "objectGUID",
        Kind::Other => "entryUUID",
    }
}

fn id_of(entry: &Entry, kind: Kind) -> Result<String, Fault> {
    let attribute = id_attribute(kind);
    let id = match kind {
        Kind::Active => entry.octets(attribute).and_then(guid_text),
        Kind::Other => entry.texts(attribute).first().map(|id| id.to_ascii_lowercase()),
    };
    id.filter(|id| guid_of(id).is_some()).ok_or_else(|| no_id(attribute))
}

fn no_id(what: &str) -> Fault {
    Fault::Settled(format!("an entry has no {what} that may be read: users cannot be told apart without"))
}

/// The octets of a GUID as text: the first three fields are little endian ([MS-DTYP] 2.3.4).
fn guid_text(octets: &[u8]) -> Option<String> {
    let octets: &[u8; 16] = octets.try_into().ok()?;
    let mut text = String::new();
    for (at, octet) in turned(*octets).iter().enumerate() {
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
    Some(turned(octets.try_into().ok()?))
}

fn turned(mut guid: [u8; 16]) -> [u8; 16] {
    for field in [0..4, 4..6, 6..8] {
        if let Some(field) = guid.get_mut(field) {
            field.reverse();
        }
    }
    guid
}

fn escaped(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, octet| {
        let _ = write!(text, "\\{octet:02x}");
        text
    })
}

/// The first value that is one; if none is, why the first is not.
fn best<T, E: std::fmt::Display>(
    texts: &[String],
    parse: impl Fn(&str) -> Result<T, E>,
) -> Option<Result<T, String>> {
    let mut why = None;
    for text in texts {
        match parse(text) {
            Ok(value) => return Some(Ok(value)),
            Err(error) => drop(why.get_or_insert(error.to_string())),
        }
    }
    why.map(Err)
}

/// Where the next list has to begin. None if that cannot be told: then it reads everything.
async fn next(session: &mut Session, now: Timestamp) -> Result<Option<Since>, Fault> {
    if session.tree.kind == Kind::Other {
        return Ok(Some(Since { server: String::new(), count: now.as_seconds() }));
    }
    let wanted = ["dsServiceName", "highestCommittedUSN"];
    let root = session.search("", Scope::Base, "(objectClass=*)", &wanted, 1).await?.entries;
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
    let found = session.search(&service, Scope::Base, "(objectClass=*)", &["invocationId"], 1).await;
    let entry = found.ok().and_then(|found| found.entries.into_iter().next()).map(Entry::new).transpose()?;
    let database = entry.and_then(|entry| entry.octets("invocationId").and_then(guid_text));
    Ok(database.map(|database| Since { server: format!("{service} {database}"), count }))
}

impl Since {
    fn filter(&self) -> String {
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

    #[test]
    fn parts_of_long_groups_are_told() {
        assert_eq!(range_end("member;range=0-1499"), Some(Some(1499)));
        assert_eq!(range_end("member;range=1500-*"), Some(None));
        assert_eq!(range_end("member"), None);
    }

    #[test]
    fn changes_are_told_by_count_or_time() {
        let since = |server: &str, count| Since { server: server.into(), count }.filter();
        assert_eq!(since("dc1", 41), "(uSNChanged>=42)");
        assert_eq!(since("", 1_700_000_000), "(modifyTimestamp>=20231114211320Z)");
    }

    #[test]
    fn prints_are_of_names_and_not_of_spellings() {
        let of = |text: &str| print(&Dn::parse(text).unwrap());
        assert_eq!(of("CN=A, dc=Test"), of("cn=a,DC=test"));
        assert_ne!(of("cn=a,dc=test"), of("cn=adc,dc=test"));
    }

    #[test]
    fn best_value_is_the_first_that_is_one() {
        let texts = |all: &[&str]| all.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let parse = |text: &str| text.parse::<u8>().map_err(|_| "no number");
        assert_eq!(best(&texts(&[]), parse), None);
        assert_eq!(best(&texts(&["x", "7"]), parse), Some(Ok(7)));
        assert_eq!(best(&texts(&["x", "y"]), parse), Some(Err("no number".into())));
    }
}
