//! The hosts in their order, which of them is well, and the connections that are kept to each.
//!
//! A host that failed is left out for a while, so that it costs one login its time and not all of them. When the while is over,
//! it is tried beside the logins, which meanwhile go to the others. Where no other is left, one login at a time tries it.

use super::connector::LdapConnector;
use super::error::LdapFault;
use super::session::LdapSession;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The first pause after a failure, doubled with each further one, and the longest.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// How long one try of a host may take.
const LONGEST_TRY: Duration = Duration::from_secs(30);
/// A failure that took no longer than this may be had again by everybody.
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
    state: Mutex<LdapHostState>,
}

#[derive(Default)]
struct LdapHostState {
    down: Option<LdapHostDown>,
    search: Vec<LdapSession>,
    user: Vec<LdapSession>,
}

struct LdapHostDown {
    until: Instant,
    pause: Duration,
    /// A login is trying it; if that does not report back, the next one may try after `until`.
    is_tried: bool,
    /// It takes long to fail, or harms: everybody but one keeps away.
    is_costly: bool,
    why: String,
}

/// Hosts that a login may ask, and a host that should be tried.
pub(super) struct LdapHostOrder {
    pub(super) ask: Vec<Arc<LdapHost>>,
    pub(super) probe: Vec<Arc<LdapHost>>,
}

impl LdapHost {
    pub(super) fn new(line: LdapConnector) -> Arc<Self> {
        Arc::new(Self { line, state: Mutex::default() })
    }

    fn lock_state(&self) -> MutexGuard<'_, LdapHostState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A kept connection, the one that was used last.
    pub(super) fn take_connection(&self, purpose: ConnectionUse) -> Option<LdapSession> {
        let mut state = self.lock_state();
        let kept = state.kept_connections(purpose);
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
        let mut state = self.lock_state();
        let kept = state.kept_connections(purpose);
        if kept.len() >= SPARE {
            kept.remove(0);
        }
        kept.push(session);
    }

    /// Lets go of all connections: something is wrong with one.
    pub(super) fn drop_connections(&self) {
        let mut state = self.lock_state();
        state.search.clear();
        state.user.clear();
    }

    /// Records that the host has answered.
    pub(super) fn is_well(&self) {
        self.lock_state().down = None;
    }

    /// It has not, for this long.
    pub(super) fn has_failed(&self, fault: &LdapFault, took: Duration, now: Instant) {
        self.drop_connections();
        let mut state = self.lock_state();
        let is_costly = took > CHEAP || matches!(fault, LdapFault::Refused(_) | LdapFault::Silent(_));
        let pause = match &state.down {
            None => PAUSE,
            Some(down) if down.is_tried => down.pause.saturating_mul(2).min(LONGEST_PAUSE),
            // Others who were under way to it are no further failures.
            Some(down) => down.pause,
        };
        let why = fault.text().to_owned();
        state.down =
            Some(LdapHostDown { until: next_try(now, pause), pause, is_tried: false, is_costly, why });
    }

    /// Why it is left out, if it is.
    pub(super) fn why_down(&self) -> Option<String> {
        self.lock_state().down.as_ref().map(|down| down.why.clone())
    }

    /// Whether it is time to try it again; if so, this caller alone does.
    fn is_due(&self, now: Instant) -> bool {
        match &mut self.lock_state().down {
            Some(down) if now >= down.until => {
                (down.until, down.is_tried) = (next_try(now, LONGEST_TRY), true);
                true
            }
            _ => false,
        }
    }

    /// Whether it is left out, and due to be tried.
    pub(super) fn is_tried(&self) -> bool {
        self.lock_state().down.as_ref().is_some_and(|down| down.is_tried)
    }

    fn is_cheap(&self) -> bool {
        self.lock_state().down.as_ref().is_none_or(|down| !down.is_costly)
    }
}

fn next_try(now: Instant, pause: Duration) -> Instant {
    now.checked_add(pause).unwrap_or(now)
}

impl LdapHostState {
    fn kept_connections(&mut self, purpose: ConnectionUse) -> &mut Vec<LdapSession> {
        match purpose {
            ConnectionUse::Search => &mut self.search,
            ConnectionUse::User => &mut self.user,
        }
    }
}

/// Those that are well, in their order; then those that are not but cost nothing to try.
pub(super) fn host_order(hosts: &[Arc<LdapHost>], now: Instant) -> LdapHostOrder {
    let (well, down): (Vec<_>, Vec<_>) = hosts.iter().cloned().partition(|host| host.why_down().is_none());
    let (due, resting): (Vec<_>, Vec<_>) = down.into_iter().partition(|host| host.is_due(now));
    let resting = resting.into_iter().filter(|host| host.is_cheap());
    match well.is_empty() {
        true => LdapHostOrder { ask: due.into_iter().chain(resting).collect(), probe: Vec::new() },
        false => LdapHostOrder { ask: well.into_iter().chain(resting).collect(), probe: due },
    }
}

#[cfg(test)]
mod tests {
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
        hosts[0].has_failed(&silent(), LONG, now);
        assert_eq!(told(&hosts, now), (vec!["b"], vec![]));
        let later = now + PAUSE;
        assert_eq!(told(&hosts, later), (vec!["b"], vec!["a"]));
        assert_eq!(told(&hosts, later), (vec!["b"], vec![]), "one looks after it");
        hosts[0].has_failed(&silent(), LONG, later);
        assert_eq!(told(&hosts, later + PAUSE), (vec!["b"], vec![]), "the pause has doubled");
        assert_eq!(told(&hosts, later + 2 * PAUSE), (vec!["b"], vec!["a"]));
        hosts[0].is_well();
        assert_eq!(told(&hosts, later), (vec!["a", "b"], vec![]));
    }

    #[test]
    fn where_all_are_dead_one_login_at_a_time_finds_out() {
        let (hosts, now) = (hosts(), Instant::now());
        for host in &hosts {
            host.has_failed(&silent(), LONG, now);
        }
        assert_eq!(told(&hosts, now), (vec![], vec![]));
        assert_eq!(told(&hosts, now + PAUSE), (vec!["a", "b"], vec![]));
        assert_eq!(told(&hosts, now + PAUSE), (vec![], vec![]));
    }

    #[test]
    fn what_costs_nothing_is_tried_last() {
        let (hosts, now) = (hosts(), Instant::now());
        hosts[0].has_failed(&LdapFault::Unreachable("refused".into()), Duration::ZERO, now);
        assert_eq!(told(&hosts, now), (vec!["b", "a"], vec![]));
        hosts[1].has_failed(&LdapFault::Refused("account".into()), Duration::ZERO, now);
        assert_eq!(told(&hosts, now), (vec!["a"], vec![]));
    }
}
