//! `entra { }`: Entra ID, which checks passwords of the users of a tenant.

use super::push::HttpOptions;
use crate::types::Secret;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// `entra { }`.
#[derive(Clone, Debug)]
pub struct EntraOptions {
    /// `tenant`: its id, or one of its domains.
    pub tenant: String,
    /// `client_id`: the application that checks passwords.
    pub client_id: String,
    /// `client_secret`, or `certificate_file` and `private_key_file`.
    pub proof: ClientCredential,
    /// `domain`: what names without one get. None: nothing.
    pub domain: Option<String>,
    /// `cloud` or `authority`: where its logins are, `https://` and a host.
    pub authority: String,
    /// `require_entra_mfa`.
    pub mfa: EntraMfa,
    /// `verdicts { }`: what the site decides otherwise than [`TABLE`].
    pub verdicts: BTreeMap<u64, EntraVerdict>,
    /// `timeout`, `ca_file`, `proxy`.
    pub http: HttpOptions,
}

/// How the application proves that it is the one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientCredential {
    /// Not at all: a public client.
    Public,
    /// `client_secret`.
    Secret(Secret),
    /// An assertion, signed with the key of a certificate.
    Certificate {
        /// `certificate_file` (PEM).
        certificate: PathBuf,
        /// `private_key_file` (PEM).
        key: PathBuf,
    },
}

/// Whether Entra ID has to ask for a second factor of its own, wherever that is possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntraMfa {
    /// Users that Entra ID accepts by the password alone are refused.
    Required,
    /// The login is accepted.
    Optional,
}

/// What an error code of Entra ID (AADSTS) means for a login. Of several codes in one response, the last in this order counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EntraVerdict {
    /// The password is right.
    Accept,
    /// It cannot tell now.
    Unavailable,
    /// It cannot tell until the administrator changes something.
    Misconfigured,
    /// The password was right, and has expired.
    Expired,
    /// It was right, and has to be changed first.
    MustChange,
    /// The account is disabled; which it may say whatever the password.
    Disabled,
    /// The login is refused for another reason.
    Blocked,
    /// The account is locked, whatever the password.
    Locked,
    /// The password is wrong, or there is no such user.
    Wrong,
}

impl EntraVerdict {
    /// All of them, with their words in the configuration.
    pub const WORDS: [(&str, Self); 9] = [
        ("accept", Self::Accept),
        ("expired", Self::Expired),
        ("must_change", Self::MustChange),
        ("disabled", Self::Disabled),
        ("locked", Self::Locked),
        ("blocked", Self::Blocked),
        ("wrong", Self::Wrong),
        ("unavailable", Self::Unavailable),
        ("misconfigured", Self::Misconfigured),
    ];
}

/// A code that is known.
#[derive(Clone, Copy, Debug)]
pub struct ErrorCodeRow {
    /// The number behind `AADSTS`.
    pub code: u64,
    /// The verdict unless `verdicts { }` changes it.
    pub verdict: EntraVerdict,
    /// What it means in words, and what to do; fit to be followed by the code in brackets.
    pub meaning: &'static str,
    /// The rest of the sentence.
    pub remedy: &'static str,
}

/// The row of a code. None: it is not known.
pub fn error_code_row(code: u64) -> Option<&'static ErrorCodeRow> {
    TABLE.iter().find(|row| row.code == code)
}

impl EntraOptions {
    /// The verdict for a code. `None`: not configured.
    pub fn code_verdict(&self, code: u64) -> Option<EntraVerdict> {
        self.verdicts.get(&code).copied().or_else(|| error_code_row(code).map(|row| row.verdict))
    }
}

const fn is(verdict: EntraVerdict, code: u64, meaning: &'static str) -> ErrorCodeRow {
    ErrorCodeRow { code, verdict, meaning, remedy: "" }
}

/// What only the administrator can change.
const fn wrong_credential(code: u64, meaning: &'static str, remedy: &'static str) -> ErrorCodeRow {
    ErrorCodeRow { code, verdict: EntraVerdict::Misconfigured, meaning, remedy }
}

/// Microsoft does not promise that a code means the same for ever, nor that "MFA is needed" proves the password: hence
/// `verdicts { }`.
pub const TABLE: &[ErrorCodeRow] = {
    use EntraVerdict::{Accept, Blocked, Disabled, Expired, Locked, Unavailable, Wrong};
    &[
        is(Accept, 50072, "the user has to enrol for MFA"),
        is(Accept, 50074, "MFA is needed"),
        is(Accept, 50076, "MFA is needed"),
        is(Accept, 50079, "the user has to enrol for MFA"),
        is(Accept, 50158, "another provider's MFA is needed"),
        is(Blocked, 53000, "Conditional Access wants a compliant device"),
        is(Blocked, 53001, "Conditional Access wants a device of the domain"),
        is(Blocked, 53002, "Conditional Access wants another application"),
        is(Blocked, 53003, "Conditional Access blocks this login"),
        is(Blocked, 53004, "the user has to enrol for MFA, and may not from here"),
        is(Blocked, 50131, "Conditional Access blocks this login"),
        is(Blocked, 530032, "Conditional Access blocks this login"),
        is(Blocked, 530035, "the security defaults of the tenant block this login"),
        // Entra ID has refused this user: no other backend may be asked instead.
        is(Blocked, 50105, "the user is not assigned to the application"),
        is(Expired, 50055, "the password has expired"),
        is(Expired, 50144, "the password has expired in Active Directory"),
        is(Wrong, 50126, "wrong name or password"),
        is(Wrong, 50056, "no password, or a wrong one"),
        is(Wrong, 50064, "wrong name or password"),
        is(Wrong, 50034, "no such user"),
        is(Wrong, 51004, "no such user"),
        is(Wrong, 50014, "no such user"),
        is(Wrong, 50020, "a user of another tenant"),
        is(Wrong, 90072, "a user of another tenant"),
        is(Locked, 50053, "the account is locked, or logins from this server's address are"),
        is(Disabled, 50057, "the account is disabled"),
        wrong_credential(50128, "the tenant does not have this domain", "see \"domain\" and \"tenant\""),
        wrong_credential(50059, "no tenant is known for this name", "see \"domain\" and \"tenant\""),
        wrong_credential(90002, "there is no such tenant here", "see \"tenant\" and \"cloud\""),
        wrong_credential(900023, "this is no name of a tenant", "see \"tenant\""),
        wrong_credential(700016, "the tenant has no such application", "see \"client_id\" and \"tenant\""),
        wrong_credential(7000112, "the application is disabled", "enable it in the tenant"),
        wrong_credential(70001, "the tenant has no such application", "see \"client_id\" and \"tenant\""),
        wrong_credential(
            70002,
            "the application's proof is wrong",
            "see \"client_secret\" or \"certificate_file\"",
        ),
        wrong_credential(7000215, "the secret is wrong", "set \"client_secret\" to its value, not to its id"),
        wrong_credential(
            7000218,
            "the application is not a public client",
            "allow public client flows, or set \"client_secret\"",
        ),
        wrong_credential(7000222, "the secret or certificate has expired", "make a new one and set it"),
        wrong_credential(
            50012,
            "the application's proof is wrong",
            "see \"client_secret\" or \"certificate_file\"",
        ),
        wrong_credential(700024, "the assertion is too old or too new", "set this machine's clock"),
        wrong_credential(
            700027,
            "the certificate is not the application's",
            "upload \"certificate_file\" to the application",
        ),
        wrong_credential(65001, "the application has no consent", "grant the administrator's consent to it"),
        wrong_credential(900144, "a parameter is missing", "see \"client_id\""),
        is(Unavailable, 50196, "too many logins at once"),
        is(Unavailable, 90055, "too many logins at once"),
        is(Unavailable, 50087, "it fails for a while"),
        is(Unavailable, 50088, "it fails for a while"),
        is(Unavailable, 50033, "it fails for a while"),
        is(Unavailable, 90006, "it fails for a while"),
        is(Unavailable, 90024, "it fails for a while"),
        is(Unavailable, 90033, "it fails for a while"),
        is(Unavailable, 80001, "its agent does not reach Active Directory"),
        is(Unavailable, 80002, "its agent had no answer in time"),
        is(Unavailable, 80005, "its agent failed"),
        is(Unavailable, 80007, "its agent could not check the password"),
        is(Unavailable, 80014, "its agent had no answer in time"),
    ]
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_is_the_documented_one() {
        let raddb = include_str!("../../raddb/mods-available/mfa");
        let (_, text) = raddb.split_once("By default:").unwrap();
        let (text, _) = text.split_once("Those of Conditional Access").unwrap();
        let text = text.replace("and all that", "").replace(" to ", "-").replace([',', '#'], " ");
        let (mut found, mut verdict) = (Vec::new(), None);
        for word in text.split_whitespace() {
            if let Some((_, named)) = EntraVerdict::WORDS.iter().find(|(known, _)| *known == word) {
                verdict = Some(*named);
            }
            let mut ends = word.split('-').filter_map(|number| number.parse::<u64>().ok());
            if let Some(first) = ends.next() {
                found.extend((first..=ends.next().unwrap_or(first)).map(|code| (code, verdict.unwrap())));
            }
        }
        let mut table: Vec<_> = TABLE.iter().map(|row| (row.code, row.verdict)).collect();
        table.sort_unstable();
        found.sort_unstable();
        assert_eq!(found, table);
    }
}
