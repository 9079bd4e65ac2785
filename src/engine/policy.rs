//! Who needs no second factor: the exceptions of `policy { }`, and users for whom it is not required.
//!
//! A condition about unknown facts does not hold, and the requirement then stays: a group that could not be read
//! counts as a group that the user may be in.

use crate::config::policy::{ClientMatch, GroupName, PolicyException, PolicyOptions, RequiredFor};
use crate::types::{Timestamp, UserName};
use std::net::IpAddr;

/// What is known of a login before anything in it was checked.
#[derive(Clone, Debug, Default)]
pub struct PolicyContext {
    /// Whose it is; none where the name is anybody's.
    pub user: Option<UserName>,
    /// The client's address (NAS).
    pub client: String,
    /// The client's `shortname` in clients.conf.
    pub client_name: String,
    /// Calling-Station-Id; empty if there is none.
    pub calling_station: String,
    /// The user's groups; `None` if they were not read.
    pub groups: Option<Vec<String>>,
}

/// Why no second factor is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExemptionReason<'p> {
    /// By the exception of that name.
    Exception(&'p str),
    /// `required { }` names neither a group of the user nor the client.
    NotRequired,
}

impl ExemptionReason<'_> {
    /// What the log and the audit trail call it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Exception(name) => name,
            Self::NotRequired => "not required",
        }
    }
}

impl PolicyOptions {
    /// Why this login needs no second factor now; none if it does.
    pub fn find_exemption(&self, who: &PolicyContext, now: Timestamp) -> Option<ExemptionReason<'_>> {
        if !self.requires_second_factor(who) {
            return Some(ExemptionReason::NotRequired);
        }
        let held = self
            .exceptions
            .iter()
            .find(|exception| !exception.has_expired(now) && all_conditions_hold(exception, who));
        held.map(|exception| ExemptionReason::Exception(&exception.name))
    }

    /// Whether no user can be exempt.
    pub fn asks_everybody(&self) -> bool {
        self.exceptions.is_empty() && self.required == RequiredFor::default()
    }

    /// Whether `required { }` names the user. Where that cannot be determined, it does.
    fn requires_second_factor(&self, who: &PolicyContext) -> bool {
        let required = &self.required;
        if required.groups.is_empty() && required.clients.is_empty() {
            return true;
        }
        let in_group = match &who.groups {
            _ if required.groups.is_empty() => false,
            None => true,
            Some(groups) => is_in(&required.groups, groups),
        };
        let from_client = match canonical_address(&who.client) {
            _ if required.clients.is_empty() => false,
            None => true,
            Some(_) => is_from(&required.clients, who),
        };
        in_group || from_client
    }
}

/// Whether each of its conditions does.
fn all_conditions_hold(exception: &PolicyException, who: &PolicyContext) -> bool {
    let PolicyException { users, clients, networks, groups, .. } = exception;
    let none = users.is_empty() && clients.is_empty() && networks.is_empty() && groups.is_empty();
    let user =
        || who.user.as_ref().is_some_and(|name| users.iter().any(|user| user.matches_user(name.as_str())));
    let network = || {
        canonical_address(&who.calling_station)
            .is_some_and(|at| networks.iter().any(|net| net.contains_address(&at)))
    };
    let group = || who.groups.as_ref().is_some_and(|his| is_in(groups, his));
    !none
        && (users.is_empty() || user())
        && (clients.is_empty() || is_from(clients, who))
        && (networks.is_empty() || network())
        && (groups.is_empty() || group())
}

fn is_in(groups: &[GroupName], his: &[String]) -> bool {
    groups.iter().any(|group| his.iter().any(|name| group.is(name)))
}

fn is_from(clients: &[ClientMatch], who: &PolicyContext) -> bool {
    let at = canonical_address(&who.client);
    clients.iter().any(|client| match client {
        ClientMatch::Network(network) => at.is_some_and(|at| network.contains_address(&at)),
        ClientMatch::Name(name) => *name == who.client_name,
    })
}

/// An address in the one form in which it is compared: IPv4 in IPv6 (RFC 4291, section 2.5.5.2) is IPv4.
fn canonical_address(text: &str) -> Option<IpAddr> {
    text.trim().parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::policy::{NetworkRange, UserPattern};
    use std::time::Duration;

    const NOW: Timestamp = Timestamp::from_seconds(1_000_000);

    fn who() -> PolicyContext {
        PolicyContext {
            user: Some(UserName::from_canonical("alice")),
            client: "192.0.2.1".into(),
            client_name: "vpn".into(),
            calling_station: "203.0.113.9".into(),
            groups: Some(vec!["Staff".into(), "domain users".into()]),
        }
    }

    fn one(exception: PolicyException) -> PolicyOptions {
        PolicyOptions {
            exceptions: vec![PolicyException { name: "one".into(), ..exception }],
            ..PolicyOptions::default()
        }
    }

    fn exempts(policy: &PolicyOptions, who: &PolicyContext) -> Option<String> {
        policy.find_exemption(who, NOW).map(|exemption| exemption.as_str().to_owned())
    }

    fn group(name: &str) -> Vec<GroupName> {
        vec![GroupName::new(name)]
    }

    fn net(text: &str) -> NetworkRange {
        text.parse().unwrap()
    }

    fn by_user(pattern: &str) -> PolicyException {
        PolicyException { users: vec![UserPattern(pattern.into())], ..PolicyException::default() }
    }

    fn by_client(client: ClientMatch) -> PolicyException {
        PolicyException { clients: vec![client], ..PolicyException::default() }
    }

    #[test]
    fn nobody_is_exempt_by_default() {
        assert_eq!(exempts(&PolicyOptions::default(), &who()), None);
        assert_eq!(
            exempts(&one(PolicyException::default()), &who()),
            None,
            "nor by an exception that says nothing"
        );
    }

    #[test]
    fn each_condition_holds_by_any_of_its_values() {
        let network = |text: &str| PolicyException {
            networks: vec![net("::1/128"), net(text)],
            ..PolicyException::default()
        };
        let name = |text: &str| by_client(ClientMatch::Name(text.into()));
        for (exception, expected) in [
            (by_user("alice"), true),
            (by_user("al*"), true),
            (by_user("bob"), false),
            (by_client(ClientMatch::Network(net("192.0.2.0/24"))), true),
            (by_client(ClientMatch::Network(net("192.0.3.0/24"))), false),
            (name("vpn"), true),
            (name("VPN"), false),
            (network("203.0.113.0/24"), true),
            (network("192.0.2.0/24"), false),
            (PolicyException { groups: group("STAFF"), ..PolicyException::default() }, true),
            (PolicyException { groups: group("staf"), ..PolicyException::default() }, false),
        ] {
            assert_eq!(exempts(&one(exception.clone()), &who()).is_some(), expected, "{exception:?}");
        }
    }

    #[test]
    fn all_conditions_have_to_hold() {
        let both = PolicyException { groups: group("staff"), ..by_user("alice") };
        assert_eq!(exempts(&one(both.clone()), &who()).as_deref(), Some("one"));
        assert_eq!(exempts(&one(both.clone()), &PolicyContext { groups: Some(vec![]), ..who() }), None);
        assert_eq!(
            exempts(&one(both), &PolicyContext { user: Some(UserName::from_canonical("bob")), ..who() }),
            None
        );
    }

    #[test]
    fn exception_ends_with_its_day() {
        let until = |end| one(PolicyException { until: Some(end), ..by_user("alice") });
        assert!(exempts(&until(NOW.plus(Duration::from_millis(1))), &who()).is_some());
        assert_eq!(exempts(&until(NOW), &who()), None);
    }

    #[test]
    fn what_is_not_known_holds_for_no_exception() {
        let unknown = PolicyContext {
            user: None,
            client: String::new(),
            client_name: String::new(),
            calling_station: "00-11-22-33-44-55".into(),
            groups: None,
        };
        let any = net("0.0.0.0/0");
        for exception in [
            by_user("a*"),
            by_client(ClientMatch::Network(any)),
            PolicyException { networks: vec![any], ..PolicyException::default() },
            PolicyException { groups: group("staff"), ..PolicyException::default() },
        ] {
            assert_eq!(exempts(&one(exception), &unknown), None);
        }
    }

    #[test]
    fn ipv4_in_ipv6_is_ipv4() {
        let office =
            one(PolicyException { networks: vec![net("203.0.113.0/24")], ..PolicyException::default() });
        let who = PolicyContext { calling_station: "::ffff:203.0.113.9".into(), ..who() };
        assert!(exempts(&office, &who).is_some());
    }

    #[test]
    fn who_is_neither_in_a_group_nor_at_a_client_needs_nothing() {
        let by = |groups, clients| PolicyOptions {
            required: RequiredFor { groups, clients },
            ..PolicyOptions::default()
        };
        let vpn = || vec![ClientMatch::Name("vpn".into())];
        let needs = |policy: PolicyOptions, who: &PolicyContext| exempts(&policy, who).is_none();
        assert!(needs(by(group("staff"), vec![]), &who()));
        assert!(needs(by(vec![], vpn()), &who()));
        assert!(needs(by(group("admins"), vpn()), &who()), "one of them is enough");
        assert!(!needs(by(group("admins"), vec![]), &who()));
        let wifi = PolicyContext { client_name: "wifi".into(), ..who() };
        assert_eq!(exempts(&by(vec![], vpn()), &wifi).as_deref(), Some("not required"));
    }

    #[test]
    fn groups_that_nobody_has_read_are_not_groups_that_he_is_not_in() {
        let admins = PolicyOptions {
            required: RequiredFor { groups: group("admins"), clients: vec![] },
            ..PolicyOptions::default()
        };
        assert_eq!(exempts(&admins, &PolicyContext { groups: None, ..who() }), None);
        assert!(exempts(&admins, &PolicyContext { groups: Some(vec!["none".into()]), ..who() }).is_some());
        let vpn = PolicyOptions {
            required: RequiredFor { groups: vec![], clients: vec![ClientMatch::Name("vpn".into())] },
            ..PolicyOptions::default()
        };
        assert_eq!(
            exempts(&vpn, &PolicyContext { client: String::new(), client_name: String::new(), ..who() }),
            None
        );
    }
}
