//! `push { }`: the provider, time limits, rate limits, and what happens when the provider cannot be reached.

pub use super::http_options::HttpOptions;

use super::name_template::NameTemplate;
use crate::config::error::{InvalidValue, invalid};
use crate::config::reader::OptionReader;
use crate::config::values::{SECOND, declare_template, http, optional_file, secret, text, web};
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
    /// No number is shown.
    Off,
}

/// What happens when the provider could not be reached before the user was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailMode {
    /// The login is refused.
    Secure,
    /// It is accepted without a second factor, within this budget.
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
    /// `pause_after_denial`: how long a user is not asked again after a denial.
    pub pause: Duration,
}

/// The push provider.
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

/// Which provider is chosen, before its section is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ProviderWord {
    None,
    Duo,
    Ciba,
    PrivacyIdea,
    Webhook,
}

pub(super) fn push(r: &mut OptionReader<'_, '_>) -> PushOptions {
    let default = PushOptions::default();
    let word = r.read_choice(
        "provider",
        ProviderWord::None,
        &[
            ("none", ProviderWord::None),
            ("duo", ProviderWord::Duo),
            ("ciba", ProviderWord::Ciba),
            ("privacyidea", ProviderWord::PrivacyIdea),
            ("webhook", ProviderWord::Webhook),
        ],
    );
    let is = |wanted: ProviderWord| if word == wanted { OptionNeed::Filled } else { OptionNeed::Nothing };
    let duo = r.section("duo", |r| duo(r, is(ProviderWord::Duo)));
    let ciba = r.section("ciba", |r| ciba(r, is(ProviderWord::Ciba)));
    let privacyidea = r.section("privacyidea", |r| privacyidea(r, is(ProviderWord::PrivacyIdea)));
    let webhook = r.section("webhook", |r| webhook(r, is(ProviderWord::Webhook)));
    let number_match = number_match(r, word);
    PushOptions {
        provider: match word {
            ProviderWord::None => None,
            ProviderWord::Duo => duo.map(ProviderOptions::Duo),
            ProviderWord::Ciba => ciba.map(ProviderOptions::Ciba),
            ProviderWord::PrivacyIdea => privacyidea.map(ProviderOptions::PrivacyIdea),
            ProviderWord::Webhook => webhook.map(ProviderOptions::Webhook),
        },
        limit: r.read_duration("limit", default.limit, SECOND, 1..=55),
        on_timeout: r.read_choice(
            "on_timeout",
            default.on_timeout,
            &[("reject", OnTimeout::Reject), ("challenge", OnTimeout::Challenge)],
        ),
        waits_per_user: waits_per_user(r, number_match),
        number_match,
        failmode: failmode(r),
        rate: PushRate {
            per_hour: r.read_number("per_hour", default.rate.per_hour, 1..=1000),
            per_hour_unproven: r.read_number("per_hour_unproven", default.rate.per_hour_unproven, 1..=1000),
            pause: r.read_duration("pause_after_denial", default.rate.pause, SECOND, 0..=3600),
        },
        username: declare_template(r, "username"),
        result_cache: r.read_duration("result_cache", default.result_cache, SECOND, 0..=60),
        http: http(r, "api_timeout", default.http),
    }
}

fn number_match(r: &mut OptionReader<'_, '_>, word: ProviderWord) -> NumberMatch {
    let wanted = r.read_yes_no("number_match", NumberMatch::Off, NumberMatch::Required, NumberMatch::Off);
    if wanted == NumberMatch::Required && !matches!(word, ProviderWord::Ciba | ProviderWord::Webhook) {
        r.report_conflict("number_match", "needs a provider that shows the number: ciba or webhook");
    }
    wanted
}

fn waits_per_user(r: &mut OptionReader<'_, '_>, number_match: NumberMatch) -> usize {
    let count: u8 = r.read_number("waits_per_user", 1, 1..=8);
    if count > 1 && number_match == NumberMatch::Off {
        r.report_conflict(
            "waits_per_user",
            "above 1 needs \"number_match = yes\": without a number the user cannot tell which login a question is about",
        );
    }
    count.into()
}

fn failmode(r: &mut OptionReader<'_, '_>) -> FailMode {
    let (secure, budget) = (FailMode::Secure, BypassBudget::default());
    let safe = r.read_choice("failmode", secure, &[("secure", secure), ("safe", FailMode::Safe(budget))]);
    let budget = BypassBudget {
        user: r.read_number("budget_user", budget.user, 1..=1000),
        total: r.read_number("budget_total", budget.total, 1..=1_000_000),
    };
    if safe == FailMode::Secure { FailMode::Secure } else { FailMode::Safe(budget) }
}

/// Whether the options of a section have to be there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OptionNeed {
    Filled,
    Nothing,
}

/// An option without a default, that has to be there if its provider is the one.
fn needed<T>(
    r: &mut OptionReader<'_, '_>,
    name: &'static str,
    need: OptionNeed,
    parse: impl FnOnce(&str) -> Result<T, InvalidValue>,
) -> Option<T> {
    let value = r.read_option(
        name,
        None,
        |_: &Option<T>| None,
        |text| match text {
            "" => Err(invalid!("is empty")),
            text => parse(text).map(Some),
        },
    );
    if need == OptionNeed::Filled && !r.has_option(name) {
        r.report_conflict(name, "is missing: the provider needs it");
    }
    value
}

fn duo(r: &mut OptionReader<'_, '_>, need: OptionNeed) -> Option<DuoOptions> {
    let ikey = needed(r, "ikey", need, text);
    let skey = needed(r, "skey", need, secret);
    let api_host = needed(r, "api_host", need, |host| match Url::parse(&format!("https://{host}")) {
        Ok(url) if url.path() == "/" && url.username().is_empty() && url.query().is_none() => {
            Ok(host.to_owned())
        }
        _ => Err(invalid!("must be a host name such as \"api-12345678.duosecurity.com\", not \"{host}\"")),
    });
    Some(DuoOptions { ikey: ikey?, skey: skey?, api_host: api_host? })
}

fn ciba(r: &mut OptionReader<'_, '_>, need: OptionNeed) -> Option<CibaOptions> {
    #[derive(Clone, Copy, PartialEq)]
    enum Method {
        Basic,
        Post,
        Key,
    }
    let issuer = needed(r, "issuer", need, web);
    let client_id = needed(r, "client_id", need, text);
    let method = r.read_choice(
        "client_auth",
        Method::Basic,
        &[
            ("client_secret_basic", Method::Basic),
            ("client_secret_post", Method::Post),
            ("private_key_jwt", Method::Key),
        ],
    );
    let (for_secret, for_key) = match method {
        _ if need == OptionNeed::Nothing => (OptionNeed::Nothing, OptionNeed::Nothing),
        Method::Key => (OptionNeed::Nothing, OptionNeed::Filled),
        Method::Basic | Method::Post => (OptionNeed::Filled, OptionNeed::Nothing),
    };
    let client_secret = needed(r, "client_secret", for_secret, secret);
    let file = optional_file(r, "private_key_file");
    if for_key == OptionNeed::Filled && file.is_none() {
        r.report_conflict("private_key_file", "is missing: \"client_auth = private_key_jwt\" needs it");
    }
    let id = r.read_option("key_id", None, |_: &Option<String>| None, |id| text(id).map(Some));
    let scope =
        r.read_option("scope", String::new(), |scope| Some(scope.clone()), |scope| Ok(scope.to_owned()));
    let login_hint = r.read_option(
        "login_hint",
        "{user}".to_owned(),
        |hint| Some(hint.clone()),
        |hint| match hint.contains("{user}") {
            true => text(hint),
            false => Err(invalid!("must hold {{user}}, such as \"{{user}}@example.test\", not \"{hint}\"")),
        },
    );
    let user_claim = r.read_option("user_claim", "sub".to_owned(), |claim| Some(claim.clone()), text);
    let auth = match method {
        Method::Basic => ClientAuth::Basic(client_secret?),
        Method::Post => ClientAuth::Post(client_secret?),
        Method::Key => ClientAuth::Key { file: file?, id },
    };
    Some(CibaOptions { issuer: issuer?, client_id: client_id?, auth, scope, login_hint, user_claim })
}

fn privacyidea(r: &mut OptionReader<'_, '_>, need: OptionNeed) -> Option<PrivacyIdeaOptions> {
    let url = needed(r, "url", need, web);
    let realm = r.read_option("realm", None, |_: &Option<String>| None, |realm| text(realm).map(Some));
    let trigger = r.read_option("trigger", Secret::new(""), |_| None, secret);
    Some(PrivacyIdeaOptions { url: url?, realm, trigger })
}

fn webhook(r: &mut OptionReader<'_, '_>, need: OptionNeed) -> Option<WebhookOptions> {
    let url = needed(r, "start_url", need, web);
    let secret = needed(r, "hmac_key", need, |key| match key.len() {
        0..16 => Err(invalid!("must have at least 16 characters: take what `openssl rand -hex 32` prints")),
        _ => Ok(Secret::new(key)),
    });
    Some(WebhookOptions { url: url?, secret: secret? })
}
