//! The options of `policy { }`.

use crate::config::error::{InvalidValue, invalid};
use crate::config::policy::{
    ClientMatch, EnrolmentGrace, EnrolmentLink, EnrolmentNotice, EnrolmentOptions, PolicyException,
    PolicyOptions, RequiredFor, USER, UnenrolledRule, UserPattern,
};
use crate::config::reader::OptionReader;
use crate::config::values::{MINUTE, SECOND, group, word};
use crate::types::{NameRules, Timestamp, UserName};
use std::time::Duration;
use url::Url;

/// Which of the words for `unenrolled`, before what belongs to it is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum UnenrolledWord {
    Reject,
    Accept,
    Enroll,
}

/// `names` are the rules by which user names are made canonical.
pub(super) fn policy(r: &mut OptionReader<'_, '_>, names: &NameRules) -> PolicyOptions {
    let policy = PolicyOptions {
        required: r.section("required", |r| RequiredFor {
            groups: r.read_values("group", group),
            clients: r.read_values("client", client),
        }),
        exceptions: r.section("exceptions", |r| {
            r.read_named_sections("monitoring", |name, r| exception(r, name, names))
        }),
        unenrolled: unenrolled(r),
        remember: r.read_duration("remember", Duration::ZERO, MINUTE, 0..=1440),
        remember_once: r.read_duration("remember_once", Duration::ZERO, SECOND, 0..=60),
    };
    if !policy.remember.is_zero() && !policy.remember_once.is_zero() {
        r.report_conflict(
            "remember_once",
            "does not go with \"remember\", which covers it: set one of the two",
        );
    }
    policy
}

fn exception(r: &mut OptionReader<'_, '_>, name: &str, names: &NameRules) -> PolicyException {
    let exception = PolicyException {
        name: name.to_owned(),
        users: r.read_values("user", |text| pattern(text, names)),
        clients: r.read_values("client", client),
        networks: r.read_values("network", str::parse),
        groups: r.read_values("group", group),
        until: day(r, "until"),
    };
    if !["user", "client", "network", "group"].iter().any(|condition| r.has_option(condition)) {
        r.report_conflict("user", "is missing, and so are \"client\", \"network\" and \"group\": an exception without a condition would be one for everybody");
    }
    exception
}

fn unenrolled(r: &mut OptionReader<'_, '_>) -> UnenrolledRule {
    let word = r.read_choice(
        "unenrolled",
        UnenrolledWord::Reject,
        &[
            ("reject", UnenrolledWord::Reject),
            ("accept", UnenrolledWord::Accept),
            ("enroll", UnenrolledWord::Enroll),
        ],
    );
    let until = day(r, "accept_until");
    let logins = r.read_option(
        "accept_logins",
        None,
        |_: &Option<u32>| None,
        |text| match text.parse() {
            Ok(n @ 1..=1000) => Ok(Some(n)),
            _ => Err(invalid!("must be a number from 1 to 1000, not \"{text}\"")),
        },
    );
    let enroll = EnrolmentOptions {
        url: r.read_option("enroll_url", None, |_: &Option<String>| None, |text| url(text).map(Some)),
        link: r.read_choice(
            "enroll_link",
            EnrolmentLink::default(),
            &[("mailbox", EnrolmentLink::Mailbox), ("challenge", EnrolmentLink::Challenge)],
        ),
        shown: r.read_yes_no(
            "enroll_challenge",
            EnrolmentNotice::default(),
            EnrolmentNotice::Challenge,
            EnrolmentNotice::Reject,
        ),
    };
    if word == UnenrolledWord::Accept && !r.has_option("accept_until") && !r.has_option("accept_logins") {
        r.report_conflict("unenrolled", "needs an end: set \"accept_until\", \"accept_logins\" or both");
    }
    if word == UnenrolledWord::Enroll
        && enroll.link == EnrolmentLink::Challenge
        && !r.has_option("enroll_url")
    {
        r.report_conflict("enroll_link", "needs a link: set \"enroll_url\"");
    }
    match word {
        UnenrolledWord::Reject => UnenrolledRule::Reject,
        UnenrolledWord::Accept => UnenrolledRule::Accept(EnrolmentGrace { until, logins }),
        UnenrolledWord::Enroll => UnenrolledRule::Enroll(enroll),
    }
}

/// A pattern that is not canonical would match no user, or, with its domain stripped, other users than it seems to.
fn pattern(text: &str, names: &NameRules) -> Result<UserPattern, InvalidValue> {
    if text.trim_matches('*').is_empty() {
        return Err(invalid!(
            "names everybody with \"{text}\": leave it out, and name a client, a network or a group"
        ));
    }
    match UserName::parse(text.as_bytes(), names) {
        Ok(name) if name.as_str() == text => Ok(UserPattern(text.to_owned())),
        Ok(name) => Err(invalid!(
            "must be a name as `mfa user list` shows it, not \"{text}\": that is \"{name}\" by the rules of username {{ }}"
        )),
        Err(bad) => Err(invalid!("is no name: {bad}")),
    }
}

/// An address, a network, or else a name. What looks like an address has to be one.
fn client(text: &str) -> Result<ClientMatch, InvalidValue> {
    let looks_like_address =
        text.contains([':', '/']) || text.chars().all(|c| c.is_ascii_digit() || c == '.');
    match (text.parse(), looks_like_address) {
        (Ok(network), _) => Ok(ClientMatch::Network(network)),
        (Err(why), true) => Err(why),
        (Err(_), false) => word(text).map(|name| ClientMatch::Name(name.to_owned())),
    }
}

/// The end of a day, UTC.
fn day(r: &mut OptionReader<'_, '_>, name: &'static str) -> Option<Timestamp> {
    r.read_option(
        name,
        None,
        |_| None,
        |text| {
            let wrong = || invalid!("must be a day such as 2027-01-31, not \"{text}\"");
            let day: jiff::civil::Date = text.parse().map_err(|_| wrong())?;
            // The parser takes times behind the day as well.
            if day.to_string() != text {
                return Err(wrong());
            }
            let end = day
                .tomorrow()
                .and_then(|next| next.to_zoned(jiff::tz::TimeZone::UTC))
                .map_err(|_| wrong())?;
            let millis = u64::try_from(end.timestamp().as_millisecond()).map_err(|_| wrong())?;
            Ok(Some(Timestamp::from_millis(millis)))
        },
    )
}

/// A template of a link: nothing in braces but the name.
fn url(text: &str) -> Result<String, InvalidValue> {
    if text.replace(USER, "").contains(['{', '}']) {
        return Err(invalid!("may hold {USER} and nothing else in braces, not \"{text}\""));
    }
    match Url::parse(&text.replace(USER, "user")) {
        Ok(url) if url.scheme() == "https" && text.is_ascii() => Ok(text.to_owned()),
        _ => {
            Err(invalid!("must be a link such as https://mfa.example.test/enrol?user={USER}, not \"{text}\""))
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::policy::{
        ClientMatch, EnrolmentGrace, EnrolmentLink, EnrolmentNotice, EnrolmentOptions, UnenrolledRule,
    };
    use crate::config::{Config, read_text};
    use crate::types::Timestamp;
    use std::time::Duration;

    const LDAP: &str = "ldap {\n host = ldap.example.test\n search_dn = \"dc=example,dc=test\"\n}";

    fn config_of(text: &str) -> Result<Config, String> {
        let tree = read_text(format!("mfa {{\n{text}\n}}\n"), &|_| None).unwrap();
        Config::read(tree.section("mfa").unwrap()).map_err(|e| e.to_string())
    }

    fn policy_of(text: &str) -> Result<super::PolicyOptions, String> {
        config_of(&format!("mode = append\npolicy {{\n{text}\n}}\n{LDAP}")).map(|config| config.policy)
    }

    #[test]
    fn everything_can_be_said() {
        let policy = policy_of(
            "required {\n group = VPN\n group = \"Domain Admins\"\n client = 192.0.2.0/24\n}\n\
             exceptions {\n nagios {\n user = nagios\n user = svc-*\n client = vpn\n client = 2001:db8::1\n}\n\
             office {\n network = 203.0.113.0/24\n group = staff\n until = 2027-01-31\n}\n}\n\
             unenrolled = accept\naccept_until = 2026-12-31\naccept_logins = 5\nremember = 90",
        )
        .unwrap();
        assert_eq!((policy.required.groups.len(), policy.required.clients.len()), (2, 1));
        let [nagios, office] = policy.exceptions.as_slice() else { panic!("two exceptions") };
        assert_eq!((nagios.name.as_str(), nagios.users.len(), nagios.until), ("nagios", 2, None));
        assert!(
            matches!(&nagios.clients[..], [ClientMatch::Name(name), ClientMatch::Network(_)] if name == "vpn")
        );
        let end = Timestamp::from_seconds(1_801_440_000);
        assert_eq!((office.networks.len(), office.until), (1, Some(end)));
        assert!(!office.has_expired(end.minus(Duration::from_millis(1))) && office.has_expired(end));
        let until = Some(Timestamp::from_seconds(1_798_761_600));
        assert_eq!(policy.unenrolled, UnenrolledRule::Accept(EnrolmentGrace { until, logins: Some(5) }));
        assert_eq!(policy.remember, Duration::from_secs(5400));
        let url = Some("https://example.test/{user}".to_owned());
        assert_eq!(
            policy_of("unenrolled = enroll\nenroll_url = \"https://example.test/{user}\"\nenroll_link = challenge\nenroll_challenge = no")
                .unwrap()
                .unenrolled,
            UnenrolledRule::Enroll(EnrolmentOptions { url, link: EnrolmentLink::Challenge, shown: EnrolmentNotice::Reject })
        );
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let exception =
            |text: &str| policy_of(&format!("exceptions {{\n one {{\n{text}\n}}\n}}")).unwrap_err();
        for (text, told) in [
            ("", "text[5]: \"user\" is missing, and so are"),
            ("until = 2027-01-31", "text[5]: \"user\" is missing"),
            (
                "user = bob\nuntil = 2027-02-30",
                "text[7]: \"until\" must be a day such as 2027-01-31, not \"2027-02-30\"",
            ),
            ("user = bob\nuntil = 31.1.2027", "text[7]: \"until\" must be a day"),
            ("user = bob\nuntil = 2027-01-31T10:00", "text[7]: \"until\" must be a day"),
            (
                "user = Bob",
                "text[6]: \"user\" must be a name as `mfa user list` shows it, not \"Bob\": that is \"bob\"",
            ),
            ("user = *@example.test", "that is \"*\" by the rules"),
            ("user = **", "names everybody"),
            ("client = 192.0.2.7/24", "text[6]: \"client\" must be \"192.0.2.0/24\""),
            ("client = 192.0.2.300", "must be an address or a network"),
            ("network = office", "must be an address or a network"),
            ("group = \"\"", "\"group\" is empty"),
            ("users = bob\nclient = a", "unknown option \"users\": did you mean \"user\"?"),
        ] {
            let errors = exception(text);
            assert!(errors.lines().count() == 1 && errors.contains(told), "{text}: {errors}");
        }
        for (text, told) in [
            ("unenrolled = accept", "\"unenrolled\" needs an end"),
            ("unenrolled = accept\naccept_logins = 0", "\"accept_logins\" must be a number from 1 to 1000"),
            ("unenrolled = enroll\nenroll_link = challenge", "\"enroll_link\" needs a link"),
            ("enroll_url = \"https://example.test/{name}\"", "nothing else in braces"),
            ("enroll_url = \"http://example.test/\"", "must be a link"),
            ("remember = 1441", "\"remember\" must be a number from 0 to 1440"),
            ("remember_once = 61", "\"remember_once\" must be a number from 0 to 60"),
            ("remember = 1\nremember_once = 5", "\"remember_once\" does not go with \"remember\""),
            ("exceptions {\n a b {\n user = x\n}\n}", "\"a\" has more than a name"),
            ("exceptions {\n a {\n user = x\n}\n a {\n user = y\n}\n}", "\"a\" stands here a second time"),
            ("exceptions {\n user = x\n}", "unknown option \"user\""),
        ] {
            let errors = policy_of(text).unwrap_err();
            assert!(errors.lines().count() == 1 && errors.contains(told), "{text}: {errors}");
        }
    }

    #[test]
    fn nobody_gets_in_without_any_factor() {
        let unenrolled = "policy {\n unenrolled = accept\n accept_logins = 1\n}";
        let told = config_of(unenrolled).unwrap_err();
        let at = "text[3]: \"unenrolled\" is accept, and no password is checked: set \"mode\" to ";
        assert!(told.starts_with(at), "{told}");
        assert!(config_of(&format!("first_factor = client\n{unenrolled}\n{LDAP}")).is_ok());
        assert!(config_of("policy {\n unenrolled = enroll\n}").is_err());
    }

    #[test]
    fn who_has_no_token_must_be_known_by_a_directory_or_by_us() {
        let unenrolled = "policy {\n unenrolled = accept\n accept_logins = 1\n}";
        for elsewhere in ["mode = append", "mode = challenge", "first_factor = client"] {
            let told = config_of(&format!("{elsewhere}\n{unenrolled}")).unwrap_err();
            assert!(told.starts_with("text[4]: \"unenrolled\" "), "{told}");
            assert!(told.lines().count() == 1 && told.contains("mfa sync"), "{told}");
            assert!(config_of(&format!("{elsewhere}\n{unenrolled}\n{LDAP}")).is_ok());
            let enroll = "policy {\n unenrolled = enroll\n}";
            assert!(config_of(&format!("{elsewhere}\n{enroll}")).is_ok(), "nobody is let in by that");
        }
        assert!(config_of(&format!("mode = append\nfirst_factor = local\n{unenrolled}")).is_ok());
    }
}
