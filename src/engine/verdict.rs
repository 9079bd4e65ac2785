//! What was decided, and why.

use super::port::Unavailable;
use crate::types::{BadName, Factor, Secret, UserName};

/// The decision on an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
#[must_use]
pub enum Verdict {
    /// The user is let in.
    Accept,
    /// He is not.
    Reject,
    /// He is not, whatever he presents, for a time.
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
            Self::Reject => "reject",
            Self::Locked => "locked",
            Self::Malformed => "malformed",
            Self::Unavailable => "unavailable",
        }
    }
}

/// Why. Told to the administrator (log, audit trail, `MFA-Reason`), never to the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Reason {
    /// The right code, now spent.
    Right,
    /// The second of two consecutive codes of a token whose clock or counter had run away.
    Resynchronised,
    /// Policy asks for no second factor.
    Exempt,
    /// No token answers to it.
    WrongCode,
    /// A right code that has been used, or one older than the last that was.
    SpentCode,
    /// Nobody of that name.
    UnknownUser,
    /// No token that is enabled.
    NotEnrolled,
    /// Too many failures, or locked by the administrator.
    Locked,
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
    /// `append`, and the client sent a digest instead of a password.
    NeedsPap,
    /// The store could not answer.
    Unavailable,
}

impl Reason {
    /// All of them, for tables and tests.
    pub const ALL: [Self; 17] = [
        Self::Right,
        Self::Resynchronised,
        Self::Exempt,
        Self::WrongCode,
        Self::SpentCode,
        Self::UnknownUser,
        Self::NotEnrolled,
        Self::Locked,
        Self::Slowed,
        Self::BadName(BadName::Empty),
        Self::BadName(BadName::Long),
        Self::BadName(BadName::Control),
        Self::NoPassword,
        Self::Undecided,
        Self::NotSplit,
        Self::NeedsPap,
        Self::Unavailable,
    ];

    /// What is done for it.
    pub const fn verdict(self) -> Verdict {
        match self {
            Self::Right | Self::Resynchronised | Self::Exempt => Verdict::Accept,
            Self::WrongCode | Self::SpentCode | Self::UnknownUser | Self::NotEnrolled | Self::Slowed => {
                Verdict::Reject
            }
            Self::Undecided | Self::NotSplit | Self::NeedsPap => Verdict::Reject,
            Self::Locked => Verdict::Locked,
            Self::BadName(_) | Self::NoPassword => Verdict::Malformed,
            Self::Unavailable => Verdict::Unavailable,
        }
    }

    /// The word of the audit trail and of `MFA-Reason`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Right => "right code",
            Self::Resynchronised => "resynchronised",
            Self::Exempt => "exempt",
            Self::WrongCode => "wrong code",
            Self::SpentCode => "code already used",
            Self::UnknownUser => "unknown user",
            Self::NotEnrolled => "not enrolled",
            Self::Locked => "locked",
            Self::Slowed => "too many failures from here",
            Self::BadName(BadName::Empty) => "no user name, or several",
            Self::BadName(BadName::Long) => "user name too long",
            Self::BadName(BadName::Control) => "control character in user name",
            Self::NoPassword => "no password, or several",
            Self::Undecided => "accepted without mfa",
            Self::NotSplit => "mfa did not run in authorize",
            Self::NeedsPap => "append needs PAP",
            Self::Unavailable => "unavailable",
        }
    }

    /// What the administrator can do about it; empty where there is nothing to do.
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::UnknownUser => "enrol with: mfa user add, mfa token add",
            Self::NotEnrolled => "enrol with: mfa token add",
            Self::Locked => "open with: mfa user unlock",
            Self::Undecided => "put mfa behind what accepts in authenticate, or set MFA-Exempt",
            Self::NotSplit => "append mode needs mfa in authorize, before ldap and pap",
            Self::NeedsPap => "append mode needs a client that sends PAP",
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
    /// The serial of the token that was used, on an accept.
    pub token: Option<String>,
    /// The passcode that answered a challenge, on an accept.
    pub passcode: Option<Secret>,
    /// What stood before the passcode (mode `append`), on an accept.
    pub password: Option<Secret>,
    /// The backend's words when it could not answer; for the log only.
    pub detail: Option<String>,
}

impl Decision {
    /// A refusal: nothing in it but the reason.
    pub fn refused(user: Option<UserName>, reason: Reason) -> Self {
        Self { user, reason, factor: None, token: None, passcode: None, password: None, detail: None }
    }

    /// The store could not answer.
    pub fn unavailable(user: Option<UserName>, error: Unavailable) -> Self {
        Self { detail: Some(error.to_string()), ..Self::refused(user, Reason::Unavailable) }
    }

    /// What is done.
    pub fn verdict(&self) -> Verdict {
        self.reason.verdict()
    }
}
