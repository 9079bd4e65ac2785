//! `policy { }`: which logins need a second factor.

use super::error::{InvalidValue, invalid};
use crate::types::Timestamp;
use ipnet::IpNet;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

/// `policy { }`.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct PolicyOptions {
    /// `required { }`.
    pub required: RequiredFor,
    /// `exceptions { }`, in the order of the file.
    pub exceptions: Vec<PolicyException>,
    /// `unenrolled`: what becomes of users without a token.
    pub unenrolled: UnenrolledRule,
    /// `remember`: how long a user is not asked again. Zero: off.
    pub remember: Duration,
    /// `remember_once`: how long one other login of the user is not asked. Zero: off.
    pub remember_once: Duration,
}

impl PolicyOptions {
    /// Whether the policy depends on the groups of users.
    pub fn goes_by_groups(&self) -> bool {
        !self.required.groups.is_empty()
            || self.exceptions.iter().any(|exception| !exception.groups.is_empty())
    }
}

/// Who needs a second factor: users in one of the groups, or logins through one of the clients. With neither, every
/// login.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct RequiredFor {
    /// `group`.
    pub groups: Vec<GroupName>,
    /// `client`.
    pub clients: Vec<ClientMatch>,
}

/// One of `exceptions { }`: each kind of condition that is given has to hold, by any one of its values. At least one is given.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct PolicyException {
    /// What the administrator calls it.
    pub name: String,
    /// `user`.
    pub users: Vec<UserPattern>,
    /// `client`.
    pub clients: Vec<ClientMatch>,
    /// `network`: where users are, by their Calling-Station-Id.
    pub networks: Vec<NetworkRange>,
    /// `group`.
    pub groups: Vec<GroupName>,
    /// The end of the day that `until` names, UTC: from then on it is without effect.
    pub until: Option<Timestamp>,
}

impl PolicyException {
    /// Whether its day is over.
    pub fn has_expired(&self, now: Timestamp) -> bool {
        self.until.is_some_and(|until| now >= until)
    }
}

/// The client (NAS) that sent a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientMatch {
    /// An address or network.
    Network(NetworkRange),
    /// By its `shortname`.
    Name(String),
}

/// An address or a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkRange(IpNet);

impl NetworkRange {
    /// Whether the address is in it.
    pub fn contains_address(&self, address: &IpAddr) -> bool {
        self.0.contains(address)
    }
}

impl FromStr for NetworkRange {
    type Err = InvalidValue;
    /// `192.0.2.7` or `192.0.2.0/24`. Bits beyond the mask are a mistake.
    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self(address.into()));
        }
        match text.parse::<IpNet>() {
            Ok(network) if network.trunc() == network => Ok(Self(network)),
            Ok(network) => Err(invalid!("must be \"{}\", not \"{text}\"", network.trunc())),
            Err(_) => Err(invalid!("must be an address or a network such as 192.0.2.0/24, not \"{text}\"")),
        }
    }
}

/// A group, upper and lower case being the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupName(String);

impl GroupName {
    /// A name in clients.conf.
    pub fn new(name: &str) -> Self {
        Self(name.trim().to_lowercase())
    }

    /// Whether `name` is its name.
    pub fn is(&self, name: &str) -> bool {
        self.0 == name.trim().to_lowercase()
    }
}

/// A canonical user name in which each `*` stands for any characters, or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserPattern(pub String);

impl UserPattern {
    /// Whether the name is one of those.
    pub fn matches_user(&self, name: &str) -> bool {
        let Some((head, rest)) = self.0.split_once('*') else { return self.0 == name };
        let Some(mut left) = name.strip_prefix(head) else { return false };
        let (middle, tail) = rest.rsplit_once('*').unwrap_or(("", rest));
        for part in middle.split('*') {
            let Some((_, after)) = left.split_once(part) else { return false };
            left = after;
        }
        left.ends_with(tail)
    }
}

/// What happens to users without a token, once their password was right.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum UnenrolledRule {
    /// They are refused.
    #[default]
    Reject,
    /// They are accepted, within limits.
    Accept(EnrolmentGrace),
    /// They are told to enrol.
    Enroll(EnrolmentOptions),
}

/// For how long users without a token are let in. One of the two is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct EnrolmentGrace {
    /// The end of the day that `accept_until` names, UTC.
    pub until: Option<Timestamp>,
    /// `accept_logins`: how often, each of them.
    pub logins: Option<u32>,
}

/// How users are told to enrol.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct EnrolmentOptions {
    /// `enroll_url`: where they do so; `{user}` stands for the name.
    pub url: Option<String>,
    /// `enroll_link`: which way it goes to them.
    pub link: EnrolmentLink,
    /// `enroll_challenge`: how the text is shown.
    pub shown: EnrolmentNotice,
}

impl EnrolmentOptions {
    /// The address at which this user enrols.
    pub fn enrolment_link(&self, user: &str) -> Option<String> {
        let name = percent_encoding::utf8_percent_encode(user, percent_encoding::NON_ALPHANUMERIC);
        self.url.as_ref().map(|url| url.replace(USER, &name.to_string()))
    }

    /// The same, where it may be shown at the client.
    pub fn shown_link(&self, user: &str) -> Option<String> {
        match self.link {
            EnrolmentLink::Challenge => self.enrolment_link(user),
            EnrolmentLink::Mailbox => None,
        }
    }
}

/// What stands for the name in `enroll_url`.
pub(super) const USER: &str = "{user}";

/// How a link to enrol is delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum EnrolmentLink {
    /// To the registered mailbox.
    #[default]
    Mailbox,
    /// In the answer to the client: a person with the password can enrol with it.
    Challenge,
}

/// How a user who has to enrol is told so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum EnrolmentNotice {
    /// In a challenge, whatever answers it is refused: most clients show its text.
    #[default]
    Challenge,
    /// As the text of the reject.
    Reject,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_a_shell() {
        for (pattern, name, expected) in [
            ("alice", "alice", true),
            ("alice", "alice2", false),
            ("svc-*", "svc-backup", true),
            ("svc-*", "asvc-backup", false),
            ("*-svc", "backup-svc", true),
            ("a*b*c", "abc", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "acb", false),
            ("ab*ba", "aba", false),
            ("**x", "x", true),
            ("*\u{e9}*", "andr\u{e9}", true),
        ] {
            assert_eq!(UserPattern(pattern.into()).matches_user(name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn names_cannot_leave_their_place_in_a_link() {
        let enroll = EnrolmentOptions {
            url: Some("https://example.test/?u={user}&x=1".into()),
            ..EnrolmentOptions::default()
        };
        assert_eq!(
            enroll.enrolment_link("a&b=c@example.test/\u{fc}").as_deref(),
            Some("https://example.test/?u=a%26b%3Dc%40example%2Etest%2F%C3%BC&x=1")
        );
    }

    proptest::proptest! {
        #[test]
        fn patterns_match_like_a_slow_and_simple_matcher(pattern in "[ab*]{0,8}", name in "[ab]{0,8}") {
            fn slow(pattern: &str, name: &str) -> bool {
                match (pattern.chars().next(), name.chars().next()) {
                    (None, None) => true,
                    (Some('*'), _) if slow(&pattern[1..], name) => true,
                    (Some('*'), Some(_)) => slow(pattern, &name[1..]),
                    (Some(p), Some(n)) => p == n && slow(&pattern[1..], &name[1..]),
                    (_, None) | (None, _) => false,
                }
            }
            proptest::prop_assert_eq!(UserPattern(pattern.clone()).matches_user(&name), slow(&pattern, &name));
        }
    }
}
