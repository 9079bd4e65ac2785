//! privacyIDEA, by `/validate/check` and `/validate/polltransaction`, as its own plugins for other servers use it
//! (3.0 to 3.14).
//!
//! A question is triggered by what stands for the user's PIN, which makes privacyIDEA send a push to all of the
//! user's push tokens at once. Its server can be told to let users in without any token (`passthru`, `passOnNoToken`,
//! ...); here that is an error and no yes: each yes has to name a token, or to follow an answered question.

use super::common::{INVENTED, invented_name, provider_text};
use crate::config::push;
use crate::engine::provider::{
    AskOutcome, ProviderError, ProviderFuture, PushOutcome, PushProvider, PushQuestion, PushRequest,
    PushRequestKind, PushResponse,
};
use crate::http::{Error, HttpAnswer, HttpCall, HttpClient};
use crate::types::{Factor, Printable, Secret};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// How long to rest between two polls.
const INTERVAL: Duration = Duration::from_secs(2);

/// How many polls in a row may fail before the login does: the user has the push, and is looking for the phone.
const STUMBLES: u8 = 3;

/// `ERR904`: the user is in no resolver of the realm.
const NO_SUCH_USER: i64 = 904;

/// The id of a transaction that no server ever gives out: theirs are random.
const NO_TRANSACTION: &str = "00000000000000000000";

/// Asks users by a privacyIDEA server.
pub(super) struct PrivacyIdeaProvider {
    server: Arc<PrivacyIdeaServer>,
}

/// The server, and how it is asked.
struct PrivacyIdeaServer {
    config: push::PrivacyIdeaOptions,
    http: HttpClient,
}

/// What the answer to a question has to match; [`PushQuestion::id`] as JSON.
#[derive(Serialize, Deserialize)]
struct PrivacyIdeaHandle {
    transaction: String,
    /// The client's address, by which policies may be bound.
    client: String,
    /// The tokens on which the user was asked.
    serials: Vec<String>,
}

/// An answer of the server, as far as it is looked at.
#[derive(Debug, Deserialize)]
struct PrivacyIdeaAnswer {
    result: PrivacyIdeaResult,
    detail: Option<AnswerDetail>,
}

#[derive(Debug, Deserialize)]
struct PrivacyIdeaResult {
    status: bool,
    value: Option<bool>,
    error: Option<PrivacyIdeaErrorCode>,
}

#[derive(Debug, Deserialize)]
struct PrivacyIdeaErrorCode {
    code: i64,
}

#[derive(Debug, Default, Deserialize)]
struct AnswerDetail {
    message: Option<String>,
    serial: Option<String>,
    transaction_id: Option<String>,
    challenge_status: Option<String>,
    multi_challenge: Option<Vec<PrivacyIdeaChallenge>>,
    user: Option<PrivacyIdeaUser>,
}

#[derive(Debug, Deserialize)]
struct PrivacyIdeaChallenge {
    serial: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    client_mode: Option<String>,
    /// The key that the user has to press on the phone; it should be shown to the user.
    presence_answer: Option<serde::de::IgnoredAny>,
}

#[derive(Debug, Deserialize)]
struct PrivacyIdeaUser {
    username: Option<String>,
}

/// An answer that is neither yes nor no.
#[derive(Debug, PartialEq, Eq)]
enum PrivacyIdeaFault {
    /// The server does not know the user.
    Unknown,
    /// A transport error.
    Trouble(ProviderError),
}

impl PrivacyIdeaProvider {
    /// Asks the server at `url` by `http`.
    pub(super) fn new(config: &push::PrivacyIdeaOptions, http: HttpClient) -> Self {
        Self { server: Arc::new(PrivacyIdeaServer { config: config.clone(), http }) }
    }
}

impl PushProvider for PrivacyIdeaProvider {
    fn name(&self) -> &'static str {
        "privacyidea"
    }

    fn takes_passcodes(&self) -> bool {
        true
    }

    fn start_push(&self, ask: PushRequest) -> ProviderFuture<Result<AskOutcome, ProviderError>> {
        let server = Arc::clone(&self.server);
        Box::pin(async move {
            match server.trigger_push(&ask).await {
                Ok(asked) => Ok(asked),
                Err(PrivacyIdeaFault::Unknown) => Ok(AskOutcome::Decided(PushOutcome::Unknown.into())),
                Err(PrivacyIdeaFault::Trouble(trouble)) => Err(trouble),
            }
        })
    }

    fn await_answer(&self, question: &PushQuestion) -> ProviderFuture<Result<PushResponse, ProviderError>> {
        let (server, question) = (Arc::clone(&self.server), question.clone());
        Box::pin(async move {
            match server.poll_answer(&question).await {
                Ok(response) => Ok(response),
                Err(PrivacyIdeaFault::Unknown) => Ok(PushOutcome::Unknown.into()),
                Err(PrivacyIdeaFault::Trouble(trouble)) => Err(trouble),
            }
        })
    }

    /// There is nothing to call: a question ends by itself, after two minutes unless the server says otherwise.
    fn cancel_push(&self, _question: &PushQuestion) -> ProviderFuture<()> {
        Box::pin(async {})
    }

    /// Polls a transaction that does not exist; then checks an invalid passcode for a name that does not exist.
    /// Neither sends a push.
    fn probe_service(&self) -> ProviderFuture<Result<Option<String>, ProviderError>> {
        let server = Arc::clone(&self.server);
        Box::pin(async move {
            match server.probe_server().await {
                Ok(()) => Ok(Some(format!(
                    "it answers as a privacyIDEA server does, and does not let in {INVENTED}"
                ))),
                Err(PrivacyIdeaFault::Unknown) => {
                    Err(ProviderError::Failed("privacyidea: it speaks of a user".to_owned()))
                }
                Err(PrivacyIdeaFault::Trouble(trouble)) => Err(trouble),
            }
        })
    }
}

impl PrivacyIdeaServer {
    async fn trigger_push(&self, ask: &PushRequest) -> Result<AskOutcome, PrivacyIdeaFault> {
        if ask.number.is_some() {
            return Err(request_failed("it cannot show the user a number"));
        }
        let choice = match &ask.asking {
            PushRequestKind::Passcode(passcode) => {
                let said = self.validate_check(&ask.user, &ask.client, passcode.expose(), None).await?;
                return said.passcode(&ask.user).map(AskOutcome::Decided);
            }
            PushRequestKind::Device(choice) => choice,
        };
        // It sends the push to all phones at once: the choice of a phone makes no difference.
        if choice.is_some_and(|choice| choice.factor != Factor::Push) {
            return Ok(AskOutcome::Decided(PushOutcome::NoDevice.into()));
        }
        let said = self.validate_check(&ask.user, &ask.client, self.config.trigger.expose(), None).await?;
        let message = said.message();
        let Some((transaction, serials)) = said.triggered()? else {
            return Ok(AskOutcome::Decided(PushResponse::with_log_text(PushOutcome::NoDevice, message)));
        };
        let device = Printable::new(serials.join(" "));
        let handle = PrivacyIdeaHandle { transaction, client: ask.client.clone(), serials };
        let id = serde_json::to_vec(&handle).map(Secret::new);
        let id = id.map_err(|error| request_failed(format!("a question cannot be kept: {error}")))?;
        let subject = ask.user.clone();
        Ok(AskOutcome::Waiting(PushQuestion {
            id,
            subject,
            factor: Factor::Push,
            device,
            interval: INTERVAL,
        }))
    }

    async fn poll_answer(&self, question: &PushQuestion) -> Result<PushResponse, PrivacyIdeaFault> {
        let handle: PrivacyIdeaHandle = serde_json::from_slice(question.id.expose())
            .map_err(|_| request_failed("not a question of ours"))?;
        let mut stumbled = 0;
        loop {
            tokio::time::sleep(question.interval).await;
            match self.http.send(HttpCall::get(self.polltransaction(&handle.transaction))).await {
                Err(_) | Ok(HttpAnswer { status: 429 | 502..=504, .. }) if stumbled < STUMBLES => {
                    stumbled += 1
                }
                answer => {
                    let answer = answer.map_err(ProviderError::from)?;
                    stumbled = 0;
                    match PrivacyIdeaAnswer::read(answer.status, &answer.body)?.polled()? {
                        Some(true) => break,
                        Some(false) => return Ok(PushOutcome::Denied.into()),
                        None => {}
                    }
                }
            }
        }
        let said =
            self.validate_check(&question.subject, &handle.client, b"", Some(&handle.transaction)).await?;
        said.confirmed(question, &handle)
    }

    async fn probe_server(&self) -> Result<(), PrivacyIdeaFault> {
        let answer = self.http.send(HttpCall::get(self.polltransaction(NO_TRANSACTION))).await;
        let answer = answer.map_err(Error::before_asking)?;
        match PrivacyIdeaAnswer::read(answer.status, &answer.body)?.polled()? {
            None => {}
            Some(_) => return Err(request_failed("a transaction that there never was has an answer")),
        }
        let (user, pass) = (invented_name()?, invented_name()?);
        match self.validate_check(&user, "", pass.as_bytes(), None).await {
            Ok(said) if said.value()? => Err(request_failed(format!(
                "DANGER: it lets in {INVENTED}, with any passcode: take the policies passOnNoUser, passOnNoToken and \
                 passthru away from this client"
            ))),
            Ok(_) | Err(PrivacyIdeaFault::Unknown) => Ok(()),
            Err(trouble) => Err(trouble),
        }
    }

    /// `POST /validate/check`. Any of these may ask the user: what looks like a passcode to us may be a PIN there.
    async fn validate_check(
        &self,
        user: &str,
        client: &str,
        pass: &[u8],
        transaction: Option<&str>,
    ) -> Result<PrivacyIdeaAnswer, PrivacyIdeaFault> {
        let Ok(pass) = std::str::from_utf8(pass) else {
            return Err(request_failed("a passcode or trigger that is not UTF-8"));
        };
        let fields = [
            Some(("user", user)),
            Some(("pass", pass)),
            Some(("client", client)).filter(|(_, client)| !client.is_empty()),
            self.config.realm.as_deref().map(|realm| ("realm", realm)),
            transaction.map(|transaction| ("transaction_id", transaction)),
        ];
        let form = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields.into_iter().flatten())
            .finish();
        let call = HttpCall::post(self.endpoint("check"), "application/x-www-form-urlencoded", form);
        let answer = self.http.send(call).await.map_err(|error| match transaction {
            None => error.while_asking(),
            Some(_) => error.into(),
        })?;
        PrivacyIdeaAnswer::read(answer.status, &answer.body)
    }

    /// Where the answer to a question is asked for.
    fn polltransaction(&self, transaction: &str) -> Url {
        let mut url = self.endpoint("polltransaction");
        url.query_pairs_mut().append_pair("transaction_id", transaction);
        url
    }

    /// An address below `url`.
    fn endpoint(&self, name: &str) -> Url {
        let mut url = self.config.url.clone();
        // Addresses without a path to add to are none of http.
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().push("validate").push(name);
        }
        url
    }
}

impl PrivacyIdeaAnswer {
    /// An answer that the server means: HTTP 200, and no error of its own.
    fn read(status: u16, body: &[u8]) -> Result<Self, PrivacyIdeaFault> {
        let said = || serde_json::from_slice::<Self>(body);
        match status {
            200 => {
                match said().map_err(|_| request_failed("the answer is not one of a privacyIDEA server"))? {
                    said if said.result.status => Ok(said),
                    said => Err(said.status_fault(status)),
                }
            }
            400..=499 => match said() {
                Ok(said) => Err(said.status_fault(status)),
                Err(_) => Err(request_failed(format!("HTTP {status}"))),
            },
            status => Err(request_failed(format!("HTTP {status}"))),
        }
    }

    fn status_fault(&self, status: u16) -> PrivacyIdeaFault {
        match &self.result.error {
            Some(PrivacyIdeaErrorCode { code: NO_SUCH_USER }) => PrivacyIdeaFault::Unknown,
            Some(PrivacyIdeaErrorCode { code }) => {
                request_failed(format!("HTTP {status}, error {code} of the server"))
            }
            None => request_failed(format!("HTTP {status}, an error without its number")),
        }
    }

    /// The server's words for the log, such as "Failcounter exceeded": a user is told what the outcome means.
    fn message(&self) -> Printable {
        provider_text(self.detail.as_ref().and_then(|detail| detail.message.as_deref()))
    }

    fn value(&self) -> Result<bool, PrivacyIdeaFault> {
        self.result.value.ok_or_else(|| request_failed("the answer says neither yes nor no"))
    }

    /// A passcode is right if a token took it. What was let in without a token was not asked for a second factor.
    fn passcode(self, user: &str) -> Result<PushResponse, PrivacyIdeaFault> {
        if !self.value()? {
            return Ok(PushResponse::with_log_text(PushOutcome::Wrong, self.message()));
        }
        let detail = self.detail_of(user)?.unwrap_or_default();
        let serial = detail.serial.ok_or_else(|| {
            request_failed(
                "it let the user in without naming a token: take the policies passthru, passOnNoToken, passOnNoUser and \
                 no_detail_on_success away from this client",
            )
        })?;
        Ok(PushOutcome::Approved { factor: Factor::Passcode, device: Printable::new(serial) }.into())
    }

    /// The transaction, and the tokens on which the user is asked; `None` if there are none.
    fn triggered(self) -> Result<Option<(String, Vec<String>)>, PrivacyIdeaFault> {
        if self.value()? {
            return Err(request_failed(
                "DANGER: it let the user in by the trigger alone, and nobody was asked: it has an spass token with this PIN, \
                 or a policy (passthru, passOnNoToken, passOnNoUser, push_wait) that must not hold for this client",
            ));
        }
        let detail = self.detail.unwrap_or_default();
        let Some(transaction) = detail.transaction_id else { return Ok(None) };
        if !(1..=64).contains(&transaction.len())
            || !transaction.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        {
            return Err(request_failed("a transaction_id that is none"));
        }
        let pushes = detail.multi_challenge.unwrap_or_default().into_iter();
        let pushes: Vec<PrivacyIdeaChallenge> =
            pushes.filter(|one| one.kind.as_deref() == Some("push")).collect();
        if pushes.iter().any(|one| one.presence_answer.is_some()) {
            return Err(request_failed(
                "the policy push_require_presence must not hold for this client: the user would not be shown which key to press",
            ));
        }
        if pushes.iter().any(|one| one.client_mode.as_deref() == Some("interactive")) {
            return Err(request_failed(
                "the policy push_code_to_phone must not hold for this client: the user has nowhere to type the code",
            ));
        }
        if pushes.is_empty() {
            return Ok(None);
        }
        let serials: Option<Vec<String>> = pushes.into_iter().map(|one| one.serial).collect();
        serials
            .map(|serials| Some((transaction, serials)))
            .ok_or_else(|| request_failed("a push token without its serial"))
    }

    /// Whether the user approved or denied; `None` before that.
    fn polled(&self) -> Result<Option<bool>, PrivacyIdeaFault> {
        let status = self.detail.as_ref().and_then(|detail| detail.challenge_status.as_deref());
        Ok(match (status, self.value()?) {
            (Some("declined" | "cancelled"), _) => Some(false),
            (_, true) => Some(true),
            (_, false) => None,
        })
    }

    /// The approval of an answered push: of this user, this push, and a token that it was sent to.
    fn confirmed(
        self,
        question: &PushQuestion,
        handle: &PrivacyIdeaHandle,
    ) -> Result<PushResponse, PrivacyIdeaFault> {
        if !self.value()? {
            return Ok(PushResponse::with_log_text(PushOutcome::Denied, self.message()));
        }
        let device = match self.detail_of(&question.subject)? {
            // The policy no_detail_on_success.
            None => question.device.clone(),
            Some(AnswerDetail { transaction_id: Some(transaction), .. })
                if transaction != handle.transaction =>
            {
                return Err(request_failed("the answer is to another question"));
            }
            Some(AnswerDetail { serial: Some(serial), .. }) if handle.serials.contains(&serial) => {
                Printable::new(serial)
            }
            Some(_) => {
                return Err(request_failed(
                    "it accepted the user by another token than the one that was asked",
                ));
            }
        };
        Ok(PushOutcome::Approved { factor: Factor::Push, device }.into())
    }

    /// What it says about this user; an error if it is about another. `bob@example.test` is `bob` there.
    fn detail_of(self, user: &str) -> Result<Option<AnswerDetail>, PrivacyIdeaFault> {
        let named = self.detail.as_ref().and_then(|detail| detail.user.as_ref()?.username.as_deref());
        let is_same = |name: &str| {
            let (name, user) = (name.to_lowercase(), user.to_lowercase());
            name == user || user.rsplit_once('@').is_some_and(|(user, _)| name == user)
        };
        match named {
            Some(name) if !is_same(name) => Err(request_failed("the answer is about another user")),
            _ => Ok(self.detail),
        }
    }
}

impl From<ProviderError> for PrivacyIdeaFault {
    fn from(trouble: ProviderError) -> Self {
        Self::Trouble(trouble)
    }
}

fn request_failed(why: impl std::fmt::Display) -> PrivacyIdeaFault {
    PrivacyIdeaFault::Trouble(ProviderError::Failed(format!("privacyidea: {why}")))
}

/// Parses the octets of a server, for `fuzz/` only. No I/O.
pub mod fuzz {
    use crate::engine::provider::{PushOutcome, PushQuestion};
    use crate::factor::push::privacyidea::{
        INTERVAL, PrivacyIdeaAnswer, PrivacyIdeaFault, PrivacyIdeaHandle,
    };
    use crate::types::{Factor, Printable, Secret};

    /// The outcome of an answer to a passcode of `alice`.
    pub fn passcode(status: u16, octets: &[u8]) -> Option<PushOutcome> {
        PrivacyIdeaAnswer::read(status, octets)
            .and_then(|said| said.passcode("alice"))
            .ok()
            .map(|response| response.outcome)
    }

    /// The transaction that an answer to a trigger begins, and its tokens.
    pub fn triggered(status: u16, octets: &[u8]) -> Option<(String, Vec<String>)> {
        PrivacyIdeaAnswer::read(status, octets).and_then(PrivacyIdeaAnswer::triggered).ok().flatten()
    }

    /// What a poll says.
    pub fn polled(status: u16, octets: &[u8]) -> Option<bool> {
        PrivacyIdeaAnswer::read(status, octets).and_then(|said| said.polled()).ok().flatten()
    }

    /// The result of the confirmation of `alice`'s transaction 1, which was sent to token `PUSH1`.
    pub fn confirmed(status: u16, octets: &[u8]) -> Option<PushOutcome> {
        let handle = PrivacyIdeaHandle {
            transaction: "1".to_owned(),
            client: String::new(),
            serials: vec!["PUSH1".to_owned()],
        };
        let question = PushQuestion {
            id: Secret::new(""),
            subject: "alice".to_owned(),
            factor: Factor::Push,
            device: Printable::new("PUSH1"),
            interval: INTERVAL,
        };
        match PrivacyIdeaAnswer::read(status, octets).and_then(|said| said.confirmed(&question, &handle)) {
            Ok(response) => Some(response.outcome),
            Err(PrivacyIdeaFault::Unknown) => Some(PushOutcome::Unknown),
            Err(PrivacyIdeaFault::Trouble(_)) => None,
        }
    }
}
