//! `ldap { }`: the directory in which the users are.

use super::name_template::NameTemplate;
use crate::types::{DistinguishedName, Secret};
use std::path::PathBuf;
use std::time::Duration;

/// `ldap { }`.
#[derive(Clone, Debug)]
pub struct LdapOptions {
    /// `host`: names or addresses, in the order in which they are asked. At least one.
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
    /// TLS after one request in the clear (RFC 4511, section 4.14). A host that does not offer it is told nothing.
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

/// As whom entries are looked for.
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
