//! The hosts in their order, and the connections that are kept to each.
//!
//! A host that failed is left out for a while ([`HostHealth`]). When the pause is over, it is tried beside the logins, which
//! meanwhile go to the others. Where no other is left, one login at a time tries it.

use super::super::host_health::{FailureWeight, HostHealth};
use super::connector::LdapConnector;
use super::error::LdapFault;
use super::session::LdapSession;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long one try of a host may take.
const LONGEST_TRY: Duration = Duration::from_secs(30);
/// A failure that took no longer than this may be repeated by every login.
const CHEAP: Duration = Duration::from_millis(250);
/// How many connections of a kind are kept to one host, and for how long.
const SPARE: usize = 64;
const IDLE: Duration = Duration::from_secs(60);

/// What a connection is for. The kinds are never mixed: a search must not run as a bound user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ConnectionUse {
    /// Searches of the module's own account.
    Search,
    /// Binds of users, and what they do themselves.
    User,
}

pub(super) struct LdapHost {
    pub(super) line: LdapConnector,
    pub(super) health: HostHealth,
    /// Whether the last failure took long, or harms: then every login but one keeps away.
    is_costly: AtomicBool,
    kept: Mutex<KeptSessions>,
}

/// Connections that are kept, by what they are for.
#[derive(Default)]
struct KeptSessions {
    search: Vec<LdapSession>,
    user: Vec<LdapSession>,
}

/// Hosts that a login may ask, and a host that should be tried.
pub(super) struct LdapHostOrder {
    pub(super) ask: Vec<Arc<LdapHost>>,
    pub(super) probe: Vec<Arc<LdapHost>>,
}

impl LdapHost {
    pub(super) fn new(line: LdapConnector) -> Arc<Self> {
        Arc::new(Self {
            line,
            health: HostHealth::new(LONGEST_TRY),
            is_costly: AtomicBool::new(false),
            kept: Mutex::default(),
        })
    }

    fn lock_kept(&self) -> MutexGuard<'_, KeptSessions> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A kept connection, the one that was used last.
    pub(super) fn take_connection(&self, purpose: ConnectionUse) -> Option<LdapSession> {
        let mut sessions = self.lock_kept();
        let kept = sessions.for_use(purpose);
        loop {
            let mut session = kept.pop()?;
            if session.used.elapsed() > IDLE {
                // Those below it have rested longer.
                kept.clear();
                return None;
            }
            if !session.is_closed() {
                return Some(session);
            }
        }
    }

    /// Keeps a connection that is well. That it is shows that the host is.
    pub(super) fn keep_connection(&self, purpose: ConnectionUse, session: LdapSession) {
        let mut sessions = self.lock_kept();
        let kept = sessions.for_use(purpose);
        if kept.len() >= SPARE {
            kept.remove(0);
        }
        kept.push(session);
    }

    /// Lets go of all connections: something is wrong with one.
    pub(super) fn drop_connections(&self) {
        *self.lock_kept() = KeptSessions::default();
    }

    /// Records that the host has answered.
    pub(super) fn record_success(&self) {
        self.health.record_success(Instant::now());
    }

    /// Records that the host has failed after this time.
    pub(super) fn record_failure(&self, fault: &LdapFault, took: Duration, now: Instant) {
        self.drop_connections();
        let is_costly = took > CHEAP || matches!(fault, LdapFault::Refused(_) | LdapFault::Silent(_));
        self.is_costly.store(is_costly, Ordering::Relaxed);
        let _ = self.health.record_failure(fault.text(), FailureWeight::Certain, now);
    }

    fn is_cheap(&self) -> bool {
        !self.is_costly.load(Ordering::Relaxed)
    }
}

impl KeptSessions {
    fn for_use(&mut self, purpose: ConnectionUse) -> &mut Vec<LdapSession> {
        match purpose {
            ConnectionUse::Search => &mut self.search,
            ConnectionUse::User => &mut self.user,
        }
    }
}

/// Those that are well, in their order; then those that are not but cost nothing to try.
pub(super) fn host_order(hosts: &[Arc<LdapHost>], now: Instant) -> LdapHostOrder {
    let (well, down): (Vec<_>, Vec<_>) = hosts.iter().cloned().partition(|host| !host.health.is_down());
    let (due, resting): (Vec<_>, Vec<_>) = down.into_iter().partition(|host| host.health.start_trial(now));
    let resting = resting.into_iter().filter(|host| host.is_cheap());
    match well.is_empty() {
        true => LdapHostOrder { ask: due.into_iter().chain(resting).collect(), probe: Vec::new() },
        false => LdapHostOrder { ask: well.into_iter().chain(resting).collect(), probe: due },
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::host_health::PAUSE;
    use super::*;
    use crate::config::tree::Section;
    use crate::config::{Config, read_text};

    fn hosts() -> Vec<Arc<LdapHost>> {
        let text = "mfa {\nldap {\nhost = a\nhost = b\nsearch_dn = \"dc=test\"\ntransport = clear\ncleartext = yes\n}\n}\n";
        let tree: Section = read_text(text, &|_| None).unwrap();
        let config = Config::read(tree.section("mfa").unwrap()).unwrap().ldap.unwrap();
        LdapConnector::all(&config).unwrap().into_iter().map(LdapHost::new).collect()
    }

    fn told(hosts: &[Arc<LdapHost>], now: Instant) -> (Vec<&str>, Vec<&str>) {
        let order = host_order(hosts, now);
        let name = |host: &Arc<LdapHost>| if host.line.host == "a" { "a" } else { "b" };
        (order.ask.iter().map(name).collect(), order.probe.iter().map(name).collect())
    }

    fn silent() -> LdapFault {
        LdapFault::Silent("x".into())
    }

    const LONG: Duration = Duration::from_secs(2);

    #[test]
    fn dead_host_is_left_out_until_somebody_has_seen_it_alive() {
        let (hosts, now) = (hosts(), Instant::now());
        assert_eq!(told(&hosts, now), (vec!["a", "b"], vec![]));
        hosts[0].record_failure(&silent(), LONG, now);
        assert_eq!(told(&hosts, now), (vec!["b"], vec![]));
        let later = now + PAUSE;
        assert_eq!(told(&hosts, later), (vec!["b"], vec!["a"]));
        assert_eq!(told(&hosts, later), (vec!["b"], vec![]), "one looks after it");
        hosts[0].record_failure(&silent(), LONG, later);
        assert_eq!(told(&hosts, later + PAUSE), (vec!["b"], vec![]), "the pause has doubled");
        assert_eq!(told(&hosts, later + 2 * PAUSE), (vec!["b"], vec!["a"]));
        hosts[0].record_success();
        assert_eq!(told(&hosts, later), (vec!["a", "b"], vec![]));
    }

    #[test]
    fn where_all_are_dead_one_login_at_a_time_finds_out() {
        let (hosts, now) = (hosts(), Instant::now());
        for host in &hosts {
            host.record_failure(&silent(), LONG, now);
        }
        assert_eq!(told(&hosts, now), (vec![], vec![]));
        assert_eq!(told(&hosts, now + PAUSE), (vec!["a", "b"], vec![]));
        assert_eq!(told(&hosts, now + PAUSE), (vec![], vec![]));
    }

    #[test]
    fn what_costs_nothing_is_tried_last() {
        let (hosts, now) = (hosts(), Instant::now());
        hosts[0].record_failure(&LdapFault::Unreachable("refused".into()), Duration::ZERO, now);
        assert_eq!(told(&hosts, now), (vec!["b", "a"], vec![]));
        hosts[1].record_failure(&LdapFault::Refused("account".into()), Duration::ZERO, now);
        assert_eq!(told(&hosts, now), (vec!["a"], vec![]));
    }
}
