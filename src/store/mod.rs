//! What is remembered: users, tokens, attempts.
//!
//! Logins use [`engine::port::Store`](crate::engine::port::Store); administration uses [`Administration`]. Both are
//! traits with one test suite, so that another engine can stand behind them. [`SqliteStore`] is the one there is.

mod admin;
mod attempts;
mod audit;
mod backup;
mod challenges;
mod checkpoint;
mod connection;
mod dry_run;
mod duplicate_secrets;
mod error;
mod failures;
mod file_identity;
mod health;
mod key_id;
mod keyring;
mod maintenance;
mod pending_passcodes;
mod rekey;
mod remembered_logins;
mod restore;
mod row;
mod row_limits;
mod schema;
mod seal;
mod sqlite;
mod sync;
mod token_serials;
mod writer;

pub use dry_run::DryRunStore;
pub use health::StoreHealth;
pub use restore::{AcceptanceWindow, BackupFile, RestoreReport};
pub use sqlite::SqliteStore;
pub use sync::{
    ChangeKind, StagedDetails, StagedUser, SyncChange, SyncEffect, SyncRules, UserCounts, WelcomeMail,
};

use crate::engine::port::{EnrolledToken, SpendPasscode};
use crate::types::{
    Algorithm, Digits, Factor, Mode, Period, Secret, ShellArgument, Timestamp, TokenId, UserId, UserName,
};

/// Whether a token may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenState {
    /// Its codes are accepted.
    Enabled,
    /// Its codes are refused.
    Disabled,
}

impl TokenState {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
        }
    }
}

/// What can go wrong with a store. Every text names the file and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No such user.
    #[error("user \"{0}\" does not exist: add with `mfa user add {argument}`", argument = ShellArgument(.0.as_str()))]
    NoUser(UserName),
    /// The name is taken.
    #[error("user \"{0}\" exists already")]
    UserExists(UserName),
    /// No such token of this user.
    #[error("user \"{user}\" has no token \"{serial}\": see `mfa token list {}`", ShellArgument(user.as_str()))]
    NoToken {
        /// The user.
        user: UserName,
        /// The serial that was asked for.
        serial: String,
    },
    /// The serial is taken.
    #[error("token \"{0}\" exists already: choose another --serial")]
    TokenExists(String),
    /// Another token has the same secret: each of its codes would work once with either, for another user if it is theirs.
    #[error("token \"{serial}\" of user \"{user}\" has this secret already: a code would work with both")]
    SecretTaken {
        /// The user.
        user: UserName,
        /// The token that has it.
        serial: String,
    },
    /// Anything else, in words.
    #[error("{0}")]
    Other(String),
}

/// A user for lists and reports.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct UserRow {
    /// Canonical name.
    pub name: UserName,
    /// The administrator's note.
    pub note: String,
    /// Number of enabled tokens.
    pub tokens: u32,
    /// Locked until then; the epoch if not locked, [`FOREVER`] if the administrator locked the user.
    pub locked_until: Timestamp,
    /// Failures since the last accept.
    pub failures: u32,
    /// When the user was added.
    pub created: Timestamp,
    /// Time of the last accept.
    pub last_accept: Option<Timestamp>,
    /// Mailbox; empty if none is registered.
    pub mail: String,
    /// A login of the user is remembered until then; the epoch if none is.
    pub remembered_until: Timestamp,
    /// Whether a password hash is kept here.
    pub has_password: bool,
    /// Whether a token was ever enrolled for this user, deleted since or not.
    pub had_token: bool,
    /// Since when the user's directory no longer has them; they are locked as long as this is set.
    pub gone: Option<Timestamp>,
}

/// A lock without end.
pub const FOREVER: Timestamp = Timestamp::FOREVER;

/// What a new token is made of.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// The token's kind.
    pub factor: Factor,
    /// Its serial; none means the user's next free one, such as `totp1`, `totp2`.
    pub serial: Option<String>,
    /// Hash under the HMAC.
    pub algorithm: Algorithm,
    /// Digits of a passcode.
    pub digits: Digits,
    /// Length of a time step.
    pub period: Period,
    /// The shared secret; for recovery codes the key of their hashes.
    pub secret: Secret,
    /// What is typed before the digits: lower-case letters and digits.
    pub pin: Option<Secret>,
    /// HOTP: the counter of the next passcode.
    pub next: i64,
    /// Recovery: hashes of the codes.
    pub codes: Vec<[u8; 32]>,
}

/// A recorded attempt.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct AuditRow {
    /// Ascending without gaps being promised.
    pub id: i64,
    /// Time of the attempt.
    pub at: Timestamp,
    /// Canonical name; empty if there was none.
    pub user: String,
    /// The client's address.
    pub client: String,
    /// Calling-Station-Id.
    pub calling_station: String,
    /// The server's number of the request.
    pub request: Option<u64>,
    /// How the field was read.
    pub mode: Mode,
    /// The factor of the right code.
    pub factor: Option<Factor>,
    /// Serial of the token that was used; without a factor, the exception that applied.
    pub token: Option<String>,
    /// [`Verdict::as_str`](crate::engine::Verdict::as_str).
    pub verdict: String,
    /// [`Reason::as_str`](crate::engine::Reason::as_str).
    pub reason: String,
}

/// Which attempts are asked for.
#[derive(Clone, Debug, Default)]
pub struct AuditQuery {
    /// Only of this user.
    pub user: Option<UserName>,
    /// Only from then on.
    pub since: Option<Timestamp>,
    /// Only with this verdict.
    pub verdict: Option<String>,
    /// Only with a greater id: what came since the last look.
    pub after: Option<i64>,
    /// The newest so many, oldest of them first.
    pub limit: u32,
}

/// How far a long task has come: done, of how many.
pub type ProgressCallback<'a> = &'a mut dyn FnMut(u64, u64);

/// Administration. Blocking; each call is one durable transaction.
pub trait Administration {
    /// Adds a user.
    fn add_user(&self, name: &UserName, note: &str, now: Timestamp) -> Result<UserId, Error>;
    /// One user, by name.
    fn user(&self, name: &UserName) -> Result<UserRow, Error>;
    /// Users in the order of their names, handed over one by one, so that a million of them cost no memory.
    fn users(&self, each: &mut dyn FnMut(UserRow) -> Result<(), Error>) -> Result<(), Error>;
    /// Changes the note.
    fn set_note(&self, name: &UserName, note: &str) -> Result<(), Error>;
    /// Changes the mailbox; empty for none.
    fn set_mail(&self, name: &UserName, mail: &str) -> Result<(), Error>;
    /// Changes the password hash (PHC string format), or removes it. Ends all remembered logins of the user.
    fn set_password(&self, name: &UserName, hash: Option<&str>) -> Result<(), Error>;
    /// Renames the user; their secrets are sealed anew, since they are bound to the name.
    fn rename_user(&self, name: &UserName, to: &UserName) -> Result<(), Error>;
    /// Locks the user until then ([`FOREVER`]), or unlocks them (the epoch); unlocking also clears failures from all
    /// sources. Either way no login of the user stays remembered. A user who was removed from the directory is no
    /// longer bound to it once unlocked.
    fn lock_user(&self, name: &UserName, until: Timestamp) -> Result<(), Error>;
    /// Deletes the user and all their tokens. The audit trail stays.
    fn delete_user(&self, name: &UserName) -> Result<(), Error>;

    /// Enrols a token and returns it with its serial. Serials are unique to the user, and given ones among all users, as secrets are.
    fn add_token(&self, user: &UserName, new: NewToken, now: Timestamp) -> Result<EnrolledToken, Error>;
    /// All tokens of a user, secrets in clear.
    fn tokens(&self, user: &UserName) -> Result<Vec<EnrolledToken>, Error>;
    /// Allows or forbids its use. If it is forbidden, no login of the user is remembered any more.
    fn set_token_state(&self, user: &UserName, serial: &str, state: TokenState) -> Result<(), Error>;
    /// Deletes a token.
    fn delete_token(&self, user: &UserName, serial: &str) -> Result<(), Error>;
    /// Spends a code without a login (resynchronisation by the administrator). `false` if it was spent already.
    fn spend(&self, token: TokenId, spend: SpendPasscode) -> Result<bool, Error>;

    /// Recorded attempts.
    fn audit(&self, query: &AuditQuery) -> Result<Vec<AuditRow>, Error>;
}
