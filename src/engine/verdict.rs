//! What was decided, and why.

use super::port::Unavailable;
use super::prompt::Question;
use super::{DecisionBasis, PendingAccept, SprayAlarm, UserAttributes};
use crate::config::profile::PromptEcho;
use crate::types::{BadName, Factor, Secret, UserName};
use std::time::Duration;

/// The decision on an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
#[must_use]
pub enum Verdict {
    /// The user is let in.
    Accept,
    /// Accepted although the second factor could not be asked for (`failmode = safe`).
    Bypassed,
    /// The passcode is right; the server still has to verify the password. Not an accept.
    Pending,
    /// The user is asked for more.
    Challenge,
    /// Refused.
    Reject,
    /// Refused for a time, whatever is presented.
    Locked,
    /// The request makes no sense.
    Malformed,
    /// No decision could be made or written down.
    Unavailable,
}

impl Verdict {
    /// The word of the audit trail and of `MFA-Result`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Bypassed => "bypassed",
            Self::Pending => "pending",
            Self::Challenge => "challenge",
            Self::Reject => "reject",
            Self::Locked => "locked",
            Self::Malformed => "malformed",
            Self::Unavailable => "unavailable",
        }
    }

    /// Whether the user is let in.
    pub const fn lets_in(self) -> bool {
        matches!(self, Self::Accept | Self::Bypassed)
    }
}

/// Why. Told to the administrator (log, audit trail, `MFA-Reason`), never to the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Reason {
    /// The right code, now spent.
    Right,
    /// The right code, now spent, behind a password that the server is still to check: counted as a failure until then.
    PasswordPending,
    /// No passcode of this login waits to be confirmed: it was, or it is too late, or the user was locked meanwhile.
    NotConfirmed,
    /// The second of two consecutive codes of a token whose clock or counter had run away.
    Resynchronised,
    /// Policy asks for no second factor.
    Exempt,
    /// An earlier login with a second factor, from the same place and with this password, is remembered.
    Remembered,
    /// The very same datagram was accepted a moment ago.
    Repeated,
    /// The very same datagram was answered with this challenge a moment ago.
    ChallengeRepeated,
    /// The user has no token, and policy lets them in for a while.
    LetInUnenrolled,
    /// The user has no token, and is told to enrol.
    MustEnroll,
    /// The same, and an enrolment link was sent.
    Invited,
    /// The user approved the push, or the provider accepted the passcode.
    Approved,
    /// The provider could not be reached, and `failmode = safe` lets in.
    Bypassed,
    /// The provider's policy lets the user in without a second factor.
    BypassedByProvider,
    /// The user denied the push.
    Denied,
    /// The user reported the push as fraud.
    Fraud,
    /// The user did not answer in time.
    TimedOut,
    /// A newer packet of the same attempt waits for the answer.
    Superseded,
    /// Another attempt of the user waits for an answer.
    AlreadyWaiting,
    /// The push rate limit is reached.
    TooManyPushes,
    /// The user has just denied a push.
    JustDenied,
    /// The user has no device for this factor.
    NoDevice,
    /// The user has to enrol at the provider.
    EnrollAtProvider,
    /// The provider does not know the user.
    UnknownToProvider,
    /// The provider has locked the account.
    LockedByProvider,
    /// The provider's policy or its administrator refuses the user.
    RefusedByProvider,
    /// Codes were sent; the user answers, or logs in again, with one.
    CodesSent,
    /// No gateway took the code.
    NotSent,
    /// A code was sent a moment ago.
    JustSent,
    /// Too many codes were sent to the user.
    TooManyCodes,
    /// The answer is none of the offered ones.
    NotUnderstood,
    /// The provider gave no answer that could be understood.
    ProviderUnavailable,
    /// Nothing is left to wait with.
    Busy,
    /// The wait was ended: the server stops, or the request never came to wait.
    Cancelled,
    /// A number would have to be shown, and the client cannot.
    NeedsChallenge,
    /// A tunnel needs `mfa` behind `eap` in the outer server.
    NotBehindEap,
    /// The user is asked for an answer.
    Challenged,
    /// No token answers to it.
    WrongCode,
    /// A right code that has been used, or one older than the last that was.
    SpentCode,
    /// The store does not know the user.
    UnknownUser,
    /// No token that is enabled.
    NotEnrolled,
    /// Too many failures, or locked by the administrator.
    Locked,
    /// This failure was one too many: the user is locked from now on.
    LockedNow,
    /// A right code without a proven password, where so much is guessed that a second one has to follow.
    AnotherCode,
    /// Too many failures from this source; it has to wait.
    Slowed,
    /// No user name that could be one.
    BadName(BadName),
    /// No password, or several.
    NoPassword,
    /// The server would have accepted without asking us.
    Undecided,
    /// `append`, and the module did not run in `authorize`.
    NotSplit,
    /// `append`, or a code is to be sent, and the client sent a digest instead of a password.
    NeedsPap,
    /// An answer to a challenge that is not open, belongs to another user, or was answered before.
    BadState,
    /// The password is wrong.
    WrongPassword,
    /// The password backend does not know the user.
    UnknownToDirectory,
    /// It was right, and has expired.
    PasswordExpired,
    /// It was right, and has to be changed first.
    MustChangePassword,
    /// It was right; the account is disabled or has expired.
    AccountDisabled,
    /// The account is locked where the password is checked.
    AccountLocked,
    /// It was right; not at this hour or from this place.
    LogonRestricted,
    /// The password is right; the user is in none of the groups that may log in.
    NotMember,
    /// The password backend refuses the user for a reason of its own.
    Blocked,
    /// The field does not decode as what its client packs it.
    NotDecoded,
    /// An answer to a challenge that only told why a login had been refused.
    Ended,
    /// The password backend gave no answer that could be understood.
    DirectoryUnavailable,
    /// The store could not answer.
    Unavailable,
}

impl Reason {
    /// All of them, for tables and tests.
    pub const ALL: [Self; 68] = [
        Self::Right,
        Self::PasswordPending,
        Self::NotConfirmed,
        Self::Resynchronised,
        Self::Exempt,
        Self::Remembered,
        Self::Repeated,
        Self::ChallengeRepeated,
        Self::LetInUnenrolled,
        Self::MustEnroll,
        Self::Invited,
        Self::Approved,
        Self::Bypassed,
        Self::BypassedByProvider,
        Self::Denied,
        Self::Fraud,
        Self::TimedOut,
        Self::Superseded,
        Self::AlreadyWaiting,
        Self::TooManyPushes,
        Self::JustDenied,
        Self::NoDevice,
        Self::EnrollAtProvider,
        Self::UnknownToProvider,
        Self::LockedByProvider,
        Self::RefusedByProvider,
        Self::CodesSent,
        Self::NotSent,
        Self::JustSent,
        Self::TooManyCodes,
        Self::NotUnderstood,
        Self::ProviderUnavailable,
        Self::Busy,
        Self::Cancelled,
        Self::NeedsChallenge,
        Self::NotBehindEap,
        Self::Challenged,
        Self::BadState,
        Self::WrongCode,
        Self::SpentCode,
        Self::UnknownUser,
        Self::NotEnrolled,
        Self::Locked,
        Self::LockedNow,
        Self::AnotherCode,
        Self::Slowed,
        Self::BadName(BadName::Empty),
        Self::BadName(BadName::Long),
        Self::BadName(BadName::Control),
        Self::BadName(BadName::Invisible),
        Self::BadName(BadName::Domains),
        Self::NoPassword,
        Self::Undecided,
        Self::NotSplit,
        Self::NeedsPap,
        Self::WrongPassword,
        Self::UnknownToDirectory,
        Self::PasswordExpired,
        Self::MustChangePassword,
        Self::AccountDisabled,
        Self::AccountLocked,
        Self::LogonRestricted,
        Self::NotMember,
        Self::Blocked,
        Self::NotDecoded,
        Self::Ended,
        Self::DirectoryUnavailable,
        Self::Unavailable,
    ];

    /// What is done for it.
    pub const fn verdict(self) -> Verdict {
        match self {
            Self::Right | Self::Resynchronised | Self::Exempt | Self::Approved => Verdict::Accept,
            Self::Remembered | Self::Repeated | Self::LetInUnenrolled | Self::BypassedByProvider => {
                Verdict::Accept
            }
            Self::PasswordPending => Verdict::Pending,
            Self::MustEnroll | Self::Invited => Verdict::Reject,
            Self::Bypassed => Verdict::Bypassed,
            Self::Challenged | Self::ChallengeRepeated => Verdict::Challenge,
            Self::Denied | Self::Fraud | Self::TimedOut | Self::Superseded | Self::AlreadyWaiting => {
                Verdict::Reject
            }
            Self::TooManyPushes | Self::JustDenied | Self::NoDevice | Self::CodesSent => Verdict::Reject,
            Self::EnrollAtProvider | Self::UnknownToProvider => Verdict::Reject,
            Self::LockedByProvider | Self::RefusedByProvider => Verdict::Reject,
            Self::NeedsChallenge | Self::NotBehindEap | Self::BadState | Self::NotConfirmed => {
                Verdict::Reject
            }
            Self::NotSent | Self::JustSent | Self::TooManyCodes | Self::NotUnderstood => Verdict::Reject,
            Self::ProviderUnavailable | Self::Busy | Self::Cancelled => Verdict::Unavailable,
            Self::WrongCode | Self::SpentCode | Self::UnknownUser | Self::NotEnrolled | Self::Slowed => {
                Verdict::Reject
            }
            Self::AnotherCode => Verdict::Reject,
            Self::Undecided | Self::NotSplit | Self::NeedsPap => Verdict::Reject,
            Self::WrongPassword | Self::UnknownToDirectory => Verdict::Reject,
            Self::PasswordExpired | Self::MustChangePassword => Verdict::Reject,
            Self::AccountDisabled | Self::LogonRestricted | Self::NotMember | Self::Blocked => {
                Verdict::Reject
            }
            Self::Locked | Self::LockedNow | Self::AccountLocked => Verdict::Locked,
            Self::Ended => Verdict::Reject,
            Self::BadName(_) | Self::NoPassword | Self::NotDecoded => Verdict::Malformed,
            Self::Unavailable | Self::DirectoryUnavailable => Verdict::Unavailable,
        }
    }

    /// What is done for it, where it is known whether a challenge goes to the user: a user who is asked for more is neither let in
    /// nor refused, and a question without a challenge is a refusal. Log, audit trail and metrics all call an attempt by this.
    pub const fn verdict_if(self, is_challenged: bool) -> Verdict {
        match (is_challenged, self.verdict()) {
            (true, Verdict::Reject | Verdict::Challenge) => Verdict::Challenge,
            // Nothing is asked that could not be answered.
            (false, Verdict::Challenge) => Verdict::Reject,
            (_, verdict) => verdict,
        }
    }

    /// The word of the audit trail and of `MFA-Reason`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Right => "right code",
            Self::PasswordPending => "passcode right, password pending",
            Self::NotConfirmed => "no passcode to confirm",
            Self::Resynchronised => "resynchronised",
            Self::Exempt => "exempt",
            Self::Remembered => "remembered",
            Self::Repeated => "repeated",
            Self::ChallengeRepeated => "challenge repeated",
            Self::LetInUnenrolled => "let in without a token",
            Self::MustEnroll => "has to enrol",
            Self::Invited => "has to enrol, link sent",
            Self::Approved => "approved",
            Self::Bypassed => "provider unreachable, let in by failmode",
            Self::BypassedByProvider => "bypassed by the provider",
            Self::Denied => "denied by the user",
            Self::Fraud => "reported as fraud",
            Self::TimedOut => "not answered in time",
            Self::Superseded => "a newer packet waits for the answer",
            Self::AlreadyWaiting => "a request is already waiting",
            Self::TooManyPushes => "asked too often",
            Self::JustDenied => "denied a moment ago",
            Self::NoDevice => "no device for it",
            Self::EnrollAtProvider => "not enrolled at the provider",
            Self::UnknownToProvider => "unknown to the provider",
            Self::LockedByProvider => "locked by the provider",
            Self::RefusedByProvider => "refused by the provider",
            Self::CodesSent => "codes sent",
            Self::NotSent => "code could not be sent",
            Self::JustSent => "a code was sent a moment ago",
            Self::TooManyCodes => "too many codes sent",
            Self::NotUnderstood => "answer not understood",
            Self::ProviderUnavailable => "provider unavailable",
            Self::Busy => "busy",
            Self::Cancelled => "cancelled",
            Self::NeedsChallenge => "the client shows no challenges",
            Self::NotBehindEap => "mfa did not run behind eap",
            Self::Challenged => "asked for an answer",
            Self::BadState => "unknown or used State",
            Self::WrongCode => "wrong code",
            Self::SpentCode => "code already used",
            Self::UnknownUser => "unknown user",
            Self::NotEnrolled => "not enrolled",
            Self::Locked => "locked",
            Self::LockedNow => "too many failures, locked now",
            Self::AnotherCode => "right code, a second one is needed",
            Self::Slowed => "too many failures from here",
            Self::BadName(BadName::Empty) => "no user name, or several",
            Self::BadName(BadName::Long) => "user name too long",
            Self::BadName(BadName::Control) => "control character in user name",
            Self::BadName(BadName::Invisible) => "invisible character in user name",
            Self::BadName(BadName::Domains) => "more than one domain in user name",
            Self::NoPassword => "no password, or several",
            Self::Undecided => "accepted without mfa",
            Self::NotSplit => "mfa did not run in authorize",
            Self::NeedsPap => "needs PAP",
            Self::WrongPassword => "wrong password",
            Self::UnknownToDirectory => "unknown to the directory",
            Self::PasswordExpired => "password expired",
            Self::MustChangePassword => "password has to be changed",
            Self::AccountDisabled => "account disabled or expired",
            Self::AccountLocked => "account locked in the directory",
            Self::LogonRestricted => "not at this hour or from here",
            Self::NotMember => "in no group that may log in",
            Self::Blocked => "refused where the password is checked",
            Self::NotDecoded => "password field does not decode",
            Self::Ended => "the login was refused before",
            Self::DirectoryUnavailable => "directory unavailable",
            Self::Unavailable => "unavailable",
        }
    }

    /// What the administrator can do about it; empty where there is nothing to do.
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::UnknownUser => "enrol with: mfa user add, mfa token add",
            Self::NotEnrolled => "enrol with: mfa token add",
            Self::NoDevice => "he has nothing that could be used: mfa explain",
            Self::Locked | Self::LockedNow => "open with: mfa user unlock",
            Self::AnotherCode => {
                "codes of this user, or through this client, are being guessed: the next code lets in, see guesses_per_user"
            }
            Self::LetInUnenrolled => "single factor; enrol with: mfa token add",
            Self::MustEnroll => "enrol with: mfa token add; a link needs enroll_url and: mfa user set --mail",
            Self::Undecided => "put mfa behind what accepts in authenticate, or set MFA-Exempt",
            Self::Fraud => "locked; look into it, then: mfa user unlock",
            Self::Busy => "raise max_servers, or see why requests cannot be parked: mfa doctor",
            Self::NeedsChallenge => {
                "needs a client that sends PAP and shows challenges, or EAP-GTC in a tunnel: see doc/clients.md"
            }
            Self::NotBehindEap => {
                "put mfa behind eap in authenticate of the outer server: see sites-available/mfa"
            }
            Self::UnknownToDirectory => {
                "see \"search_dn\" and \"username_attribute\", and: mfa user show --directory"
            }
            Self::NotMember => "see \"security_group_dn\", and: mfa user show --directory",
            Self::ProviderUnavailable | Self::NotSent | Self::DirectoryUnavailable => "see `mfa doctor`",
            Self::NotDecoded => {
                "must be SCRV1:password:response, both in base64, in 128 octets: see static_challenge, and doc/clients.md"
            }
            Self::NotSplit => "append mode needs mfa in authorize, before ldap and pap",
            Self::NeedsPap => {
                "append mode, codes that are sent, and passwords that are checked here need a client that sends PAP"
            }
            _ => "",
        }
    }
}

impl From<BadName> for Reason {
    fn from(bad: BadName) -> Self {
        Self::BadName(bad)
    }
}

/// A decision with all that the module needs to act on it.
#[derive(Clone, Debug)]
#[must_use]
pub struct Decision {
    /// The canonical name, if there is one.
    pub user: Option<UserName>,
    /// Why; the verdict follows from it.
    pub reason: Reason,
    /// The factor that was used, on an accept.
    pub factor: Option<Factor>,
    /// The serial of the token that was used, on an accept; without a factor, the exception that asks for none.
    pub token: Option<String>,
    /// The passcode that answered a challenge, on an accept.
    pub passcode: Option<Secret>,
    /// What stood before the passcode (mode `append`), if that was right.
    pub password: Option<Secret>,
    /// What makes an accept of it, once the server has found that right ([`Verdict::Pending`]).
    pub pending: Option<Box<PendingAccept>>,
    /// The backend's words when it could not answer; for the log only.
    pub detail: Option<String>,
    /// Whether the password is verified: only then is the user told more.
    pub proven: bool,
    /// How much longer the user is locked, if that is why, and it is known.
    pub locked: Option<Duration>,
    /// The question for the user.
    pub prompt: Option<Question>,
    /// A provider's text for the user.
    pub quote: Option<String>,
    /// The same in words: the values of Reply-Message.
    pub message: Vec<String>,
    /// Whether the client shows the answer while it is typed.
    pub echo: PromptEcho,
    /// What the backend or directory says of the user.
    pub grants: Option<UserAttributes>,
    /// The State of the challenge that follows, if one does.
    pub state: Option<String>,
    /// What it was based on, if it may be repeated for the same datagram.
    pub basis: Option<DecisionBasis>,
    /// The State of the Access-Challenge that tells this refusal, where the client shows no text of a reject. Nothing answers it.
    pub last_state: Option<String>,
    /// By how much the answer is held back beyond what every refusal is.
    pub hold: Duration,
    /// What the administrator is told besides.
    pub alarm: Option<SprayAlarm>,
}

impl Decision {
    /// A refusal: nothing in it but the reason.
    pub fn refusal(user: Option<UserName>, reason: Reason) -> Self {
        Self {
            user,
            reason,
            factor: None,
            token: None,
            passcode: None,
            password: None,
            pending: None,
            detail: None,
            proven: false,
            locked: None,
            prompt: None,
            quote: None,
            message: Vec::new(),
            echo: PromptEcho::Unsaid,
            grants: None,
            state: None,
            basis: None,
            last_state: None,
            hold: Duration::ZERO,
            alarm: None,
        }
    }

    /// The store could not answer.
    pub fn store_unavailable(user: Option<UserName>, error: Unavailable) -> Self {
        Self { detail: Some(error.to_string()), ..Self::refusal(user, Reason::Unavailable) }
    }

    /// The State of the Access-Challenge that carries it to the client, if one does.
    pub fn challenge_state(&self) -> Option<&str> {
        match self.verdict() {
            Verdict::Challenge => self.state.as_deref(),
            Verdict::Reject | Verdict::Locked => self.last_state.as_deref(),
            Verdict::Accept
            | Verdict::Bypassed
            | Verdict::Pending
            | Verdict::Malformed
            | Verdict::Unavailable => None,
        }
    }

    /// What is done: see [`Reason::verdict_if`].
    pub fn verdict(&self) -> Verdict {
        self.reason.verdict_if(self.state.is_some())
    }
}
