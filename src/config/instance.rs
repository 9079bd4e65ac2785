//! The options of one instance of the module, and their defaults.

use super::profile::{ClientProfile, PromptFormat};
use super::{directory, entra, message, name_template, policy, push, radius, reply, sync, texts};
use crate::types::{Digits, Mode, NameRules, Secret, UserName};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// One instance of the module, as `raddb/mods-available/mfa` describes it option by option.
#[derive(Clone, Debug)]
pub struct Config {
    /// `mode`: how the password field is read, unless `MFA-Mode` says otherwise.
    pub mode: Mode,
    /// `delimiter`: what stands between password and passcode in append mode; `None`: the length of the passcode decides.
    pub delimiter: Option<String>,
    /// `passcode_position`: on which side of the password the passcode stands.
    pub passcode_position: PasscodePosition,
    /// `static_challenge` and `split_null_byte`: what is done to the password field before anything else reads it.
    pub unpacking: FieldDecoding,
    /// `first_factor`: who checks the password.
    pub first_factor: FirstFactor,
    /// The password backends, where this module verifies passwords.
    pub passwords: PasswordSource,
    /// `issuer`: what authenticator apps show above the code.
    pub issuer: String,
    /// `client_profile` and the like.
    pub client: ClientDefaults,
    /// `username { }`.
    pub names: NameRules,
    /// `stored_as` of `username { }`: the name under which a user's tokens are stored.
    pub stored_as: name_template::NameTemplate,
    /// `totp { }`.
    pub totp: TotpRules,
    /// `hotp { }`.
    pub hotp: HotpRules,
    /// `lockout { }`.
    pub lockout: FailureLimits,
    /// `policy { }`.
    pub policy: policy::PolicyOptions,
    /// `reply { }`, in the order of the file.
    pub replies: Vec<reply::ReplyRule>,
    /// `challenge_lifetime` and `challenge_tries`.
    pub challenge: ChallengeLimits,
    /// `resend_time`: how long a datagram that comes again gets the same decision.
    pub resend_time: Duration,
    /// `codes { }`.
    pub codes: SentCodeLimits,
    /// `push { }`.
    pub push: push::PushOptions,
    /// `sms { }`.
    pub sms: message::SmsOptions,
    /// `email { }`.
    pub email: message::EmailOptions,
    /// `ldap { }`: the directory of users. `None`: no directory.
    pub ldap: Option<directory::LdapOptions>,
    /// `entra { }`: Entra ID. `None`: not used.
    pub entra: Option<entra::EntraOptions>,
    /// `radius { }`: another server that verifies passwords. `None`: no such server.
    pub radius: Option<radius::RadiusOptions>,
    /// `sync { }`: who is taken from there into the store.
    pub sync: sync::SyncOptions,
    /// `metrics { }`.
    pub metrics: MetricsOptions,
    /// `store { }`.
    pub store: StoreOptions,
}

impl Config {
    /// Whether this module verifies the password in a field that is read in this mode.
    pub fn checks_password(&self, mode: Mode) -> bool {
        self.first_factor == FirstFactor::Own && mode != Mode::Passcode
    }
}

/// The settings of clients that have none of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientDefaults {
    /// `client_profile`: what product it is.
    pub profile: &'static ClientProfile,
    /// `prompt_format`: how it shows a text; `None` for the format of the profile.
    pub format: Option<PromptFormat>,
    /// `language`: one of [`Texts`](texts::Texts).
    pub language: String,
    /// `explain`: whether users who know the password read why they are refused.
    pub explain: ExplainRefusals,
    /// `autofill_domain`: for which pages browsers fill codes in that came by SMS.
    pub autofill_domain: Option<String>,
}

/// On which side of the password the passcode stands, where both are in one field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum PasscodePosition {
    /// `secret123456`.
    #[default]
    After,
    /// `123456secret`.
    Before,
}

/// What is done to the password field before anything else reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct FieldDecoding {
    /// `static_challenge`, or the client's profile: OpenVPN's `SCRV1:password:response` is taken apart.
    pub static_challenge: bool,
    /// `split_null_byte`: the field ends before its first NUL octet.
    pub null_byte: bool,
}

/// Whether users who know the password read why they are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExplainRefusals {
    /// Users read why.
    Yes,
    /// They read what everybody does.
    No,
}

/// The password backends, if this module verifies passwords: `first_factor`, `first_factor_fallback`, `first_factor_domains { }`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasswordSource {
    /// The backend. `None`: this module does not verify passwords.
    pub by: Option<PasswordBackendKind>,
    /// The backend to use while this one is unavailable; never after it has refused.
    pub fallback: Option<PasswordBackendKind>,
    /// The backends of users of these domains; the key is the domain as typed, case folded.
    pub domains: BTreeMap<String, PasswordBackendKind>,
    /// `wrong_cache`: how long a wrong password is refused without asking the backend again. Zero: off.
    pub wrong_cache: Duration,
    /// `password_cache`: how long a right password is accepted without asking the backend again. Zero: off.
    pub right_cache: Duration,
}

impl Default for PasswordSource {
    fn default() -> Self {
        Self {
            by: None,
            fallback: None,
            domains: BTreeMap::new(),
            wrong_cache: Duration::from_secs(30),
            right_cache: Duration::ZERO,
        }
    }
}

impl PasswordSource {
    /// The backend for a name as typed, and its fall-back.
    pub fn chosen_instance(
        &self,
        typed: &[u8],
    ) -> (Option<PasswordBackendKind>, Option<PasswordBackendKind>) {
        let of_domain = UserName::typed_domain(typed).and_then(|domain| self.domains.get(&domain).copied());
        let first = of_domain.or(self.by);
        (first, self.fallback.filter(|by| Some(*by) != first))
    }

    /// All backends in use, each once.
    pub fn all(&self) -> impl Iterator<Item = PasswordBackendKind> {
        PasswordBackendKind::ALL.into_iter().filter(|by| {
            self.by == Some(*by)
                || self.fallback == Some(*by)
                || self.domains.values().any(|other| other == by)
        })
    }
}

/// A kind of password backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordBackendKind {
    /// `ldap { }`.
    Ldap,
    /// `entra { }`.
    Entra,
    /// `radius { }`.
    Radius,
    /// Passwords in the store.
    Local,
}

impl PasswordBackendKind {
    /// All kinds, in the order of the documentation.
    pub const ALL: [Self; 4] = [Self::Ldap, Self::Entra, Self::Radius, Self::Local];

    /// Its word in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ldap => "ldap",
            Self::Entra => "entra",
            Self::Radius => "radius",
            Self::Local => "local",
        }
    }
}

/// What checks passwords, by `first_factor`. The status of a password in a login is
/// [`PasswordStatus`](crate::engine::PasswordStatus).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum FirstFactor {
    /// None, or one that verifies later: a wrong passcode does not imply that the password is known.
    #[default]
    None,
    /// The client, before it sent the passcode: a wrong passcode means that the password is known.
    Client,
    /// This module has it checked, by [`PasswordSource`]; it has not been yet.
    Own,
}

/// Which time steps are accepted (RFC 6238, section 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TotpRules {
    /// `window_back`: steps before the current one, 0 to 10.
    pub back: u32,
    /// `window_forward`: steps after it, 0 to 10.
    pub forward: u32,
    /// `max_drift`: by how many steps a token's clock may be off in the end, 0 to 100. Within it two consecutive codes
    /// resynchronise a token at login.
    pub max_drift: u32,
}

/// Which counters are accepted (RFC 4226, section 7.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HotpRules {
    /// `look_ahead`: counters after the expected one, 0 to 100.
    pub look_ahead: u32,
    /// `resync`: counters within which two consecutive codes resynchronise a token at login, 0 to 1000.
    pub resync: u32,
}

/// When guessing is slowed down, and when a user is locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailureLimits {
    /// `slow_after`: failures of a user from one source before it has to wait.
    pub slow_after: u32,
    /// `slow_time`: the first wait; doubled with each further failure.
    pub slow_time: Duration,
    /// `slow_max`: the longest wait.
    pub slow_max: Duration,
    /// `lock_after`: failures after a right password that lock the user.
    pub lock_after: u32,
    /// `lock_after_unproven`: failures of any kind, from anywhere, that lock a user.
    pub lock_after_unproven: u32,
    /// `lock_time`: for how long.
    pub lock_time: Duration,
    /// `guesses_per_user`: failures of a user in a day without a proven password beyond which one right code is not enough.
    pub guesses_per_user: u32,
    /// `guesses_per_client`: the same through one client, for all users.
    pub guesses_per_client: u32,
}

/// How long a challenge may be answered, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChallengeLimits {
    /// `challenge_lifetime`.
    pub lifetime: Duration,
    /// `challenge_tries`: answers that are wrong or make no sense, before the login is refused.
    pub tries: u8,
}

/// Codes that are sent to users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SentCodeLimits {
    /// `digits`: 6 to 8.
    pub digits: Digits,
    /// `life`: how long a code works.
    pub life: Duration,
    /// `tries`: wrong codes after which it does not any more.
    pub tries: u8,
    /// `per_hour`: codes to one user in an hour.
    pub per_hour: u32,
    /// `pause`: how long there is no other code for the same purpose.
    pub pause: Duration,
}

/// Where counters can be read.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct MetricsOptions {
    /// `listen`: where they are served over HTTP, for Prometheus; none for nowhere.
    pub listen: Option<SocketAddr>,
}

/// Where users, tokens and the audit trail are stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreOptions {
    /// `filename`: the SQLite database.
    pub filename: PathBuf,
    /// `key_file` or `key`: what seals the secrets in it.
    pub key: KeySource,
    /// `audit_days`: how long attempts are kept.
    pub audit_keep: Duration,
    /// `audit_refusals`: how many refusals are kept at most of each kind, with and without a proven password.
    pub audit_refusals: u32,
}

/// Where the keys come from that seal the secrets in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// `key_file`: a file that only the server's user may read; `mfa init` makes it.
    File(PathBuf),
    /// `key`: the content of such a file, from `$ENV{..}`; for sites with a secret manager.
    Text(Secret),
}

impl Default for ClientDefaults {
    fn default() -> Self {
        Self {
            profile: ClientProfile::generic_profile(),
            format: None,
            language: texts::ENGLISH.into(),
            explain: ExplainRefusals::Yes,
            autofill_domain: None,
        }
    }
}

impl Default for FailureLimits {
    fn default() -> Self {
        Self {
            slow_after: 3,
            slow_time: Duration::from_secs(5),
            slow_max: Duration::from_secs(300),
            lock_after: 6,
            lock_after_unproven: 1000,
            lock_time: Duration::from_secs(900),
            guesses_per_user: 300,
            guesses_per_client: 3000,
        }
    }
}

impl Default for ChallengeLimits {
    fn default() -> Self {
        Self { lifetime: Duration::from_secs(120), tries: 3 }
    }
}

impl Default for SentCodeLimits {
    fn default() -> Self {
        Self {
            digits: Digits::default(),
            life: Duration::from_secs(300),
            tries: 3,
            per_hour: 10,
            pause: Duration::from_secs(30),
        }
    }
}

impl Default for TotpRules {
    fn default() -> Self {
        Self { back: 1, forward: 1, max_drift: 10 }
    }
}

impl Default for HotpRules {
    fn default() -> Self {
        Self { look_ahead: 10, resync: 100 }
    }
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            filename: "/var/lib/freeradius-mfa/mfa.db".into(),
            key: KeySource::File("/var/lib/freeradius-mfa/mfa.key".into()),
            audit_keep: Duration::from_secs(365 * 24 * 60 * 60),
            audit_refusals: 500_000,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            delimiter: None,
            passcode_position: PasscodePosition::default(),
            unpacking: FieldDecoding::default(),
            first_factor: FirstFactor::default(),
            passwords: PasswordSource::default(),
            issuer: "VPN".into(),
            client: ClientDefaults::default(),
            names: NameRules::default(),
            stored_as: name_template::NameTemplate::default(),
            totp: TotpRules::default(),
            hotp: HotpRules::default(),
            lockout: FailureLimits::default(),
            policy: policy::PolicyOptions::default(),
            replies: Vec::new(),
            challenge: ChallengeLimits::default(),
            resend_time: Duration::from_secs(60),
            codes: SentCodeLimits::default(),
            push: push::PushOptions::default(),
            sms: message::SmsOptions::default(),
            email: message::EmailOptions::default(),
            ldap: None,
            entra: None,
            radius: None,
            sync: sync::SyncOptions::default(),
            metrics: MetricsOptions::default(),
            store: StoreOptions::default(),
        }
    }
}
