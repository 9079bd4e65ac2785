//! What the engine asks of the outside world. The engine owns these traits; `store` and `factor` implement them.

use super::{Gate, Presented, Reason, Source, Tag};
use crate::config::{FirstFactor, Limits};
use crate::types::{Algorithm, Digits, Factor, Mode, Period, Secret, Timestamp, TokenId, UserId, UserName};
use std::pin::Pin;

/// An answer that may take time. It borrows nothing of the login: what was begun goes on though the login be dropped.
pub type Answer<T> = Pin<Box<dyn Future<Output = Result<T, Unavailable>> + Send>>;

/// A backend could not answer. That is neither yes nor no.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unavailable(pub String);

/// Users, tokens and what became of attempts.
pub trait Store: Send + Sync {
    /// The user of that canonical name with all his tokens.
    fn find(&self, name: &UserName) -> Answer<Option<Known>>;

    /// Whether an attempt of this user from this source counts at this time. Changes nothing.
    fn gate(&self, name: &UserName, source: &Source, limits: Limits, now: Timestamp) -> Answer<Gate>;

    /// Decides an attempt in one durable, serialised write:
    ///
    /// 1. the gate ([`Limits::gate`](crate::config::Limits)) as it stands now: closed, and neither finding nor code counts;
    /// 2. a right code is spent if it still can be, and the counts of failures are cleared; a wrong one is counted;
    /// 3. the attempt is recorded with the reason, which is also returned.
    ///
    /// When it returns, all of this is on disk, or none of it and it returns an error. Once begun it is not undone by a
    /// dropped future.
    fn settle(&self, settlement: Settlement) -> Answer<Reason>;

    /// The mark of a login with this password. None where nothing can be remembered: by a store that never does, or without its
    /// key.
    fn mark(&self, _name: &UserName, _source: &Source, _password: &Secret) -> Option<Mark> {
        None
    }

    /// Whether a login with this mark is remembered at this time ([`Settlement::remember`]), and nothing has ended that since: a
    /// lock, the end of a token of his, another login with another mark. Changes nothing.
    fn remembers(&self, _name: &UserName, _source: &Source, _mark: &Mark, _now: Timestamp) -> Answer<bool> {
        Box::pin(std::future::ready(Ok(false)))
    }
}

/// A digest of a right password with whose it is and where it came from, keyed with the store's own key. Compares in constant
/// time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark(pub Secret);

/// What an accept leaves behind, so that the next login like it is remembered.
#[derive(Clone, Debug)]
pub struct Memory {
    /// By which it is known again.
    pub mark: Mark,
    /// Until when.
    pub until: Timestamp,
}

/// Passcodes of all factors.
pub trait Verify: Send + Sync {
    /// Whether `presented` is a passcode of `token` at this time. Changes nothing.
    fn check(&self, token: &Token, presented: &Presented, now: Timestamp) -> Check;

    /// How many characters a passcode of `token` has, its PIN included.
    fn passcode_length(&self, token: &Token) -> usize;
}

/// A user as the store knows him.
#[derive(Clone, Debug)]
pub struct Known {
    /// His row.
    pub id: UserId,
    /// All his tokens, enabled or not.
    pub tokens: Vec<Token>,
    /// His mailbox; empty if none is registered.
    pub mail: String,
}

impl Known {
    /// Whether there is a token that he can use.
    pub fn has_token(&self) -> bool {
        self.tokens.iter().any(|token| token.enabled)
    }
}

/// An enrolled authenticator with its secret in clear.
#[derive(Clone, Debug)]
pub struct Token {
    /// Its row.
    pub id: TokenId,
    /// The name by which the user and the administrator know it; unique.
    pub serial: String,
    /// Its kind.
    pub factor: Factor,
    /// Hash under the HMAC.
    pub algorithm: Algorithm,
    /// Digits of a passcode.
    pub digits: Digits,
    /// Length of a time step; without meaning for HOTP.
    pub period: Period,
    /// The shared secret; for recovery codes the key of their hashes.
    pub secret: Secret,
    /// What is typed before the digits.
    pub pin: Option<Secret>,
    /// Whether it may be used.
    pub enabled: bool,
    /// TOTP and HOTP: the lowest time step or counter that is not spent. Recovery: bit i says that code i is spent.
    pub next: i64,
    /// TOTP: by how many seconds the token's clock is ahead of ours, learned.
    pub drift: i64,
    /// The last code that was right for a step out of reach: the next one may resynchronise the token.
    pub resync: Option<Resync>,
    /// Recovery: hashes of the codes, in order.
    pub codes: Vec<[u8; 32]>,
    /// When it was enrolled.
    pub created: Timestamp,
}

/// A code that was right for a step out of reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resync {
    /// The step or counter it was right for.
    pub step: i64,
    /// When it was presented.
    pub at: Timestamp,
}

/// What the check of one token came to.
#[derive(Clone, Debug)]
pub enum Check {
    /// No passcode of this token.
    No,
    /// A passcode that may be spent.
    Right {
        /// What spends it.
        spend: Spend,
        /// The passcode itself, PIN included: what answers a CHAP challenge.
        passcode: Secret,
    },
    /// A passcode that was right once.
    Spent,
    /// A passcode of a step out of reach, which the next one may confirm.
    Drifted {
        /// That step or counter.
        step: i64,
    },
}

/// What has to be changed so that a code never works again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spend {
    /// `next` becomes `step + 1`, if it is not above `step` already.
    Step {
        /// The time step or counter of the code.
        step: i64,
        /// The token's drift from now on, in seconds.
        drift: i64,
        /// Whether two consecutive codes led here.
        resynchronised: bool,
    },
    /// Bit `index` of `next` is set, if it is not yet.
    Code {
        /// Which of the recovery codes, from 0 to 62.
        index: u32,
    },
}

/// What an attempt came to before its limits are looked at.
#[derive(Clone, Debug)]
pub enum Finding {
    /// A code that may be spent.
    Right {
        /// Whose.
        token: TokenId,
        /// How.
        spend: Spend,
        /// Digest of what was presented.
        tag: Tag,
    },
    /// No token answers to it.
    Wrong {
        /// Digest of what was presented.
        tag: Tag,
        /// The token that would answer to it at a step out of reach, and that step.
        drifted: Option<(TokenId, i64)>,
    },
    /// A code that was right once. Not counted as a guess.
    Spent,
    /// Nobody of that name; counted like a wrong code.
    Unknown {
        /// Digest of what was presented.
        tag: Tag,
    },
    /// No enabled token; counted like a wrong code.
    NotEnrolled {
        /// Digest of what was presented.
        tag: Tag,
    },
    /// Policy asks for no second factor.
    Exempt,
    /// He logged in with a second factor a while ago, like this ([`Store::remembers`]).
    Remembered,
    /// He has no token, and policy lets him in so often; with `None` without a bound. Counted by name.
    Unenrolled {
        /// How often, in all.
        logins: Option<u32>,
    },
    /// He has to enrol, and is sent a link unless he was sent one within 10 minutes, or 3 within an hour.
    Invited,
    /// He said yes on his device, or the provider took his passcode.
    Approved,
    /// `failmode = safe`.
    Bypassed,
    /// The provider took his passcode for wrong; counted like a wrong code.
    WrongAtProvider {
        /// Digest of what was presented.
        tag: Tag,
    },
    /// He calls it fraud: he is locked.
    Fraud,
    /// A request that makes no sense, or a refusal that is nobody's guess: recorded with this reason, not counted.
    Refused(Reason),
}

/// Everything [`Store::settle`] needs.
#[derive(Clone, Debug)]
pub struct Settlement {
    /// Whose attempt, if the user is known.
    pub user: Option<UserId>,
    /// Whether somebody vouches for the password before us.
    pub first_factor: FirstFactor,
    /// The site's limits.
    pub limits: Limits,
    /// What was found.
    pub finding: Finding,
    /// What is recorded beside verdict and reason.
    pub record: Record,
    /// What is remembered if a second factor was right.
    pub remember: Option<Memory>,
}

/// The row of the audit trail, but for verdict and reason. No secret, no passcode.
#[derive(Clone, Debug)]
pub struct Record {
    /// When.
    pub at: Timestamp,
    /// Canonical name; empty if there is none.
    pub user: String,
    /// Where it came from.
    pub source: Source,
    /// How the field was read.
    pub mode: Mode,
    /// The factor of the right code.
    pub factor: Option<Factor>,
    /// The serial of the token of the right code; without a factor, the exception that let him in.
    pub token: Option<String>,
}
