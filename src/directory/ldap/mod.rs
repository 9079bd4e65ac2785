//! LDAP and Active Directory: finds the one entry of a name, binds with its password, reads its groups.
//!
//! A login goes to one host with all it asks, and to the next one if that host fails. What a host says is final, whether yes
//! or no. A password that was sent to a host which then fell silent may reach a second one: a wrong one then counts twice.

mod ber;
mod connector;
mod driver;
mod entry;
mod error;
#[doc(hidden)]
pub mod fuzz;
mod groups;
mod host_pool;
mod session;
mod sync;
mod verdict;

use super::{HostProbe, text_of};
use crate::config::directory::{self, AccountForm, BindAs, SearchAccount};
use crate::engine::SubmittedPassword;
use crate::engine::directory::{
    AuthFailure, BackendUnavailable, Credentials, DirectoryUser, PasswordBackend, PasswordResponse,
    UserDirectory,
};
use crate::engine::provider::ProviderFuture;
use crate::types::{CountryCode, NameRules, Printable, ProbeFault, SetupError, UserName};
use connector::LdapConnector;
use entry::AskedName;
use error::LdapFault;
use host_pool::{ConnectionUse, LdapHost};
use ldap3::{Scope, dn_escape};
use session::{LdapSession, ServerKind};
use std::sync::Arc;
use std::time::{Duration, Instant};
pub use sync::{ChangeMarker, ListRequest, ListResult, ListedUser, UserDetails};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use zeroize::Zeroizing;

/// Logins that are with the directory at once; each has one connection. The server's event loop cannot see descriptors above 1023
/// and needs most of the others itself.
const LOGINS: usize = 128;
/// A kept connection that has rested for this long is first asked whether it still is one.
const RESTED: Duration = Duration::from_secs(5);
/// How long it may take to say so.
const SIGN_OF_LIFE: Duration = Duration::from_secs(1);
/// The name of an entry that is not there.
const NOBODY: &str = "cn=mfa-nobody-of-this-name";
/// How many times `timeout` all answers together may take.
const IN_ALL: u32 = 4;

/// The directory of `ldap { }`.
pub struct LdapDirectory(Arc<LdapState>);

struct LdapState {
    config: directory::LdapOptions,
    names: NameRules,
    country: Option<CountryCode>,
    hosts: Vec<Arc<LdapHost>>,
    room: Semaphore,
}

/// Whether a kept connection will do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ConnectionReuse {
    Any,
    New,
}

impl LdapDirectory {
    pub(super) fn new(
        config: &directory::LdapOptions,
        names: &NameRules,
        country: Option<CountryCode>,
    ) -> Result<Self, SetupError> {
        if let Some(filter) = &config.filter {
            ldap3::parse_filter(filter).map_err(|()| {
                SetupError::option("filter", filter, "is none by RFC 4515: count its brackets")
            })?;
        }
        let hosts = LdapConnector::all(config)?.into_iter().map(LdapHost::new).collect();
        let (config, names, room) = (config.clone(), names.clone(), Semaphore::new(LOGINS));
        Ok(Self(Arc::new(LdapState { config, names, country, hosts, room })))
    }

    /// Who a user is, without the password; or why they would not be let in with it. `typed` is the name as it was typed, of which
    /// `user` is the canonical form.
    pub fn who_is(
        &self,
        user: &UserName,
        typed: &[u8],
    ) -> ProviderFuture<Result<DirectoryUser, AuthFailure>> {
        self.ask_hosts(user, typed, None)
    }

    /// Looks at each host: whether it can be reached, proves who it is, takes our account, and has the entries that the
    /// configuration names.
    pub fn probe_hosts(&self) -> ProviderFuture<Vec<HostProbe>> {
        let inner = Arc::clone(&self.0);
        Box::pin(async move {
            let mut all = Vec::new();
            for host in &inner.hosts {
                let limit = inner.config.timeout.saturating_mul(IN_ALL);
                let found = match timeout(limit, inner.look_at(host)).await {
                    Ok(found) => found.map_err(|fault| ProbeFault::new(fault.text())),
                    Err(_elapsed) => Err(ProbeFault(format!("no answer within {} s", limit.as_secs()))),
                };
                all.push(HostProbe { host: host.line.host.clone(), found });
            }
            all
        })
    }
}

impl PasswordBackend for LdapDirectory {
    fn name(&self) -> &'static str {
        "ldap"
    }

    fn verify_password(&self, claim: Credentials) -> ProviderFuture<Result<PasswordResponse, AuthFailure>> {
        let password = match &claim.password {
            SubmittedPassword::Plain(password) => text_of(password).ok_or(AuthFailure::Wrong),
            SubmittedPassword::Separate { .. } => Err(AuthFailure::Wrong),
            _ => Err(AuthFailure::NeedsPap),
        };
        match password {
            Ok(password) => {
                let asked = self.ask_hosts(&claim.user, &claim.typed, Some(password));
                Box::pin(async move { asked.await.map(PasswordResponse::from) })
            }
            Err(denied) => Box::pin(std::future::ready(Err(denied))),
        }
    }
}

impl UserDirectory for LdapDirectory {
    fn find_user(
        &self,
        user: &UserName,
        typed: &[u8],
    ) -> ProviderFuture<Result<Option<DirectoryUser>, BackendUnavailable>> {
        let asked = self.who_is(user, typed);
        Box::pin(async move {
            match asked.await {
                Ok(person) => Ok(Some(person)),
                Err(AuthFailure::Unavailable(why)) => Err(why),
                Err(AuthFailure::Blocked(why)) => Err(BackendUnavailable(why)),
                Err(_) => Ok(None),
            }
        })
    }
}

impl LdapDirectory {
    fn ask_hosts(
        &self,
        user: &UserName,
        typed: &[u8],
        password: Option<Zeroizing<String>>,
    ) -> ProviderFuture<Result<DirectoryUser, AuthFailure>> {
        let inner = Arc::clone(&self.0);
        let name = AskedName::new(&inner.config, &inner.names, user, typed);
        Box::pin(async move {
            let name = name.ok_or(AuthFailure::Unknown)?;
            inner.ask_user(&name, password.as_deref()).await
        })
    }
}

impl LdapState {
    async fn ask_user(
        self: &Arc<Self>,
        user: &AskedName,
        password: Option<&String>,
    ) -> Result<DirectoryUser, AuthFailure> {
        let limit = self.config.timeout.saturating_mul(IN_ALL);
        let late = |what: &str| BackendUnavailable(format!("{what} within {} s", limit.as_secs()));
        let room = timeout(limit, self.room.acquire()).await;
        let _room = room.map_err(|_elapsed| late("too many logins wait for the directory: no turn"))?;
        let asked = timeout(limit, self.ask_hosts(user, password.map(String::as_str))).await;
        asked.unwrap_or_else(|_elapsed| Err(late("no whole answer").into()))
    }

    async fn ask_hosts(
        self: &Arc<Self>,
        user: &AskedName,
        password: Option<&str>,
    ) -> Result<DirectoryUser, AuthFailure> {
        let order = host_pool::host_order(&self.hosts, Instant::now());
        let look_after =
            |host: &Arc<LdapHost>| drop(tokio::spawn(Arc::clone(self).look_after(Arc::clone(host))));
        order.probe.iter().for_each(look_after);
        let mut why = Vec::new();
        let mut asked = order.ask.iter();
        while let Some(host) = asked.next() {
            let start = Instant::now();
            let mut answer = self.ask_host(host, ConnectionReuse::Any, user, password).await;
            if matches!(answer, Err(LdapFault::Broken(_))) {
                // It has been restarted, or was tired of the connection.
                host.drop_connections();
                answer = self.ask_host(host, ConnectionReuse::New, user, password).await;
            }
            match answer {
                Ok(answer) => {
                    host.record_success();
                    // Whose turn it was, too, and did not come.
                    asked.filter(|host| host.health.is_tried()).for_each(look_after);
                    return answer;
                }
                Err(LdapFault::Settled(text)) => {
                    return Err(BackendUnavailable(format!("{}: {text}", host.line.host)).into());
                }
                // No other host is asked instead.
                Err(LdapFault::Answered(text)) => {
                    return Err(AuthFailure::Blocked(format!("{}: {text}", host.line.host)));
                }
                Err(fault) => {
                    why.push(format!("{}: {}", host.line.host, fault.text()));
                    host.record_failure(&fault, start.elapsed(), Instant::now());
                }
            }
        }
        let left_out =
            self.hosts.iter().filter(|host| !order.ask.iter().any(|asked| Arc::ptr_eq(asked, host)));
        why.extend(left_out.filter_map(|host| {
            Some(format!("{}: left out for a while: {}", host.line.host, host.health.outage_reason()?))
        }));
        Err(BackendUnavailable(why.join("; ")).into())
    }

    /// All that one login asks of one host. `Err`: it gave no answer.
    async fn ask_host(
        &self,
        host: &LdapHost,
        connection: ConnectionReuse,
        user: &AskedName,
        password: Option<&str>,
    ) -> Result<Result<DirectoryUser, AuthFailure>, LdapFault> {
        if let SearchAccount::User(bind_as) = &self.config.account {
            let Some(password) = password else {
                let text = "no user can be looked up without a password: set service_account_username";
                return Err(LdapFault::Settled(text.to_owned()));
            };
            return self.ask_as_user(host, connection, user, password, bind_as).await;
        }
        let mut session = self.acquire_session(host, ConnectionUse::Search, connection).await?;
        let entry = entry::find_entry(&mut session, &self.config, user, None).await?;
        host.keep_connection(ConnectionUse::Search, session);
        let entry = match entry {
            Ok(entry) => entry,
            Err(denied) => {
                // Takes as long as for an existing user: the time does not tell who exists.
                if let (Some(password), Some(base)) = (password, self.config.search_dn.first()) {
                    let mut session = self.acquire_session(host, ConnectionUse::User, connection).await?;
                    let _ = session.bind_user(&format!("{NOBODY},{}", base.as_str()), password).await?;
                    host.keep_connection(ConnectionUse::User, session);
                }
                return Ok(Err(denied));
            }
        };
        if let Some(password) = password {
            let mut session = self.acquire_session(host, ConnectionUse::User, connection).await?;
            let bound = session.bind_user(entry.dn.as_str(), password).await?;
            host.keep_connection(ConnectionUse::User, session);
            if let Err(denied) = bound {
                return Ok(Err(denied));
            }
        }
        let mut session = self.acquire_session(host, ConnectionUse::Search, connection).await?;
        let person = self.find_person(&mut session, user, &entry).await?;
        host.keep_connection(ConnectionUse::Search, session);
        Ok(self.check_membership(person))
    }

    async fn ask_as_user(
        &self,
        host: &LdapHost,
        connection: ConnectionReuse,
        user: &AskedName,
        password: &str,
        bind_as: &BindAs,
    ) -> Result<Result<DirectoryUser, AuthFailure>, LdapFault> {
        let BindAs { before, after, form } = bind_as;
        let name = match form {
            AccountForm::Dn => format!("{before}{}{after}", dn_escape(user.spelled.as_str())),
            AccountForm::Plain => format!("{before}{}{after}", user.spelled),
        };
        let mut session = self.acquire_session(host, ConnectionUse::User, connection).await?;
        if let Err(denied) = session.bind_user(&name, password).await? {
            host.keep_connection(ConnectionUse::User, session);
            return Ok(Err(denied));
        }
        let own = (*form == AccountForm::Dn).then_some(name.as_str());
        let person = match entry::find_entry(&mut session, &self.config, user, own).await? {
            Ok(entry) => self.find_person(&mut session, user, &entry).await?,
            Err(denied) => return Ok(Err(denied)),
        };
        host.keep_connection(ConnectionUse::User, session);
        Ok(self.check_membership(person))
    }

    async fn find_person(
        &self,
        session: &mut LdapSession,
        user: &AskedName,
        entry: &entry::LdapEntry,
    ) -> Result<DirectoryUser, LdapFault> {
        let name = entry::name_of(entry, &self.config, user);
        let groups = groups::groups_of(session, &self.config, entry, name).await?;
        Ok(entry::to_directory_user(&self.config, self.country.as_ref(), user, entry, groups))
    }

    fn check_membership(&self, person: DirectoryUser) -> Result<DirectoryUser, AuthFailure> {
        let needed = &self.config.security_groups;
        let is_in = needed.is_empty()
            || needed.iter().any(|group| person.groups.iter().flatten().any(|his| his == group));
        if is_in { Ok(person) } else { Err(AuthFailure::NotMember) }
    }

    /// A connection that is fit for this, kept or new.
    async fn acquire_session(
        &self,
        host: &LdapHost,
        purpose: ConnectionUse,
        connection: ConnectionReuse,
    ) -> Result<LdapSession, LdapFault> {
        if connection == ConnectionReuse::Any
            && let Some(mut session) = host.take_connection(purpose)
        {
            if session.used.elapsed() < RESTED
                || session.is_alive(SIGN_OF_LIFE.min(self.config.timeout)).await
            {
                return Ok(session);
            }
            // What has become of this one has become of the others.
            host.drop_connections();
        }
        let mut session = LdapSession::new(host.line.open_session().await?, self.config.timeout);
        if let (ConnectionUse::Search, SearchAccount::Service(name, password)) =
            (purpose, &self.config.account)
        {
            let text = text_of(password).unwrap_or_default();
            session.bind_service(name, &text).await?;
        }
        let is_asked =
            purpose == ConnectionUse::Search || matches!(self.config.account, SearchAccount::User(_));
        if is_asked && self.config.groups != directory::GroupMode::None {
            session.read_root_dse().await?;
        }
        Ok(session)
    }

    /// Tries a host that was left out.
    async fn look_after(self: Arc<Self>, host: Arc<LdapHost>) {
        let purpose = match self.config.account {
            SearchAccount::User(_) => ConnectionUse::User,
            SearchAccount::Nobody | SearchAccount::Service(..) => ConnectionUse::Search,
        };
        let start = Instant::now();
        let silent = |_elapsed| LdapFault::Silent("no answer in time".to_owned());
        let tried = timeout(self.config.timeout, async {
            let mut session = self.acquire_session(&host, purpose, ConnectionReuse::New).await?;
            match session.is_alive(self.config.timeout).await {
                true => Ok(session),
                false => Err(LdapFault::Broken("the connection ended".to_owned())),
            }
        });
        match tried.await.map_err(silent).flatten() {
            Ok(session) => {
                host.record_success();
                host.keep_connection(purpose, session);
            }
            Err(fault) => host.record_failure(&fault, start.elapsed(), Instant::now()),
        }
    }

    /// For `mfa doctor`.
    async fn look_at(&self, host: &LdapHost) -> Result<String, LdapFault> {
        let config = &self.config;
        if let SearchAccount::User(_) = config.account {
            let mut session = self.acquire_session(host, ConnectionUse::User, ConnectionReuse::New).await?;
            session.read_root_dse().await?;
            return Ok(format!("{}, users bind themselves", session.tree.kind.words()));
        }
        let mut session = self.acquire_session(host, ConnectionUse::Search, ConnectionReuse::New).await?;
        session.read_root_dse().await?;
        let places = config.search_dn.iter().map(|dn| ("search_dn", dn));
        let places = places.chain(config.group_search_dn.iter().map(|dn| ("group_search_dn", dn)));
        for (option, dn) in places.chain(config.security_groups.iter().map(|dn| ("security_group_dn", dn))) {
            let found =
                session.search_entries(dn.as_str(), Scope::Base, "(objectClass=*)", &["1.1"], 1).await;
            let is_there =
                found.map_err(|fault| LdapFault::Settled(format!("{option}: {}", fault.text())))?;
            if is_there.entries.is_empty() {
                let shown = Printable::new(dn.as_str());
                return Err(LdapFault::Settled(format!(
                    "{option}: \"{shown}\" is not there, or may not be read"
                )));
            }
        }
        self.check_has_users(&mut session).await?;
        let account = match &config.account {
            SearchAccount::Service(..) => "takes the service account",
            SearchAccount::Nobody | SearchAccount::User(_) => "is searched anonymously",
        };
        Ok(format!("{}, {account}", session.tree.kind.words()))
    }
}

impl LdapState {
    /// For `mfa doctor`: whether any user could be found by name.
    async fn check_has_users(&self, session: &mut LdapSession) -> Result<(), LdapFault> {
        let attribute = &self.config.username_attribute;
        let named = format!("({attribute}=*)");
        let fit = self.config.filter.as_ref().map(|filter| format!("(&{filter}{named})"));
        let nobody = format!("username_attribute: no entry below search_dn has \"{attribute}\"");
        let unfit = "filter: no entry below search_dn matches it".to_owned();
        for (filter, why) in [(Some(named), nobody), (fit, unfit)] {
            let Some(filter) = filter else { continue };
            let mut is_there = false;
            for base in &self.config.search_dn {
                let found =
                    session.search_entries(base.as_str(), Scope::Subtree, &filter, &["1.1"], 1).await?;
                is_there = is_there || !found.entries.is_empty();
            }
            if !is_there {
                return Err(LdapFault::Settled(format!("{why}, or it may not be read")));
            }
        }
        Ok(())
    }
}

impl ServerKind {
    fn words(self) -> &'static str {
        match self {
            Self::Active => "Active Directory",
            Self::Other => "an LDAP server",
        }
    }
}
