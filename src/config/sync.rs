//! `sync { }`: which users `mfa sync` imports from the directory into the store.

use crate::config::directory::{GroupMode, LdapOptions, SearchAccount};
use crate::config::error::{InvalidValue, invalid};
use crate::config::message::EmailOptions;
use crate::config::reader::OptionReader;
use crate::config::values::{DAY, SECOND, dn};
use crate::types::{DistinguishedName, Factor};
use std::time::Duration;

/// `sync { }`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncOptions {
    /// `group_dn`: the groups to import. Empty: all users that match `search_dn` and `filter` of `ldap { }`.
    pub groups: Vec<DistinguishedName>,
    /// `token`: what a new user gets, [`Factor::Totp`] or [`Factor::Hotp`].
    pub token: Option<Factor>,
    /// `enrolment_mail`.
    pub mail: EnrolmentMail,
    /// `mail_from_directory`.
    pub mailbox: FromDirectory,
    /// `sms_from_directory`: [`FromDirectory::Token`] or [`FromDirectory::No`].
    pub phone: FromDirectory,
    /// `max_removals`.
    pub max_removals: DeletionLimit,
    /// `retention`: how long after removal from the directory a user is deleted.
    pub retention: Duration,
    /// `interval`, of `mfa sync --watch`.
    pub interval: Duration,
}

/// Whether new users are mailed their tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum EnrolmentMail {
    /// To the user's mailbox.
    Yes,
    /// Not by mail.
    #[default]
    No,
}

/// What becomes of an address that the directory has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum FromDirectory {
    /// No token is created.
    #[default]
    No,
    /// It is the user's mailbox, to which links and tokens to enrol are sent.
    Mailbox,
    /// Also a token: codes are sent to it.
    Token,
}

/// How many users one run may find gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeletionLimit {
    /// A number of users.
    Users(u64),
    /// So many of a hundred; of few users, [`Self::FEW`].
    Percent(u64),
}

impl DeletionLimit {
    /// At small sites a percentage would be less than one user.
    pub const FEW: u64 = 5;

    /// Of so many who are known.
    pub fn of(self, known: u64) -> u64 {
        match self {
            Self::Users(users) => users,
            Self::Percent(percent) => (known.saturating_mul(percent) / 100).max(Self::FEW),
        }
    }
}

impl Default for SyncOptions {
    fn default() -> Self {
        Self {
            groups: Vec::new(),
            token: None,
            mail: EnrolmentMail::default(),
            mailbox: FromDirectory::default(),
            phone: FromDirectory::default(),
            max_removals: DeletionLimit::Percent(10),
            retention: Duration::from_secs(30 * 24 * 60 * 60),
            interval: Duration::from_secs(60 * 60),
        }
    }
}

pub(super) fn sync(
    r: &mut OptionReader<'_, '_>,
    ldap: Option<&LdapOptions>,
    email: &EmailOptions,
) -> SyncOptions {
    let default = SyncOptions::default();
    let sync = SyncOptions {
        groups: r.read_values("group_dn", dn),
        token: r.read_choice(
            "token",
            default.token,
            &[("none", None), ("totp", Some(Factor::Totp)), ("hotp", Some(Factor::Hotp))],
        ),
        mail: r.read_yes_no("enrolment_mail", default.mail, EnrolmentMail::Yes, EnrolmentMail::No),
        mailbox: r.read_choice(
            "mail_from_directory",
            default.mailbox,
            &[
                ("no", FromDirectory::No),
                ("mailbox", FromDirectory::Mailbox),
                ("token", FromDirectory::Token),
            ],
        ),
        phone: r.read_yes_no("sms_from_directory", default.phone, FromDirectory::Token, FromDirectory::No),
        max_removals: r.read_option("max_removals", default.max_removals, |_| Some("10%".to_owned()), most),
        retention: r.read_duration("retention", default.retention, DAY, 1..=36_500),
        interval: r.read_duration("interval", default.interval, SECOND, 60..=604_800),
    };
    if sync.mail == EnrolmentMail::Yes && sync.token.is_none() {
        r.report_conflict("enrolment_mail", "has nothing to send: set \"token\" to totp or hotp");
    }
    if sync.mail == EnrolmentMail::Yes && sync.mailbox == FromDirectory::No {
        r.report_conflict(
            "enrolment_mail",
            "needs a mailbox for every new user: set \"mail_from_directory\" to mailbox",
        );
    }
    if r.is_set() {
        check(r, &sync, ldap, email);
    }
    sync
}

/// Whether what it needs is there.
fn check(r: &mut OptionReader<'_, '_>, sync: &SyncOptions, ldap: Option<&LdapOptions>, email: &EmailOptions) {
    match ldap {
        None => r.report_conflict("group_dn", "needs a directory: set \"host\" in ldap { }"),
        Some(ldap) if matches!(ldap.account, SearchAccount::User(_)) => r.report_conflict(
            "group_dn",
            "needs an account that finds users: set \"service_account_username\" in ldap { } instead of \"bind_as\"",
        ),
        Some(ldap) if ldap.groups == GroupMode::None && !sync.groups.is_empty() => {
            r.report_conflict("group_dn", "needs groups: set \"groups\" in ldap { } to direct or nested");
        }
        Some(_) => {}
    }
    if sync.mail == EnrolmentMail::Yes && email.relays.is_empty() {
        r.report_conflict("enrolment_mail", "needs a mail relay: see email { }");
    }
}

fn most(text: &str) -> Result<DeletionLimit, InvalidValue> {
    let (number, is_percent) = match text.strip_suffix('%') {
        Some(number) => (number.trim_end(), true),
        None => (text, false),
    };
    match (number.parse(), is_percent) {
        (Ok(percent @ 1..=100), true) => Ok(DeletionLimit::Percent(percent)),
        (Ok(users), false) => Ok(DeletionLimit::Users(users)),
        _ => Err(invalid!(
            "must be a number of users, such as 20, or a part of them, such as 10%, not \"{text}\""
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::declare::tests::config_of;

    const LDAP: &str = "ldap {\nhost = dc1\nsearch_dn = \"dc=test\"\n}\n";

    fn sync_of(text: &str) -> Result<SyncOptions, String> {
        config_of(&format!("{LDAP}sync {{\n{text}\n}}\n")).map(|config| config.sync)
    }

    #[test]
    fn section_that_says_nothing_needs_nothing() {
        assert_eq!(config_of("sync {\n}\n").unwrap().sync, SyncOptions::default());
    }

    #[test]
    fn removals_are_so_many_or_so_many_of_a_hundred() {
        for (text, known, most) in
            [("10%", 1000, 100), ("10 %", 10, 5), ("0", 1000, 0), ("7", 3, 7), ("100%", 8, 8)]
        {
            let sync = sync_of(&format!("max_removals = \"{text}\"")).unwrap();
            assert_eq!(sync.max_removals.of(known), most, "{text}");
        }
        for bad in ["-1", "101%", "0%", "ten", "%"] {
            assert!(sync_of(&format!("max_removals = \"{bad}\"")).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_it_needs_has_to_be_there() {
        for (text, told) in [
            ("sync {\ntoken = totp\n}\n", "needs a directory"),
            (&format!("{LDAP}sync {{\nenrolment_mail = yes\n}}\n"), "has nothing to send"),
            (&format!("{LDAP}sync {{\ntoken = totp\nenrolment_mail = yes\n}}\n"), "needs a mailbox"),
            (
                &format!(
                    "{LDAP}sync {{\ntoken = totp\nenrolment_mail = yes\nmail_from_directory = mailbox\n}}\n"
                ),
                "needs a mail relay",
            ),
            (
                &format!(
                    "{}sync {{\ntoken = none\n}}\n",
                    LDAP.replace("host", "bind_as = \"{user}@test\"\nhost")
                ),
                "instead of \"bind_as\"",
            ),
            (
                &format!(
                    "{}sync {{\ngroup_dn = \"cn=a,dc=test\"\n}}\n",
                    LDAP.replace("host", "groups = none\nhost")
                ),
                "needs groups",
            ),
        ] {
            let refused = config_of(text).unwrap_err();
            assert!(refused.contains(told), "{text}: {refused}");
        }
    }
}
