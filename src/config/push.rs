//! `push { }`: the provider, time limits, rate limits, and what happens when the provider cannot be reached.

use super::name_template::NameTemplate;
use crate::types::Secret;
use std::path::PathBuf;
use std::time::Duration;
use url::Url;

/// `push { }`.
#[derive(Clone, Debug)]
pub struct PushOptions {
    /// `provider`, with its own section. None: there is no push.
    pub provider: Option<ProviderOptions>,
    /// `username`: the name by which the provider knows users.
    pub username: NameTemplate,
    /// `limit`: how long a login waits for the user.
    pub limit: Duration,
    /// `on_timeout`: what a user who did not answer in time gets.
    pub on_timeout: OnTimeout,
    /// `number_match`: whether the user compares a number.
    pub number_match: NumberMatch,
    /// `waits_per_user`: how many logins of one user may wait at once, each with a question of its own.
    pub waits_per_user: usize,
    /// `failmode`, with `budget_user` and `budget_total`: what happens when the provider cannot be reached.
    pub failmode: FailMode,
    /// `per_hour` and the like.
    pub rate: PushRate,
    /// `result_cache`: how long a result is kept for a client that asks again.
    pub result_cache: Duration,
    /// `ca_file`, `proxy`, `api_timeout`.
    pub http: HttpOptions,
}

/// How all providers are reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpOptions {
    /// `api_timeout`: how long one HTTP request may take.
    pub timeout: Duration,
    /// `ca_file`: certificates (PEM) that are trusted beside the system's.
    pub ca_file: Option<PathBuf>,
    /// `proxy`: an HTTP proxy.
    pub proxy: Option<Url>,
}

/// What a user who did not answer in time gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnTimeout {
    /// The login is refused.
    Reject,
    /// A question for a passcode.
    Challenge,
}

/// Whether the user has to find the same number on the screen and on the phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumberMatch {
    /// Required.
    Required,
    /// The device only asks.
    Off,
}

/// What happens when the provider could not be reached before the user was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailMode {
    /// The login is refused.
    Secure,
    /// It is let in, so often.
    Safe(BypassBudget),
}

/// How many logins an hour `failmode = safe` lets in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BypassBudget {
    /// `budget_user`: of one user.
    pub user: u32,
    /// `budget_total`: of all.
    pub total: u32,
}

/// Against push fatigue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PushRate {
    /// `per_hour`: questions to one user in an hour.
    pub per_hour: u32,
    /// `per_hour_unproven`: the same without a verified password.
    pub per_hour_unproven: u32,
    /// `pause_after_denial`: how long a user who said no is left in peace.
    pub pause: Duration,
}

/// Who asks the user.
#[derive(Clone, Debug)]
pub enum ProviderOptions {
    /// `duo { }`: Duo's Auth API.
    Duo(DuoOptions),
    /// `ciba { }`: OpenID Connect backchannel authentication.
    Ciba(CibaOptions),
    /// `privacyidea { }`: a privacyIDEA server.
    PrivacyIdea(PrivacyIdeaOptions),
    /// `webhook { }`: HTTP calls of our own making.
    Webhook(WebhookOptions),
}

/// `duo { }`.
#[derive(Clone, Debug)]
pub struct DuoOptions {
    /// `ikey`: integration key.
    pub ikey: String,
    /// `skey`: secret key.
    pub skey: Secret,
    /// `api_host`: host name, with a port if it is not 443.
    pub api_host: String,
}

/// `ciba { }`.
#[derive(Clone, Debug)]
pub struct CibaOptions {
    /// `issuer`: discovery is at `/.well-known/openid-configuration` below it.
    pub issuer: Url,
    /// `client_id`.
    pub client_id: String,
    /// `client_auth` with `client_secret` or `private_key_file`.
    pub auth: ClientAuth,
    /// `scope`: words beside `openid`, separated by blanks.
    pub scope: String,
    /// `login_hint`: the user's name at the provider; `{user}` stands for the canonical name.
    pub login_hint: String,
    /// `user_claim`: the claim of the id_token that must be the login hint.
    pub user_claim: String,
}

/// How the client proves itself to the provider (OpenID Connect Core 1.0, section 9).
#[derive(Clone, Debug)]
pub enum ClientAuth {
    /// `client_secret_basic`.
    Basic(Secret),
    /// `client_secret_post`.
    Post(Secret),
    /// `private_key_jwt`: the key file (PEM), and `key_id` for its header.
    Key {
        /// `private_key_file`.
        file: PathBuf,
        /// `key_id`.
        id: Option<String>,
    },
}

/// `privacyidea { }`.
#[derive(Clone, Debug)]
pub struct PrivacyIdeaOptions {
    /// `url` of the server; `/validate/check` is below it.
    pub url: Url,
    /// `realm`.
    pub realm: Option<String>,
    /// `trigger`: what is sent as the password so that privacyIDEA sends pushes: the user's PIN there, often empty.
    pub trigger: Secret,
}

/// `webhook { }`.
#[derive(Clone, Debug)]
pub struct WebhookOptions {
    /// `url`: where a question is posted.
    pub url: Url,
    /// `secret`: the key of the signatures.
    pub secret: Secret,
}

impl Default for PushOptions {
    fn default() -> Self {
        Self {
            provider: None,
            limit: Duration::from_secs(25),
            on_timeout: OnTimeout::Reject,
            number_match: NumberMatch::Off,
            waits_per_user: 1,
            failmode: FailMode::Secure,
            rate: PushRate::default(),
            result_cache: Duration::from_secs(10),
            username: NameTemplate::default(),
            http: HttpOptions { timeout: Duration::from_secs(10), ca_file: None, proxy: None },
        }
    }
}

impl Default for BypassBudget {
    fn default() -> Self {
        Self { user: 3, total: 100 }
    }
}

impl Default for PushRate {
    fn default() -> Self {
        Self { per_hour: 20, per_hour_unproven: 5, pause: Duration::from_secs(60) }
    }
}
