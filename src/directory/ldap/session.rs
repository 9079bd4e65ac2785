//! A connection, and what is said over it: binds and searches, each bounded in time.

use super::driver::{ConnectionDriver, DrivenConnection};
use super::error::LdapFault;
use super::verdict;
use crate::engine::directory::AuthFailure;
use crate::types::{DistinguishedName, Printable};
use ldap3::adapters::{Adapter, EntriesOnly, PagedResults};
use ldap3::controls::RawControl;
use ldap3::{DerefAliases, LdapResult, Scope, SearchEntry, SearchOptions, SearchStream};
use std::time::{Duration, Instant};

/// Entries that are asked for at once.
const PAGE: i32 = 500;
/// What says that it is Active Directory, or its little sister.
const ACTIVE_DIRECTORY: [&str; 2] = ["1.2.840.113556.1.4.800", "1.2.840.113556.1.4.1851"];

/// One connection, used by one caller at a time, with nothing under way on it.
pub(super) struct LdapSession {
    line: DrivenConnection,
    limit: Duration,
    /// When something was last heard.
    pub(super) used: Instant,
    /// What the server tells of itself; empty if it was not asked.
    pub(super) tree: RootDse,
}

/// What a server tells of itself.
#[derive(Clone, Debug, Default)]
pub(super) struct RootDse {
    pub(super) kind: ServerKind,
    /// The tops of its trees, its own first.
    pub(super) tops: Vec<DistinguishedName>,
}

/// The kind of directory server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) enum ServerKind {
    /// Active Directory: groups are asked for with a rule of its own.
    Active,
    /// A server of another kind.
    #[default]
    Other,
}

/// What a search came to.
pub(super) struct SearchResult {
    pub(super) entries: Vec<SearchEntry>,
    /// Whether the server has more entries.
    pub(super) is_cut: bool,
}

impl LdapSession {
    pub(super) fn new(line: DrivenConnection, limit: Duration) -> Self {
        Self { line, limit, used: Instant::now(), tree: RootDse::default() }
    }

    /// Whether its other end has closed it, as far as is known here.
    pub(super) fn is_closed(&mut self) -> bool {
        self.line.driver.is_over()
    }

    /// Whether the host still answers within that time.
    pub(super) async fn is_alive(&mut self, within: Duration) -> bool {
        let asked = self.line.ldap.search("", Scope::Base, "(objectClass=*)", ["1.1"]);
        let answered = self.line.driver.drive_within("search", within, asked).await.is_ok();
        self.used = Instant::now();
        answered
    }

    /// Binds as a user. From then on the session belongs to that user, or is dropped.
    pub(super) async fn bind_user(
        &mut self,
        name: &str,
        password: &str,
    ) -> Result<Result<(), AuthFailure>, LdapFault> {
        verdict::of_bind(&self.simple_bind(name, password).await?)
    }

    /// Binds the module's own account.
    pub(super) async fn bind_service(&mut self, name: &str, password: &str) -> Result<(), LdapFault> {
        let answer = self.simple_bind(name, password).await?;
        let denied = match verdict::of_bind(&answer)? {
            Ok(()) => return Ok(()),
            Err(denied) => denied,
        };
        let (code, text) = (answer.rc, Printable::new(&answer.text));
        Err(LdapFault::Refused(format!(
            "it does not take the service account ({denied}; result code {code} {text}): compare \
             service_account_username and service_account_password"
        )))
    }

    async fn simple_bind(&mut self, name: &str, password: &str) -> Result<LdapResult, LdapFault> {
        // RFC 4513, section 5.1.2: without a password or a name it would be an anonymous bind, and succeed.
        if name.is_empty() || password.is_empty() {
            return Err(LdapFault::Settled("a bind without name or password".to_owned()));
        }
        let control = RawControl { ctype: verdict::POLICY.to_owned(), crit: false, val: None };
        let asked = self.line.ldap.with_controls(control).simple_bind(name, password);
        let answer = self.line.driver.drive_within("bind", self.limit, asked).await?;
        self.used = Instant::now();
        Ok(answer)
    }

    /// Asks the server what it is. One that does not tell is any other.
    pub(super) async fn read_root_dse(&mut self) -> Result<(), LdapFault> {
        let attributes = ["supportedCapabilities", "defaultNamingContext", "namingContexts"];
        let asked = self.line.ldap.search("", Scope::Base, "(objectClass=*)", attributes);
        let ldap3::SearchResult(entries, _) =
            self.line.driver.drive_within("search", self.limit, asked).await?;
        self.used = Instant::now();
        let entry = entries.into_iter().next().map(SearchEntry::construct);
        let values = |name: &'static str| {
            let all = entry.iter().flat_map(|entry| &entry.attrs);
            all.filter(move |(own, _)| own.eq_ignore_ascii_case(name)).flat_map(|(_, values)| values.clone())
        };
        let is_active = values("supportedCapabilities").any(|oid| ACTIVE_DIRECTORY.contains(&oid.as_str()));
        let tops = values("defaultNamingContext").chain(values("namingContexts"));
        self.tree = RootDse {
            kind: if is_active { ServerKind::Active } else { ServerKind::Other },
            tops: tops.filter_map(|top| DistinguishedName::parse(&top).ok()).collect(),
        };
        Ok(())
    }

    /// At most `most` entries. Referrals are left alone, aliases as they are.
    pub(super) async fn search_entries(
        &mut self,
        base: &str,
        scope: Scope,
        filter: &str,
        attributes: &[&str],
        most: i32,
    ) -> Result<SearchResult, LdapFault> {
        let options = SearchOptions::new().deref(DerefAliases::Never).sizelimit(most);
        let ldap = self.line.ldap.with_search_options(options);
        let asked = ldap.search(base, scope, filter, attributes.to_vec());
        let ldap3::SearchResult(entries, answer) =
            self.line.driver.drive_within("search", self.limit, asked).await?;
        self.used = Instant::now();
        let is_cut = match answer.rc {
            0 => false,
            4 => true,
            _ => return Err(no_result(base, &answer)),
        };
        Ok(SearchResult { entries: entries.into_iter().map(SearchEntry::construct).collect(), is_cut })
    }

    /// All entries below `base`. More than `most` are too many.
    pub(super) async fn search_all(
        &mut self,
        base: &str,
        filter: &str,
        attributes: &[&str],
        most: usize,
    ) -> Result<Vec<SearchEntry>, LdapFault> {
        let mut reading = self.read(base, filter, attributes).await?;
        let mut entries = Vec::new();
        while let Some(entry) = reading.next().await? {
            if entries.len() >= most {
                return Err(LdapFault::Answered(format!("more than {most} groups")));
            }
            entries.push(entry);
        }
        self.used = Instant::now();
        Ok(entries)
    }

    /// The entries below `base` as they come, page by page.
    pub(super) async fn read(
        &mut self,
        base: &str,
        filter: &str,
        attributes: &[&str],
    ) -> Result<PagedSearch<'_>, LdapFault> {
        let limit = self.limit;
        let adapters: Vec<Box<dyn Adapter<_, _>>> =
            vec![Box::new(EntriesOnly::new()), Box::new(PagedResults::new(PAGE))];
        let attributes = attributes.iter().map(|name| (*name).to_owned()).collect();
        let asked = self
            .line
            .ldap
            .with_search_options(SearchOptions::new().deref(DerefAliases::Never))
            .streaming_search_with(adapters, base, Scope::Subtree, filter, attributes);
        let stream = self.line.driver.drive_within("search", limit, asked).await?;
        Ok(PagedSearch { stream, driver: &mut self.line.driver, limit, base: base.to_owned() })
    }
}

/// A search of many entries.
pub(super) struct PagedSearch<'s> {
    stream: SearchStream<'static, String, Vec<String>>,
    driver: &'s mut ConnectionDriver,
    limit: Duration,
    base: String,
}

impl PagedSearch<'_> {
    /// The next entry; none if these were all.
    pub(super) async fn next(&mut self) -> Result<Option<SearchEntry>, LdapFault> {
        if let Some(entry) = self.driver.drive_within("search", self.limit, self.stream.next()).await? {
            return Ok(Some(SearchEntry::construct(entry)));
        }
        let answer = self.stream.finish().await;
        if answer.rc == 0 { Ok(None) } else { Err(no_result(&self.base, &answer)) }
    }
}

/// Why a search has no result that may be relied on.
fn no_result(base: &str, answer: &LdapResult) -> LdapFault {
    let text = Printable::new(&answer.text);
    let place = Printable::new(base);
    match answer.rc {
        1 | 50 => LdapFault::Settled(format!(
            "search below \"{place}\": not allowed (result code {}) {text}: set service_account_username, or bind_as",
            answer.rc
        )),
        10 => LdapFault::Settled(format!(
            "search below \"{place}\": it refers to another server, which is not followed: name that one in \"host\""
        )),
        32 => LdapFault::Settled(format!("search below \"{place}\": there is no such entry")),
        51 | 52 | 80 => LdapFault::Unreachable(format!("search: result code {} {text}", answer.rc)),
        code => LdapFault::Settled(format!("search below \"{place}\": result code {code} {text}")),
    }
}
