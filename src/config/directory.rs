//! `ldap { }`: the directory in which the users are.

use super::name_template::NameTemplate;
use crate::config::error::{InvalidValue, invalid};
use crate::config::reader::OptionReader;
use crate::config::values::{SECOND, declare_template, dn, host, missing, optional_file, plain, secret};
use crate::types::{DistinguishedName, Secret};
use std::net::{IpAddr, Ipv6Addr};
use std::path::PathBuf;
use std::time::Duration;

/// `ldap { }`.
#[derive(Clone, Debug)]
pub struct LdapOptions {
    /// `host`: names or addresses, in the order in which they are tried. At least one.
    pub hosts: Vec<String>,
    /// `port`, of all of them.
    pub port: u16,
    /// `transport`.
    pub transport: LdapTransport,
    /// `ca_file`: certificates (PEM) that are trusted beside the system's.
    pub ca_file: Option<PathBuf>,
    /// `service_account_username` and `service_account_password`, or `bind_as`.
    pub account: SearchAccount,
    /// `search_dn`: below which the users are. At least one.
    pub search_dn: Vec<DistinguishedName>,
    /// `filter`: what else must hold for a user (RFC 4515).
    pub filter: Option<String>,
    /// `username`: the name that is looked for; nothing but `{user}` stands in it.
    pub username: NameTemplate,
    /// `username_attribute`: what holds names without `@`.
    pub username_attribute: String,
    /// `at_attribute`: what holds names with `@`.
    pub at_attribute: String,
    /// `mail_attribute`.
    pub mail_attribute: String,
    /// `phone_attribute`.
    pub phone_attribute: String,
    /// `attribute`: what else is read.
    pub attributes: Vec<String>,
    /// `groups`.
    pub groups: GroupMode,
    /// `group_search_dn`: below which the groups are. None: everywhere in the tree in which the users are.
    pub group_search_dn: Vec<DistinguishedName>,
    /// `security_group_dn`: the user must be in one of these groups. Empty: no group is required.
    pub security_groups: Vec<DistinguishedName>,
    /// `timeout`: how long one host may take for one answer.
    pub timeout: Duration,
}

/// `transport`: how the hosts are spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LdapTransport {
    /// TLS from the beginning.
    Ldaps,
    /// TLS after one request in the clear (RFC 4511, section 4.14). A host that does not offer it is sent nothing.
    StartTls,
    /// No TLS.
    Clear,
}

impl LdapTransport {
    /// The port if none is set.
    pub const fn port(self) -> u16 {
        match self {
            Self::Ldaps => 636,
            Self::StartTls | Self::Clear => 389,
        }
    }
}

/// The account that searches for entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SearchAccount {
    /// Anonymously.
    Nobody,
    /// As an account of this module's own, by its DN or, with Active Directory, `user@domain`.
    Service(String, Secret),
    /// As the user.
    User(BindAs),
}

/// `bind_as`: the name with which users bind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindAs {
    /// What stands before the user's name.
    pub before: String,
    /// What stands behind it.
    pub after: String,
    /// Whether it is a DN, in which names have to be escaped.
    pub form: AccountForm,
}

/// What kind of name that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountForm {
    /// A distinguished name.
    Dn,
    /// `user@domain`, or `DOMAIN\user`.
    Plain,
}

/// `groups`: which groups of a user are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum GroupMode {
    /// Groups are not read.
    None,
    /// Groups that name the user directly.
    Direct,
    /// Also those that these are in, and so on.
    #[default]
    Nested,
}

/// None if no host is named.
pub(super) fn ldap(r: &mut OptionReader<'_, '_>) -> Option<LdapOptions> {
    let hosts = r.read_values("host", host);
    let transport = r.read_choice(
        "transport",
        LdapTransport::Ldaps,
        &[
            ("ldaps", LdapTransport::Ldaps),
            ("starttls", LdapTransport::StartTls),
            ("clear", LdapTransport::Clear),
        ],
    );
    let port = r.read_option(
        "port",
        transport.port(),
        |_| Some(LdapTransport::Ldaps.port().to_string()),
        |text| match text.parse() {
            Ok(port @ 1..) => Ok(port),
            _ => Err(invalid!("must be a number from 1 to 65535, not \"{text}\"")),
        },
    );
    let is_clear_allowed = r.read_yes_no("cleartext", false, true, false);
    let ca_file = optional_file(r, "ca_file");
    let account = account(r);
    let search_dn = r.read_values("search_dn", dn);
    let filter = r.read_option("filter", None, |_| Some(String::new()), filter);
    let username = declare_template(r, "username");
    if !username.needs_only_the_name() {
        r.report_conflict(
            "username",
            "may hold {user} and no other gap: nothing else is known of the user yet",
        );
    }
    let username_attribute = attribute_of(r, "username_attribute", "sAMAccountName");
    let at_attribute = attribute_of(r, "at_attribute", "userPrincipalName");
    let mail_attribute = attribute_of(r, "mail_attribute", "mail");
    let phone_attribute = attribute_of(r, "phone_attribute", "mobile");
    let attributes = r.read_values("attribute", attribute);
    let groups = r.read_choice(
        "groups",
        GroupMode::default(),
        &[("none", GroupMode::None), ("direct", GroupMode::Direct), ("nested", GroupMode::Nested)],
    );
    let group_search_dn = r.read_values("group_search_dn", dn);
    let security_groups = r.read_values("security_group_dn", dn);
    let timeout = r.read_duration("timeout", Duration::from_secs(5), SECOND, 1..=30);
    if groups == GroupMode::None && r.has_option("security_group_dn") {
        r.report_conflict("security_group_dn", "needs the user's groups: set \"groups\" to direct or nested");
    }
    if hosts.is_empty() {
        // What stands there without a host would silently not hold.
        let is_meant = ["search_dn", "service_account_username", "bind_as", "security_group_dn"];
        if !r.has_option("host") && is_meant.iter().any(|name| r.has_option(name)) {
            r.report_conflict("host", "is missing: where is the directory?");
        }
        return None;
    }
    if search_dn.is_empty() && !r.has_option("search_dn") {
        let _: Option<()> =
            missing(r, "search_dn", "is missing: below which entry are the users, \"dc=example,dc=test\"?");
    }
    match transport {
        LdapTransport::Clear if !is_clear_allowed && !hosts.iter().all(|host| is_here(host)) => r.report_conflict(
            "transport",
            "must not be clear: everybody between would read the passwords. Take ldaps or starttls; only if they \
             may be read, \"cleartext = yes\"",
        ),
        LdapTransport::Ldaps | LdapTransport::StartTls if hosts.iter().any(|h| h.parse::<Ipv6Addr>().is_ok()) => {
            r.report_conflict("host", "must be a name, or an address of version 4, with TLS");
        }
        _ => {}
    }
    Some(LdapOptions {
        hosts,
        port,
        transport,
        ca_file,
        account,
        search_dn,
        filter,
        username,
        username_attribute,
        at_attribute,
        mail_attribute,
        phone_attribute,
        attributes,
        groups,
        group_search_dn,
        security_groups,
        timeout,
    })
}

fn account(r: &mut OptionReader<'_, '_>) -> SearchAccount {
    let username = plain(r, "service_account_username");
    let password = r.read_option("service_account_password", Secret::new(""), |_| None, secret);
    let bind_as = r.read_option("bind_as", None, |_| None, |text| bind_as(text).map(Some));
    if username.is_empty() != password.is_empty() {
        let lacks = if username.is_empty() { "service_account_username" } else { "service_account_password" };
        // Without a password a directory takes the bind for an anonymous one, and reports success.
        r.report_conflict(lacks, "is missing: the service account has a name and a password");
    }
    match bind_as {
        Some(_) if !username.is_empty() => {
            r.report_conflict("bind_as", "and \"service_account_username\" are both set: remove one");
            SearchAccount::Nobody
        }
        Some(bind_as) => SearchAccount::User(bind_as),
        None if username.is_empty() || password.is_empty() => SearchAccount::Nobody,
        None => SearchAccount::Service(username, password),
    }
}

fn is_here(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The directory's own parser reads it at start; here it is what people get wrong.
fn filter(text: &str) -> Result<Option<String>, InvalidValue> {
    match text.trim() {
        "" => Ok(None),
        text if text.starts_with('(') && text.ends_with(')') => Ok(Some(text.to_owned())),
        text => Err(invalid!("must stand in brackets, such as \"(objectClass=person)\", not \"{text}\"")),
    }
}

fn attribute_of(r: &mut OptionReader<'_, '_>, name: &'static str, default: &str) -> String {
    r.read_option(name, default.to_owned(), |name| Some(name.clone()), attribute)
}

fn attribute(text: &str) -> Result<String, InvalidValue> {
    let is_in = |c: char| c.is_ascii_alphanumeric() || c == '-';
    match text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(is_in) {
        true => Ok(text.to_owned()),
        false => Err(invalid!("must be the name of one attribute, not \"{text}\"")),
    }
}

fn bind_as(text: &str) -> Result<BindAs, InvalidValue> {
    let bad = || {
        invalid!(
            "must hold {{user}} once, such as \"{{user}}@example.test\" or \"uid={{user}},ou=people,dc=test\", \
             not \"{text}\""
        )
    };
    let (before, after) = text.split_once("{user}").ok_or_else(bad)?;
    let is_plain = |c: char| !c.is_control() && c != '{' && c != '}';
    if !before.chars().chain(after.chars()).all(is_plain) {
        return Err(bad());
    }
    let form = match before.contains('=') {
        true => DistinguishedName::parse(&format!("{before}x{after}"))
            .map(|_| AccountForm::Dn)
            .map_err(|_| bad())?,
        false => AccountForm::Plain,
    };
    Ok(BindAs { before: before.to_owned(), after: after.to_owned(), form })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::declare::tests::config_of;

    fn ldap_of(text: &str) -> Result<Option<LdapOptions>, String> {
        config_of(&format!("ldap {{\n{text}\n}}")).map(|config| config.ldap)
    }

    #[test]
    fn host_and_where_the_users_are_will_do() {
        let ldap =
            ldap_of("host = dc1.example.test\nhost = dc2.example.test\nsearch_dn = \"dc=example,dc=test\"")
                .unwrap()
                .unwrap();
        assert_eq!(ldap.hosts, ["dc1.example.test", "dc2.example.test"]);
        assert_eq!(
            (ldap.port, ldap.transport, ldap.account),
            (636, LdapTransport::Ldaps, SearchAccount::Nobody)
        );
        assert_eq!((ldap.groups, ldap.timeout.as_secs()), (GroupMode::Nested, 5));
        assert!(ldap_of("timeout = 3").unwrap().is_none());
    }

    #[test]
    fn what_is_wrong_is_told() {
        let whole = "host = dc1.example.test\nsearch_dn = \"dc=example,dc=test\"\n";
        for (text, told) in [
            ("search_dn = \"dc=test\"", "\"host\" is missing"),
            ("bind_as = \"{user}@example.test\"", "\"host\" is missing"),
            ("host = dc1", "\"search_dn\" is missing"),
            ("host = \"dc1, dc2\"\nsearch_dn = \"dc=test\"", "further hosts have a line each"),
            ("host = \"dc1:636\"\nsearch_dn = \"dc=test\"", "without its port"),
            ("host = dc1\nsearch_dn = users", "is no distinguished name"),
            (
                &format!("{whole}groups = direct\nsecurity_group_dn = \"cn=Sales, Europe,dc=test\""),
                "a comma within a name is written \\,",
            ),
            (&format!("{whole}transport = clear"), "\"transport\" must not be clear"),
            ("host = \"::1\"\nsearch_dn = \"dc=test\"", "must be a name, or an address of version 4"),
            (&format!("{whole}service_account_username = a"), "\"service_account_password\" is missing"),
            (
                &format!("{whole}service_account_username = a\nservice_account_password = \"\""),
                "\"service_account_password\" is missing",
            ),
            (
                &format!(
                    "{whole}service_account_username = a\nservice_account_password = b\nbind_as = \"{{user}}@c\""
                ),
                "are both set",
            ),
            (&format!("{whole}bind_as = \"alice@example.test\""), "must hold {user} once"),
            (&format!("{whole}bind_as = \"uid={{user}},people\""), "must hold {user} once"),
            (&format!("{whole}filter = \"objectClass=person\""), "must stand in brackets"),
            (&format!("{whole}attribute = \"mail, cn\""), "the name of one attribute"),
            (
                &format!("{whole}groups = none\nsecurity_group_dn = \"cn=a,dc=test\""),
                "needs the user's groups",
            ),
        ] {
            let refused = ldap_of(text).unwrap_err();
            assert!(refused.contains(told), "{text}: {refused}");
        }
    }

    #[test]
    fn passwords_go_in_the_clear_only_here_or_where_it_is_said() {
        let text = |host: &str, more: &str| {
            format!("host = {host}\nsearch_dn = \"dc=test\"\ntransport = clear\n{more}")
        };
        for (host, more) in
            [("localhost", ""), ("127.0.0.1", ""), ("\"::1\"", ""), ("dc1", "cleartext = yes")]
        {
            assert_eq!(ldap_of(&text(host, more)).unwrap().unwrap().port, 389, "{host}");
        }
        assert!(ldap_of(&text("127.0.0.1", "host = dc1")).is_err());
    }

    #[test]
    fn bind_as_tells_whether_it_is_a_dn() {
        assert_eq!(bind_as("{user}@example.test").unwrap().form, AccountForm::Plain);
        assert_eq!(bind_as("EXAMPLE\\{user}").unwrap().form, AccountForm::Plain);
        assert_eq!(bind_as("uid={user},ou=people,dc=test").unwrap().form, AccountForm::Dn);
    }
}
