//! The options of `push { }`.

use super::values::{SECOND, declare_template, http, optional_file, secret, text, web};
use crate::config::error::{InvalidValue, invalid};
use crate::config::push::{
    BypassBudget, CibaOptions, ClientAuth, DuoOptions, FailMode, NumberMatch, OnTimeout, PrivacyIdeaOptions,
    ProviderOptions, PushOptions, PushRate, WebhookOptions,
};
use crate::config::reader::OptionReader;
use crate::types::Secret;
use url::Url;

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
