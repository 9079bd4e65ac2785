//! OpenID Connect Client-Initiated Backchannel Authentication (CIBA Core 1.0) in poll mode: the provider sends a push
//! to the user's device, and is polled every few seconds. Okta, Auth0, Ping, Keycloak and others speak it.
//!
//! An approval is an id_token that the provider has signed for us, about the user who was asked, and nothing else.
//! Ping and push mode, where the provider calls back, are not there: a RADIUS server is rarely to be reached from
//! outside.

mod answer;
mod cache;
mod client;
mod discovery;
#[doc(hidden)]
pub mod fuzz;
mod keys;
mod token;

use self::answer::{BackchannelResponse, PollResponse, REST};
use self::cache::CachedValue;
use self::client::CibaClient;
use self::discovery::ProviderDiscovery;
use self::keys::VerificationKeys;
use self::token::{ExpectedClaims, TokenRefusal};
use crate::clock::now;
use crate::config::push;
use crate::engine::provider::{
    AskOutcome, ProviderError, ProviderFuture, PushOutcome, PushProvider, PushQuestion, PushRequest,
    PushRequestKind, PushResponse,
};
use crate::http;
use crate::types::{Factor, FactorChoice, Printable, Secret, SetupError};
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// How long the provider's metadata and keys are kept.
const KEEP: Duration = Duration::from_secs(3600);

/// How old keys must be to be fetched again for a token whose key is not among them.
const KEEP_KEYS: Duration = Duration::from_secs(10);

/// How many polls in a row may come back broken (no TLS, no HTTP) before the provider is given up.
const BROKEN: u32 = 3;

/// An OpenID provider that speaks CIBA.
pub(super) struct CibaProvider(Arc<CibaState>);

struct CibaState {
    config: push::CibaOptions,
    client: CibaClient,
    http: http::HttpClient,
    discovery: CachedValue<ProviderDiscovery>,
    keys: CachedValue<VerificationKeys>,
}

impl CibaProvider {
    /// Reaches it by `http`. Reads `private_key_file`.
    pub(super) fn new(config: &push::CibaOptions, http: http::HttpClient) -> Result<Self, SetupError> {
        if !discovery::is_safe(&config.issuer) {
            let why = "issuer: has to be an https URL without a password in it";
            return Err(SetupError::Missing(why.to_owned()));
        }
        Ok(Self(Arc::new(CibaState {
            client: CibaClient::open(config)?,
            config: config.clone(),
            http,
            discovery: CachedValue::default(),
            keys: CachedValue::default(),
        })))
    }
}

impl PushProvider for CibaProvider {
    fn name(&self) -> &'static str {
        "ciba"
    }

    fn start_push(&self, ask: PushRequest) -> ProviderFuture<Result<AskOutcome, ProviderError>> {
        let inner = Arc::clone(&self.0);
        Box::pin(async move { inner.start_authentication(ask).await })
    }

    fn await_answer(&self, question: &PushQuestion) -> ProviderFuture<Result<PushResponse, ProviderError>> {
        let (inner, question) = (Arc::clone(&self.0), question.clone());
        Box::pin(async move { inner.poll_tokens(question).await.map_err(after_asking) })
    }

    /// CIBA has no way to take a question back. It ends at the provider by `requested_expiry`.
    fn cancel_push(&self, _question: &PushQuestion) -> ProviderFuture<()> {
        Box::pin(async {})
    }

    /// Metadata and keys. Whether the client credentials are valid shows only with a push.
    fn probe_service(&self) -> ProviderFuture<Result<Option<String>, ProviderError>> {
        let inner = Arc::clone(&self.0);
        Box::pin(async move {
            let discovery = inner.fetch_discovery(KEEP).await?;
            inner.keys(&discovery, KEEP).await?;
            Ok(Some("its metadata and its keys are good; our own key was not tried".to_owned()))
        })
    }
}

impl CibaState {
    async fn start_authentication(&self, ask: PushRequest) -> Result<AskOutcome, ProviderError> {
        match ask.asking {
            PushRequestKind::Passcode(_) => {
                return Err(ProviderError::Failed("ciba takes no passcodes".into()));
            }
            PushRequestKind::Device(Some(choice)) if choice != FactorChoice::DEFAULT => {
                return Ok(AskOutcome::Decided(PushOutcome::NoDevice.into()));
            }
            PushRequestKind::Device(_) => {}
        }
        let discovery = self.fetch_discovery(KEEP).await?;
        // Without keys no answer could be believed: better to know before the user is asked.
        self.keys(&discovery, KEEP).await?;
        let user = self.config.login_hint.replace("{user}", &ask.user);
        let scope = scope_value(&self.config.scope);
        let expiry = whole_seconds(ask.limit).to_string();
        let mut form: Vec<(&str, &[u8])> = vec![
            ("scope", scope.as_bytes()),
            ("login_hint", user.as_bytes()),
            ("requested_expiry", expiry.as_bytes()),
        ];
        // A provider that refuses the number is not asked again without it: who has to compare numbers must not be asked
        // a question that has none.
        if let Some(number) = &ask.number {
            form.push(("binding_message", number.as_bytes()));
        }
        let answer = self.post_form(&discovery, &discovery.backchannel, &form).await?;
        Ok(match BackchannelResponse::read(&answer.map_err(http::Error::while_asking)?)? {
            BackchannelResponse::Decided(response) => AskOutcome::Decided(response),
            BackchannelResponse::Waiting { id, interval } => AskOutcome::Waiting(PushQuestion {
                id,
                subject: user,
                factor: Factor::Push,
                device: default_device(),
                interval,
            }),
        })
    }

    async fn poll_tokens(&self, question: PushQuestion) -> Result<PushResponse, ProviderError> {
        let (mut interval, mut rest, mut broken) = (question.interval, question.interval, 0);
        loop {
            tokio::time::sleep(rest).await;
            rest = interval;
            match self.poll(&question.id).await? {
                Ok(said) => {
                    broken = 0;
                    match said {
                        PollResponse::Pending => {}
                        PollResponse::SlowDown => {
                            interval = interval.saturating_add(REST);
                            rest = interval;
                        }
                        PollResponse::Busy(after) => {
                            rest = interval.saturating_add(REST).max(after.unwrap_or_default())
                        }
                        PollResponse::Decided(response) => return Ok(response),
                        PollResponse::Token(token) => return self.verify(&token, &question).await,
                    }
                }
                // Not an answer: the user may still be reaching for the phone. The caller limits the wait.
                Err(http::Error::Unreachable(_) | http::Error::Silent(_)) => broken = 0,
                Err(http::Error::Stranger(text) | http::Error::Broken(text)) => {
                    broken += 1;
                    if broken >= BROKEN {
                        return Err(ProviderError::Failed(text));
                    }
                }
            }
        }
    }

    /// Asks once what the user said.
    async fn poll(&self, id: &Secret) -> Result<Result<PollResponse, http::Error>, ProviderError> {
        let discovery = self.fetch_discovery(Duration::MAX).await?;
        let form: [(&str, &[u8]); 2] =
            [("grant_type", b"urn:openid:params:grant-type:ciba"), ("auth_req_id", id.expose())];
        match self.post_form(&discovery, &discovery.token, &form).await? {
            Ok(answer) => PollResponse::read(&answer).map(Ok),
            Err(error) => Ok(Err(error)),
        }
    }

    /// The approval, if this token is one.
    async fn verify(&self, token: &Secret, question: &PushQuestion) -> Result<PushResponse, ProviderError> {
        let discovery = self.fetch_discovery(Duration::MAX).await?;
        let expected = ExpectedClaims {
            issuer: &discovery.issuer,
            client: self.client.id(),
            question: question.id.expose(),
            claim: &self.config.user_claim,
            user: &question.subject,
        };
        let mut keys = self.keys(&discovery, Duration::MAX).await?;
        let mut verified = token::verify(token.expose(), &keys, &expected, now());
        if verified == Err(TokenRefusal::UnknownKey) {
            keys = self.keys(&discovery, KEEP_KEYS).await?;
            verified = token::verify(token.expose(), &keys, &expected, now());
        }
        match verified {
            Ok(()) => Ok(PushOutcome::Approved { factor: Factor::Push, device: default_device() }.into()),
            Err(refused) => Err(ProviderError::Failed(format!("ciba: id_token: {refused}"))),
        }
    }

    /// The provider's metadata, no older than that.
    async fn fetch_discovery(&self, oldest: Duration) -> Result<Arc<ProviderDiscovery>, ProviderError> {
        let issuer = &self.config.issuer;
        let fetch = async {
            let answer = self
                .get(ProviderDiscovery::metadata_url(issuer))
                .await
                .map_err(http::Error::before_asking)?;
            ProviderDiscovery::read(&answer, issuer)
        };
        self.discovery.get(oldest, fetch).await
    }

    /// Its keys, no older than that.
    async fn keys(
        &self,
        discovery: &ProviderDiscovery,
        oldest: Duration,
    ) -> Result<Arc<VerificationKeys>, ProviderError> {
        let fetch = async {
            let answer = self.get(discovery.jwks.clone()).await.map_err(http::Error::before_asking)?;
            VerificationKeys::read(&answer)
        };
        self.keys.get(oldest, fetch).await
    }

    async fn get(&self, from: Url) -> Result<http::HttpAnswer, http::Error> {
        self.http.send(http::HttpCall::get(from).header("accept", "application/json")).await
    }

    /// Posts a form in our name. The inner error is that of the way there and back, which each caller takes differently.
    async fn post_form(
        &self,
        discovery: &ProviderDiscovery,
        to: &Url,
        form: &[(&str, &[u8])],
    ) -> Result<Result<http::HttpAnswer, http::Error>, ProviderError> {
        let call = self.client.post_form(to, form, &discovery.issuer, now())?;
        Ok(self.http.send(call).await)
    }
}

/// What goes wrong once the user has the question is never "could not be reached".
fn after_asking(trouble: ProviderError) -> ProviderError {
    let (ProviderError::Unreachable(text) | ProviderError::Failed(text)) = trouble;
    ProviderError::Failed(text)
}

/// `openid`, without which there is no id_token, and what is configured beside it.
fn scope_value(configured: &str) -> String {
    let others = configured.split_whitespace().filter(|word| *word != "openid");
    std::iter::once("openid").chain(others).collect::<Vec<_>>().join(" ")
}

/// Whole seconds, rounded up, at least one.
fn whole_seconds(limit: Duration) -> u64 {
    limit.as_secs().saturating_add(u64::from(limit.subsec_nanos() > 0)).max(1)
}

/// There is one device, and the provider does not tell which.
fn default_device() -> Printable {
    Printable::new("ciba")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openid_is_always_among_the_scopes_and_once() {
        assert_eq!(scope_value(""), "openid");
        assert_eq!(scope_value("  email  openid profile"), "openid email profile");
    }

    #[test]
    fn a_limit_is_rounded_up_to_seconds() {
        assert_eq!(whole_seconds(Duration::ZERO), 1);
        assert_eq!(whole_seconds(Duration::from_millis(25_001)), 26);
        assert_eq!(whole_seconds(Duration::from_secs(25)), 25);
    }

    #[test]
    fn trouble_after_the_question_is_not_that_of_an_unreachable_provider() {
        assert_eq!(after_asking(ProviderError::Unreachable("no".into())), ProviderError::Failed("no".into()));
    }
}
