//! What the engine asks of the outside world. The engine owns these traits; `store` and `factor` implement them.

pub use super::account::{
    Account, EnrolledToken, ResyncPosition, SENT_KEY, SentCode, SpendPasscode, TokenMatch,
};
pub use super::challenge_state::ChallengeToWrite;
pub use super::ids::{PendingId, RememberedLoginDigest, StateDigest};

use super::challenge_state::ChallengeState;
use super::ids::ConversationId;
use super::{
    AttemptSource, Gate, PacketRole, PasscodeTag, PasswordProof, PasswordStatus, PresentedFactor, Reason,
    RefusalReason,
};
use crate::config::{FailureLimits, SentCodeLimits};
use crate::types::{Factor, Mode, Secret, Timestamp, TokenId, UserId, UserName};
use std::pin::Pin;

/// An answer that may take time. It borrows nothing of the login: what was begun goes on though the login be dropped.
pub type StoreFuture<T> = Pin<Box<dyn Future<Output = Result<T, Unavailable>> + Send>>;

/// A backend could not answer. That is neither yes nor no.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unavailable(pub String);

/// Users, tokens and what became of attempts.
pub trait Store: Send + Sync {
    /// The user with this canonical name, and all their tokens.
    fn find_account(&self, name: &UserName) -> StoreFuture<Option<Account>>;

    /// The user's password hash (PHC string format). `None` if there is none, or no such user.
    fn find_password_hash(&self, name: &UserName) -> StoreFuture<Option<String>>;

    /// Whether an attempt of this user from this source counts at this time. Changes nothing.
    fn check_gate(
        &self,
        name: &UserName,
        source: &AttemptSource,
        limits: FailureLimits,
        standing: PasswordProof,
        now: Timestamp,
    ) -> StoreFuture<Gate>;

    /// Until when the user is locked; the epoch if not locked, or unknown.
    fn locked_until(&self, name: &UserName) -> StoreFuture<Timestamp>;

    /// Decides an attempt in one durable, serialised write:
    ///
    /// 1. the gate ([`FailureLimits::check_gate`](crate::config::FailureLimits)) as it stands now: closed, and neither finding nor code counts;
    /// 2. a right code is spent if it still can be, and the counts of failures are cleared; a wrong one is counted, and so is a right
    ///    one whose password is still to be found right by the server, which [`confirm_passcode`](Self::confirm_passcode) takes back;
    /// 3. what [`AttemptCommit::spends`] names is spent, whatever the rest has come to;
    /// 4. the attempt is recorded with the reason, which is also returned;
    /// 5. if the user is asked again for that reason, the challenge that follows is remembered.
    ///
    /// When it returns, all of this is on disk, or none of it and it returns an error. Once begun it is not undone by a
    /// dropped future.
    fn commit_attempt(&self, settlement: AttemptCommit) -> StoreFuture<Reason>;

    /// Turns a right passcode ([`Reason::PasswordPending`]), whose password has now been verified, into an accept, in
    /// one durable, serialised write: the failure that was counted and all others are forgotten, and the accept is
    /// recorded. Of several requests the first one gets it; none does if the user was locked or the token disabled
    /// meanwhile. Any other result is recorded as well.
    fn confirm_passcode(&self, confirmation: PasswordConfirmation) -> StoreFuture<Reason>;

    /// The mark of a login with this password. None where nothing can be remembered: by a store that never does, or without its
    /// key.
    fn remembered_login_digest(
        &self,
        _name: &UserName,
        _source: &AttemptSource,
        _password: &Secret,
    ) -> Option<RememberedLoginDigest> {
        None
    }

    /// Whether a login with this mark is remembered at this time ([`AttemptCommit::remember`]), and nothing has ended that since: a
    /// lock, the end of one of their tokens, another login with another mark, the last of its uses. Changes nothing.
    fn is_remembered(
        &self,
        _name: &UserName,
        _source: &AttemptSource,
        _mark: &RememberedLoginDigest,
        _now: Timestamp,
    ) -> StoreFuture<bool> {
        Box::pin(std::future::ready(Ok(false)))
    }

    /// Removes the challenge of this State, durably and whatever the answer, and returns its state if it was sent to
    /// this user at this place and has not expired. Of several concurrent callers one gets it.
    fn redeem_challenge(
        &self,
        state: StateDigest,
        name: &UserName,
        source: &AttemptSource,
        now: Timestamp,
    ) -> StoreFuture<Option<ChallengeState>>;

    /// Remembers a code that is about to be sent, unless its user has been sent too many, or this one a moment ago.
    fn remember_code(&self, code: NewCode) -> StoreFuture<CodeSending>;

    /// That code could not be sent: another one may be at once. It still counts among those of the hour, and works if it came
    /// after all.
    fn code_not_sent(&self, code: NewCode) -> StoreFuture<()>;
}

/// The password behind which a passcode was right has been found right.
#[derive(Clone, Debug)]
pub struct PasswordConfirmation {
    /// The pending passcode.
    pub pending: PendingId,
    /// What is recorded beside verdict and reason.
    pub record: AuditRecord,
}

/// A code that is about to be sent.
#[derive(Clone, Debug)]
pub struct NewCode {
    /// The token to whose address it is sent.
    pub token: TokenId,
    /// Where alone it counts; in logins without any, if there is none.
    pub conversation: Option<ConversationId>,
    /// Where it was asked for. Without a conversation, wrong codes from elsewhere do not use it up.
    pub source: AttemptSource,
    /// Its keyed hash.
    pub hash: [u8; 32],
    /// Time of the confirmation.
    pub at: Timestamp,
    /// The site's rules.
    pub rules: SentCodeLimits,
}

/// Whether a code may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeSending {
    /// It may, and is remembered.
    Remembered,
    /// One has just been, for the same purpose.
    JustSent,
    /// The user has been sent too many in the last hour.
    TooMany,
    /// The token is gone.
    NoToken,
}

/// What an accept leaves behind, so that the next login like it is remembered.
#[derive(Clone, Debug)]
pub struct RememberedLogin {
    /// By which it is known again.
    pub mark: RememberedLoginDigest,
    /// End of the remembered time.
    pub until: Timestamp,
    /// The client, or the group of clients, and the station that it came from.
    pub place: AttemptSource,
    /// For how many logins more. None: for any number.
    pub uses: Option<u32>,
}

/// Passcodes of all factors.
pub trait PasscodeVerifier: Send + Sync {
    /// Whether `presented` is a passcode of `token` at this time. Changes nothing.
    fn verify_passcode(
        &self,
        token: &EnrolledToken,
        presented: &PresentedFactor,
        now: Timestamp,
    ) -> TokenMatch;

    /// How many characters a passcode of `token` has, its PIN included.
    fn passcode_length(&self, token: &EnrolledToken) -> usize;
}

/// What an attempt came to before its limits are looked at.
#[derive(Clone, Debug)]
pub enum AttemptFinding {
    /// A code that may be spent.
    Right {
        /// The token of the passcode.
        token: TokenId,
        /// How to spend the passcode.
        spend: SpendPasscode,
        /// Digest of what was presented.
        tag: PasscodeTag,
    },
    /// No token answers to it.
    Wrong {
        /// Digest of what was presented.
        tag: PasscodeTag,
        /// The token that would answer to it at a step out of reach, and that step.
        drifted: Option<(TokenId, i64)>,
    },
    /// A code that was right once. Not counted as a guess.
    Spent,
    /// No such user; counted like a wrong code.
    Unknown {
        /// Digest of what was presented.
        tag: PasscodeTag,
    },
    /// No enabled token; counted like a wrong code.
    NotEnrolled {
        /// Digest of what was presented.
        tag: PasscodeTag,
    },
    /// Policy asks for no second factor.
    Exempt,
    /// A remembered login ([`Store::is_remembered`]) with this password from this
    /// place.
    Remembered,
    /// The same, where that login is good for so many others: this is one of them.
    RememberedOnce {
        /// Where both came from ([`RememberedLogin::place`]).
        place: AttemptSource,
        /// The mark of both.
        mark: RememberedLoginDigest,
    },
    /// The very same datagram was accepted before: nothing is spent or counted. Refused if there was a lock since then, or if the
    /// user or the token is gone or disabled.
    Repeated {
        /// The token whose passcode was spent, if one was.
        token: Option<TokenId>,
        /// When it was accepted.
        since: Timestamp,
        /// Where from and by which mark, if it was accepted because a login was remembered: refused if nothing is any more.
        remembered: Option<(AttemptSource, RememberedLoginDigest)>,
        /// What was presented, should its password be wrong now.
        tag: PasscodeTag,
    },
    /// No token, and policy lets the user in so often; `None`: without a limit. Counted by name.
    Unenrolled {
        /// How often, in all.
        logins: Option<u32>,
    },
    /// The user has to enrol, and is sent a link, at most one in 10 minutes and 3 in an hour.
    Invited,
    /// The user approved the push, or the provider accepted the passcode.
    Approved,
    /// `failmode = safe`.
    Bypassed,
    /// The provider's policy lets the user in without a second factor.
    BypassedByProvider,
    /// The provider refused the passcode; counted like a wrong code.
    WrongAtProvider {
        /// Digest of what was presented.
        tag: PasscodeTag,
    },
    /// The user reported fraud and is locked.
    Fraud,
    /// The backend refused the password or does not know the user; counted like a wrong code.
    WrongPassword {
        /// Digest of what was presented.
        tag: PasscodeTag,
        /// Which of the two.
        reason: RefusalReason,
    },
    /// Nothing was presented and no password is verified: the user is asked for a passcode
    /// ([`Reason::Challenged`]), for every name and in every state, so that the question
    /// tells nothing.
    Asked,
    /// A malformed request, or a refusal that is not a guess: recorded with this reason, not counted.
    Refused(RefusalReason),
}

/// Everything [`Store::commit_attempt`] needs.
#[derive(Clone, Debug)]
pub struct AttemptCommit {
    /// Whose attempt, if the user is known.
    pub user: Option<UserId>,
    /// What is known of the password.
    pub password_status: PasswordStatus,
    /// The site's limits.
    pub limits: FailureLimits,
    /// Whether a single right code is enough.
    pub second_code: SecondCode,
    /// What the evaluation found.
    pub finding: AttemptFinding,
    /// The conversation that it was an answer in.
    pub conversation: Option<ConversationId>,
    /// The challenge that follows if the user is asked again ([`Reason::asks_again`]).
    pub next: Option<ChallengeToWrite>,
    /// What is recorded beside verdict and reason.
    pub record: AuditRecord,
    /// What is remembered if a second factor was right.
    pub remember: Option<RememberedLogin>,
    /// A right passcode that comes with a refusal: it is spent, and not accepted.
    pub spends: Option<(TokenId, SpendPasscode)>,
    /// By which a right code is found again whose password the server checks later; without it such a code is no accept.
    pub pending: Option<PendingId>,
}

/// Whether a right code without a proven password has to be followed by a second one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum SecondCode {
    /// If more failures have come than are ordinary: [`FailureLimits::is_over_budget`](crate::config::FailureLimits::is_over_budget).
    #[default]
    ByBudget,
    /// The budget is not used up.
    NotNeeded,
    /// The budget is used up.
    Needed,
}

impl AttemptCommit {
    /// What its limits depend on.
    pub fn password_proof(&self) -> PasswordProof {
        let role = PacketRole::for_challenge(self.conversation.as_ref());
        PasswordProof::from_password_status(self.password_status, role)
    }
}

/// The row of the audit trail, but for verdict and reason. No secret, no passcode.
#[derive(Clone, Debug)]
pub struct AuditRecord {
    /// Time of the attempt.
    pub at: Timestamp,
    /// Canonical name; empty if there is none.
    pub user: String,
    /// Where it came from.
    pub source: AttemptSource,
    /// How the field was read.
    pub mode: Mode,
    /// The factor of the right code.
    pub factor: Option<Factor>,
    /// Serial of the token that was used; without a factor, the exception that applied.
    pub token: Option<String>,
}
