//! The trait for push providers: Duo, an OpenID provider, privacyIDEA, a webhook. The engine owns it; `factor::push`
//! implements it.

use crate::types::{Factor, FactorChoice, Passcode, Printable, Secret};
use std::pin::Pin;
use std::time::Duration;

/// Something that takes time. It borrows nothing.
pub type ProviderFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Sends pushes, and checks passcodes that only the provider knows.
///
/// No method panics or waits forever: each HTTP call is bounded by `api_timeout`, and the caller of
/// [`await_answer`](Self::await_answer) drops its future at the deadline. What was not understood (an unknown status, an answer
/// that does not parse, a redirect, a 5xx) is [`ProviderError`], never an approval.
pub trait PushProvider: Send + Sync {
    /// Its word in logs and metrics: `duo`.
    fn name(&self) -> &'static str;

    /// Whether [`PushRequestKind::Passcode`] can be asked of it.
    fn takes_passcodes(&self) -> bool {
        false
    }

    /// Whether [`list_factors`](Self::list_factors) is answered by the provider. If not, it is the same for everybody.
    fn tells_ways(&self) -> bool {
        false
    }

    /// The factors that the user may choose from, without sending a push. One default device, if the provider does
    /// not list them.
    fn list_factors(&self, _ask: &PushRequest) -> ProviderFuture<Result<ProviderFactors, ProviderError>> {
        Box::pin(std::future::ready(Ok(ProviderFactors::Ways(vec![(Factor::Push, String::new())]))))
    }

    /// Sends a push, or has the provider check a passcode.
    fn start_push(&self, ask: PushRequest) -> ProviderFuture<Result<AskOutcome, ProviderError>>;

    /// Waits for the user's answer, or until the question expires at the provider.
    fn await_answer(&self, question: &PushQuestion) -> ProviderFuture<Result<PushResponse, ProviderError>>;

    /// Takes the question back, as far as the provider can; bounded, best effort, silent.
    fn cancel_push(&self, question: &PushQuestion) -> ProviderFuture<()>;

    /// Looks whether it can be reached and takes our key, as far as that goes without asking anybody: for `mfa doctor`. The text
    /// says what was found well; none if there is nothing harmless to try.
    fn probe_service(&self) -> ProviderFuture<Result<Option<String>, ProviderError>> {
        Box::pin(std::future::ready(Ok(None)))
    }
}

/// A login that needs an answer.
#[derive(Clone, Debug)]
pub struct PushRequest {
    /// The user's canonical name.
    pub user: String,
    /// What is asked for.
    pub asking: PushRequestKind,
    /// The client's address (NAS), for the text on the device.
    pub client: String,
    /// Calling-Station-Id, printable; empty if there is none. Often the user's address.
    pub calling_station: String,
    /// Two digits that the user sees and has to find on the device, if any.
    pub number: Option<String>,
    /// For how long the answer is waited for.
    pub limit: Duration,
}

/// What is asked for.
#[derive(Clone, Debug)]
pub enum PushRequestKind {
    /// A question on a device. None: the user's best one.
    Device(Option<FactorChoice>),
    /// Whether this passcode is right.
    Passcode(Passcode),
}

/// What the provider has for a user.
#[derive(Clone, Debug)]
pub enum ProviderFactors {
    /// These, and where each goes, masked; the best first. The n-th of a kind is the n-th that [`PushProvider::start_push`] knows.
    Ways(Vec<(Factor, String)>),
    /// A result without asking the user.
    Decided(PushResponse),
}

/// What came of asking.
#[derive(Clone, Debug)]
pub enum AskOutcome {
    /// The user has the question.
    Waiting(PushQuestion),
    /// A result without waiting.
    Decided(PushResponse),
}

/// A push that the user has received.
#[derive(Clone, Debug)]
pub struct PushQuestion {
    /// The provider's identifier (txid, auth_req_id, transaction_id). It is enough to poll for the answer.
    pub id: Secret,
    /// The user in the provider's terms, if the answer has to name them.
    pub subject: String,
    /// How the user was asked.
    pub factor: Factor,
    /// On which device, for `MFA-Token` and the log.
    pub device: Printable,
    /// How long to rest between two polls.
    pub interval: Duration,
}

/// An outcome with the words that the provider has put beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushResponse {
    /// What was decided.
    pub outcome: PushOutcome,
    /// The provider's own words; empty if there are none. They are logged.
    pub message: Printable,
    /// Whether the provider means the message for the user. Only a user whose password was right reads it.
    pub is_for_user: bool,
}

impl PushResponse {
    /// An outcome with words for the log.
    pub fn with_log_text(outcome: PushOutcome, message: Printable) -> Self {
        Self { outcome, message, is_for_user: false }
    }

    /// An outcome with words for the user, which are logged as well.
    pub fn with_user_text(outcome: PushOutcome, message: Printable) -> Self {
        Self { outcome, message, is_for_user: true }
    }
}

impl From<PushOutcome> for PushResponse {
    fn from(outcome: PushOutcome) -> Self {
        Self::with_log_text(outcome, Printable::default())
    }
}

/// The result of a push, by the user or by the provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PushOutcome {
    /// Yes: by this factor, on this device.
    Approved {
        /// The factor that was used.
        factor: Factor,
        /// The device that was used.
        device: Printable,
    },
    /// The user denied.
    Denied,
    /// Denied, and reported as fraud.
    Fraud,
    /// Nothing, until the question expired.
    Expired,
    /// The passcode is wrong, or was used.
    Wrong,
    /// Codes were sent to the user, who logs in again with one.
    Sent,
    /// The provider lets the user in without asking for anything.
    Bypassed,
    /// The provider has locked the account, such as after too many failures.
    Locked,
    /// The provider's policy or its administrator refuses the user, whatever is presented.
    Refused,
    /// The user has to enrol at the provider first; the text says where.
    Enroll(Printable),
    /// The provider does not know the user.
    Unknown,
    /// The user has no device for this.
    NoDevice,
}

/// The provider did not answer as it should. Neither yes nor no. The texts are for the log: no secret, no raw answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// It could not be reached before the user was asked: no connection, no host name, a time-out of a call that
    /// sends no push. Only this is what `failmode = safe` is for.
    #[error("{0}")]
    Unreachable(String),
    /// Any other failure.
    #[error("{0}")]
    Failed(String),
}
