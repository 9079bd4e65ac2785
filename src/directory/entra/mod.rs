//! Entra ID: a password is sent to the tenant's token endpoint (ROPC: RFC 6749, section 4.3), and the numbers in its answer
//! say what it is worth. Tokens are not kept, and nothing is asked about the user.
//!
//! What Entra ID says is final, whether yes or no. A password is sent once for each login.

mod answer;
#[doc(hidden)]
pub mod fuzz;

use super::{HostProbe, text_of};
use crate::clock;
use crate::config::entra::{self, ClientCredential};
use crate::engine::SubmittedPassword;
use crate::engine::directory::{
    AuthFailure, BackendUnavailable, Credentials, DirectoryUser, PasswordBackend, PasswordResponse,
};
use crate::engine::provider::ProviderFuture;
use crate::http::assertion::{self, AssertionSigner};
use crate::http::{HttpAnswer, HttpCall, HttpClient};
use crate::types::{NameRules, Printable, ProbeFault, SetupError, UserName};
use data_encoding::HEXLOWER;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use url::{Url, form_urlencoded};

/// How long Entra ID is left in peace if it wants that and does not say for how long; and for how long at most.
const REST: Duration = Duration::from_secs(5);
const LONGEST_REST: Duration = Duration::from_secs(60);
/// How many times `timeout` a login may take, with its turn among others.
const IN_ALL: u32 = 2;

/// Entra ID as `entra { }` has it.
pub struct EntraBackend(Arc<EntraState>);

struct EntraState {
    config: entra::EntraOptions,
    names: NameRules,
    /// Where tokens are asked for.
    token: Url,
    /// Where the tenant describes itself.
    metadata: Url,
    signer: Option<AssertionSigner>,
    http: HttpClient,
    /// Until when it is left in peace.
    rest: Mutex<Option<Instant>>,
}

impl EntraBackend {
    pub(super) fn new(config: &entra::EntraOptions, names: &NameRules) -> Result<Self, SetupError> {
        let place = |path: &str| {
            let place = format!("{}/{}/{path}", config.authority, config.tenant);
            Url::parse(&place)
                .map_err(|why| SetupError::Missing(format!("authority, tenant: {place}: {why}")))
        };
        let signer = match &config.proof {
            ClientCredential::Certificate { certificate, key } => {
                Some(AssertionSigner::of_certificate(certificate, key)?)
            }
            ClientCredential::Public | ClientCredential::Secret(_) => None,
        };
        Ok(Self(Arc::new(EntraState {
            token: place("oauth2/v2.0/token")?,
            metadata: place("v2.0/.well-known/openid-configuration")?,
            signer,
            http: HttpClient::new(&config.http)?,
            rest: Mutex::new(None),
            config: config.clone(),
            names: names.clone(),
        })))
    }

    /// Whether it can be reached, has a valid certificate, has the tenant, and accepts the application: the last is
    /// seen from its answer for a user name that does not exist.
    pub fn probe_tenant(&self) -> ProviderFuture<HostProbe> {
        let inner = Arc::clone(&self.0);
        Box::pin(async move {
            let found = inner.probe_token().await;
            HostProbe { host: inner.config.authority.clone(), found }
        })
    }
}

impl PasswordBackend for EntraBackend {
    fn name(&self) -> &'static str {
        "entra"
    }

    fn verify_password(&self, claim: Credentials) -> ProviderFuture<Result<PasswordResponse, AuthFailure>> {
        let inner = Arc::clone(&self.0);
        Box::pin(async move {
            let password = match &claim.password {
                SubmittedPassword::Plain(password) => text_of(password).ok_or(AuthFailure::Wrong)?,
                SubmittedPassword::Absent | SubmittedPassword::Separate { .. } => {
                    return Err(AuthFailure::Wrong);
                }
                _ => return Err(AuthFailure::NeedsPap),
            };
            let user = claim.user.as_str();
            // What was typed must be that name but for capitals: not one that only our rules take for the same.
            let spelled = UserName::with_typed_spelling(&claim.typed, &inner.names).unwrap_or_default();
            if !is_name(user) || !spelled.eq_ignore_ascii_case(user) {
                return Err(AuthFailure::Unknown);
            }
            let name = inner.name_of(user);
            inner.request_token(&name, &password).await?;
            let upn = Some(name.clone());
            Ok(DirectoryUser { name, upn, ..DirectoryUser::default() }.into())
        })
    }
}

/// Whether a canonical name can be a principal name: these consist of these characters, and of capitals, which count
/// as small letters. Others are not sent. Entra ID might take them for a spelling of a name that it knows: a user
/// with that password would be another user here, without a token.
fn is_name(user: &str) -> bool {
    let is_in = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "'.-_!#^~".contains(c);
    let (name, domain) = user.split_once('@').map_or((user, None), |(name, domain)| (name, Some(domain)));
    let is_whole = |part: &str| !part.is_empty() && !part.ends_with('.') && part.chars().all(is_in);
    is_whole(name) && domain.is_none_or(is_whole)
}

impl EntraState {
    /// What a user is called there.
    fn name_of(&self, user: &str) -> String {
        match &self.config.domain {
            Some(domain) if !user.contains('@') => format!("{user}@{domain}"),
            _ => user.to_owned(),
        }
    }

    async fn request_token(&self, name: &str, password: &str) -> Result<(), AuthFailure> {
        if let Some(left) = self.remaining_pause(Instant::now()) {
            let left = left.as_secs().saturating_add(1);
            let text = format!("{}: wants no logins for {left} s more", self.config.authority);
            return Err(BackendUnavailable(text).into());
        }
        let answer = self.send(self.token_request(name, password)?).await?;
        let denied = answer::read(&self.config, &answer);
        if matches!(answer.status, 429 | 503) {
            let wanted = answer.retry_after.or((answer.status == 429).then_some(REST));
            let wanted = wanted.map(|wanted| wanted.min(LONGEST_REST));
            let until = wanted.and_then(|wanted| Instant::now().checked_add(wanted));
            *self.rest.lock().unwrap_or_else(PoisonError::into_inner) = until;
        }
        denied
    }

    /// How long it is still to be left in peace.
    fn remaining_pause(&self, now: Instant) -> Option<Duration> {
        let until = *self.rest.lock().unwrap_or_else(PoisonError::into_inner);
        until?.checked_duration_since(now).filter(|left| !left.is_zero())
    }

    /// All secrets are in its body.
    fn token_request(&self, name: &str, password: &str) -> Result<HttpCall, BackendUnavailable> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("client_id", &self.config.client_id);
        form.append_pair("scope", "openid");
        form.append_pair("grant_type", "password");
        form.append_pair("username", name);
        form.append_pair("password", password);
        if let Some(signer) = &self.signer {
            let now = clock::now();
            let signed = signer.sign(&self.config.client_id, self.token.as_str(), now);
            let signed = signed.map_err(|why| BackendUnavailable(why.to_string()))?;
            form.append_pair("client_assertion_type", assertion::KIND);
            form.append_pair("client_assertion", &signed);
        }
        if let ClientCredential::Secret(secret) = &self.config.proof {
            form.append_pair("client_secret", &String::from_utf8_lossy(secret.expose()));
        }
        let call = HttpCall::post(self.token.clone(), "application/x-www-form-urlencoded", form.finish());
        Ok(call.header("accept", "application/json"))
    }

    async fn send(&self, call: HttpCall) -> Result<HttpAnswer, BackendUnavailable> {
        let limit = self.config.http.timeout.saturating_mul(IN_ALL);
        match tokio::time::timeout(limit, self.http.send(call)).await {
            Ok(sent) => sent.map_err(|error| BackendUnavailable(error.to_string())),
            Err(_elapsed) => {
                let text = format!("{}: no turn within {} s", self.config.authority, limit.as_secs());
                Err(BackendUnavailable(text))
            }
        }
    }

    /// For `mfa doctor`.
    async fn probe_token(&self) -> Result<String, ProbeFault> {
        let call = HttpCall::get(self.metadata.clone()).header("accept", "application/json");
        let described = self.send(call).await.map_err(ProbeFault::new)?;
        answer::check_tenant(&self.config, &described)?;
        let mut drawn = [[0; 16]; 2];
        for octets in &mut drawn {
            getrandom::fill(octets).map_err(|why| ProbeFault(format!("random numbers: {why}")))?;
        }
        let [name, password] = drawn.map(|octets| HEXLOWER.encode(&octets));
        let name = self.name_of(&format!("mfa-doctor-{name}"));
        match self.request_token(&name, &password).await {
            Err(AuthFailure::Wrong) => Ok("has the tenant, and takes the application".to_owned()),
            Err(AuthFailure::Locked) => Err(ProbeFault::new("blocks logins from the address of this server")),
            Err(denied) => Err(ProbeFault::new(denied)),
            Ok(()) => Err(ProbeFault(format!(
                "lets {} in, who does not exist: is that Entra ID?",
                Printable::new(name)
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::push::HttpOptions;
    use std::collections::BTreeMap;

    fn inner(domain: Option<&str>) -> Arc<EntraState> {
        let http = HttpOptions { timeout: Duration::from_secs(1), ca_file: None, proxy: None };
        let config = entra::EntraOptions {
            tenant: "example.test".to_owned(),
            client_id: "a client".to_owned(),
            proof: ClientCredential::Public,
            domain: domain.map(str::to_owned),
            authority: "https://login.example.test".to_owned(),
            mfa: entra::EntraMfa::Optional,
            verdicts: BTreeMap::new(),
            http,
        };
        EntraBackend::new(&config, &NameRules::default()).unwrap().0
    }

    #[test]
    fn bare_names_get_the_domain() {
        let inner = inner(Some("example.test"));
        assert_eq!(inner.name_of("alice"), "alice@example.test");
        assert_eq!(inner.name_of("alice@other.test"), "alice@other.test");
        assert_eq!(super::tests::inner(None).name_of("alice"), "alice");
    }

    #[test]
    fn only_what_is_a_principal_name_is_sent() {
        for name in ["alice", "alice@example.test", "o'neill-smith_1", "a.b#ext#@example.test"] {
            assert!(is_name(name), "{name}");
        }
        for bad in
            ["", "@", "alice@", "@example.test", "a@b@c", "a b", "alice.", "alice.@b", "a@b.", "a\\b", "a\nb"]
        {
            assert!(!is_name(bad), "{bad:?}");
        }
        for spelling in ["Alice", "\u{e0}lice", "alice\u{200b}", "a\u{131}ice", "alice@ex\u{e4}mple.test"] {
            assert!(!is_name(spelling), "{spelling:?}");
        }
    }

    #[test]
    fn rest_ends() {
        let (inner, now) = (inner(None), Instant::now());
        assert_eq!(inner.remaining_pause(now), None);
        *inner.rest.lock().unwrap() = Some(now + Duration::from_secs(3));
        assert_eq!(inner.remaining_pause(now), Some(Duration::from_secs(3)));
        assert_eq!(inner.remaining_pause(now + Duration::from_secs(3)), None);
    }
}
