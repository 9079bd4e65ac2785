//! What a challenge offers, and what its answer means.

use super::ids::{ConversationId, RememberedLoginDigest, StateDigest};
use super::login_attempt::LoginAttempt;
use super::password_status::PasswordStatus;
use super::prompt::{QuestionKind, QuestionOption};
use super::reason::RefusalReason;
use super::source::LoginEndpoint;
use super::user_attributes::UserAttributes;
use crate::types::{Factor, FactorChoice, Passcode, Timestamp, TokenId, UserName};

/// What a challenge remembers until its answer comes.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ChallengeState {
    /// Which conversation it belongs to.
    pub conversation: ConversationId,
    /// The factors offered to the user, in the order of the list.
    pub ways: Vec<FactorOption>,
    /// Whether the user was told that a passcode may be typed.
    pub passcode: bool,
    /// What was known of the password, and by whom. A row of an earlier version does not say: then its answer is refused.
    #[serde(default)]
    pub password_status: PasswordStatus,
    /// Where it was put, and is to be answered.
    #[serde(default)]
    pub endpoint: LoginEndpoint,
    /// By what the login is remembered if it succeeds.
    #[serde(default)]
    pub mark: Option<RememberedLoginDigest>,
    /// Whether the user has to enrol: no answer is accepted then.
    #[serde(default)]
    pub enrolling: bool,
    /// State of the password backend's own challenge, if this challenge relays one.
    #[serde(default)]
    pub relayed: Option<Vec<u8>>,
    /// What is said of the user.
    #[serde(default)]
    pub grants: Option<UserAttributes>,
    /// How many wrong or unusable answers are still allowed.
    pub tries: u8,
}

/// A factor that the user may choose.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct FactorOption {
    /// As shown to the user.
    pub way: QuestionOption,
    /// The token of ours that it is; none if it is the provider's.
    pub token: Option<TokenId>,
}

/// What a user may answer with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct OfferedFactors {
    /// The factors to choose from, in the order of the list.
    pub(super) ways: Vec<FactorOption>,
    /// Whether a passcode may be typed instead.
    pub(super) passcode: bool,
}

impl OfferedFactors {
    /// Whether there is nothing the user could answer.
    pub(super) fn is_empty(&self) -> bool {
        self.ways.is_empty() && !self.passcode
    }

    /// The reason for asking with these factors: there may be none.
    pub(super) fn reason(&self) -> RefusalReason {
        if self.is_empty() { RefusalReason::NoDevice } else { RefusalReason::Challenged }
    }
}

/// What an answer means.
#[derive(Debug)]
pub(super) enum ChallengeAnswer {
    /// A factor of the list.
    Way(FactorOption),
    /// The user wants to type a recovery code.
    Recovery,
    /// A typed passcode.
    Passcode(Passcode),
    /// Nothing, or nothing that was offered.
    NotUnderstood,
}

/// A challenge that may follow on an attempt.
#[derive(Clone)]
pub(super) struct NextChallenge {
    pub(super) next: ChallengeToWrite,
    pub(super) state: String,
    pub(super) asks: QuestionKind,
}

impl std::fmt::Debug for NextChallenge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NextChallenge").field("asks", &self.asks).finish_non_exhaustive()
    }
}

impl ChallengeState {
    /// What the user was offered.
    pub(super) fn offered(&self) -> OfferedFactors {
        OfferedFactors { ways: self.ways.clone(), passcode: self.passcode }
    }

    /// Whether this request may answer the challenge: made at the same endpoint, and with a password that the backend
    /// there has verified, or is being asked about. A relayed question is answered while the password is still
    /// unverified.
    pub(super) fn is_good_at(&self, attempt: &LoginAttempt) -> bool {
        let (put, here) = (self.password_status, attempt.password_status);
        let has_password = match &self.relayed {
            Some(_) => put.is_ours_to_check() && here.is_ours_to_check(),
            None => put.is_good_at(here),
        };
        has_password && self.endpoint == attempt.request.endpoint
    }

    /// What this answer means: a number of the list, a word, or a passcode. Case and white space are forgiven.
    pub(super) fn interpret_answer(&self, field: &[u8]) -> ChallengeAnswer {
        let text = field.trim_ascii();
        if let Some(number) = option_number(text) {
            let way = number.checked_sub(1).and_then(|index| self.ways.get(index));
            return way
                .map_or(ChallengeAnswer::NotUnderstood, |offered| ChallengeAnswer::Way(offered.clone()));
        }
        match FactorChoice::parse(&without_spaces(text)) {
            Some(FactorChoice { factor: Factor::Recovery, .. }) if self.passcode => ChallengeAnswer::Recovery,
            Some(choice) => self
                .ways
                .iter()
                .find(|offered| offered.way.choice == choice)
                .map_or(ChallengeAnswer::NotUnderstood, |offered| ChallengeAnswer::Way(offered.clone())),
            None => Passcode::parse(text).map_or(ChallengeAnswer::NotUnderstood, ChallengeAnswer::Passcode),
        }
    }
}

/// A number of a list: one or two digits, since no passcode is so short.
fn option_number(text: &[u8]) -> Option<usize> {
    let is_number = matches!(text.len(), 1 | 2) && text.iter().all(u8::is_ascii_digit);
    if is_number { std::str::from_utf8(text).ok()?.parse().ok() } else { None }
}

/// `push 2` is `push2`.
fn without_spaces(text: &[u8]) -> Vec<u8> {
    text.iter().copied().filter(|octet| !octet.is_ascii_whitespace()).collect()
}

/// A challenge that follows.
#[derive(Clone, Debug)]
pub struct ChallengeToWrite {
    /// By which it is found again.
    pub state: StateDigest,
    /// The login name whose answer it accepts.
    pub user: UserName,
    /// Until when it may be answered.
    pub expires: Timestamp,
    /// What it is about.
    pub turn: ChallengeState,
}
