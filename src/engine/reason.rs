//! Every reason of a decision, in one table: what is done, the word in the log, what the administrator can do.

use crate::types::BadName;

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
    /// The user is refused.
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

/// Whether a column of the table is marked.
macro_rules! is_marked {
    (_) => {
        false
    };
    ($mark:ident) => {
        true
    };
}

/// Declares [`Reason`], and its parts that accept and that refuse. A row has a doc comment, the reason's name, its verdict, for
/// refusals whether the user is asked again (`asks`) and whether it counts as a guess (`guess`), the word of the audit trail and
/// of `MFA-Reason`, and the remedy (empty: none).
macro_rules! reasons {
    (
        accepted { $($(#[doc = $accept_doc:literal])+ $accept:ident: $accept_verdict:ident, $accept_word:literal, $accept_remedy:literal;)+ }
        pending { $($(#[doc = $pending_doc:literal])+ $pending:ident: $pending_verdict:ident, $pending_word:literal, $pending_remedy:literal;)+ }
        refused { $($(#[doc = $refuse_doc:literal])+ $refuse:ident: $refuse_verdict:ident, $asks:tt $guess:tt, $refuse_word:literal, $refuse_remedy:literal;)+ }
    ) => {
        /// Why. Told to the administrator (log, audit trail, `MFA-Reason`), never to the user.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[must_use]
        pub enum Reason {
            $($(#[doc = $accept_doc])+ $accept,)+
            $($(#[doc = $pending_doc])+ $pending,)+
            $($(#[doc = $refuse_doc])+ $refuse,)+
        }

        /// A reason to accept.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[must_use]
        pub enum AcceptReason {
            $($(#[doc = $accept_doc])+ $accept,)+
        }

        /// A reason not to accept: to refuse, or to ask for more.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[must_use]
        pub enum RefusalReason {
            $($(#[doc = $refuse_doc])+ $refuse,)+
        }

        impl Reason {
            /// All of them, in the order of the table.
            pub const ALL: &[Self] = &[$(Self::$accept,)+ $(Self::$pending,)+ $(Self::$refuse,)+];

            /// What is done, without a challenge.
            pub const fn verdict(self) -> Verdict {
                match self {
                    $(Self::$accept => Verdict::$accept_verdict,)+
                    $(Self::$pending => Verdict::$pending_verdict,)+
                    $(Self::$refuse => Verdict::$refuse_verdict,)+
                }
            }

            /// The word of the audit trail and of `MFA-Reason`.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$accept => $accept_word,)+
                    $(Self::$pending => $pending_word,)+
                    $(Self::$refuse => $refuse_word,)+
                }
            }

            /// What the administrator can do about it; empty where there is nothing to do.
            pub const fn remedy(self) -> &'static str {
                match self {
                    $(Self::$accept => $accept_remedy,)+
                    $(Self::$pending => $pending_remedy,)+
                    $(Self::$refuse => $refuse_remedy,)+
                }
            }

            /// Which part of the table it belongs to.
            pub const fn class(self) -> ReasonClass {
                match self {
                    $(Self::$accept => ReasonClass::Accepts(AcceptReason::$accept),)+
                    $(Self::$pending)|+ => ReasonClass::PasswordPending,
                    $(Self::$refuse => ReasonClass::Refuses(RefusalReason::$refuse),)+
                }
            }

            /// Whether the user is asked once more, where a challenge is possible.
            pub const fn asks_again(self) -> bool {
                match self {
                    $(Self::$accept)|+ => false,
                    $(Self::$pending)|+ => false,
                    $(Self::$refuse => is_marked!($asks),)+
                }
            }

            /// Whether it may be a guess: many of them through one client are a spray.
            pub const fn is_guess(self) -> bool {
                match self {
                    $(Self::$accept)|+ => false,
                    $(Self::$pending)|+ => false,
                    $(Self::$refuse => is_marked!($guess),)+
                }
            }
        }

        impl From<AcceptReason> for Reason {
            fn from(reason: AcceptReason) -> Self {
                match reason {
                    $(AcceptReason::$accept => Self::$accept,)+
                }
            }
        }

        impl RefusalReason {
            /// All of them, in the order of the table.
            pub const ALL: &[Self] = &[$(Self::$refuse,)+];

            /// The same among all reasons.
            const fn any(self) -> Reason {
                match self {
                    $(Self::$refuse => Reason::$refuse,)+
                }
            }
        }

        impl From<RefusalReason> for Reason {
            fn from(reason: RefusalReason) -> Self {
                reason.any()
            }
        }
    };
}

reasons! {
    accepted {
        /// The right code, now spent.
        Right: Accept, "right code", "";
        /// The second of two consecutive codes of a token whose clock or counter had run away.
        Resynchronised: Accept, "resynchronised", "";
        /// Policy asks for no second factor.
        Exempt: Accept, "exempt", "";
        /// An earlier login with a second factor, from the same place and with this password, is remembered.
        Remembered: Accept, "remembered", "";
        /// The very same datagram was accepted a moment ago.
        Repeated: Accept, "repeated", "";
        /// The user has no token, and policy lets them in for a while.
        LetInUnenrolled: Accept, "let in without a token", "single factor; enrol with: mfa token add";
        /// The user approved the push, or the provider accepted the passcode.
        Approved: Accept, "approved", "";
        /// The provider could not be reached, and `failmode = safe` lets in.
        Bypassed: Bypassed, "provider unreachable, let in by failmode", "";
        /// The provider's policy lets the user in without a second factor.
        BypassedByProvider: Accept, "bypassed by the provider", "";
    }
    pending {
        /// The right code, now spent, behind a password that the server is still to check: counted as a failure until then.
        PasswordPending: Pending, "passcode right, password pending", "";
    }
    refused {
        /// No passcode of this login waits to be confirmed: it was, or it is too late, or the user was locked meanwhile.
        NotConfirmed: Reject, _ _, "no passcode to confirm", "";
        /// The very same datagram was answered with this challenge a moment ago.
        ChallengeRepeated: Challenge, _ _, "challenge repeated", "";
        /// The user has no token, and is told to enrol.
        MustEnroll: Reject, asks _, "has to enrol", "enrol with: mfa token add; a link needs enroll_url and: mfa user set --mail";
        /// The same, and an enrolment link was sent.
        Invited: Reject, asks _, "has to enrol, link sent", "";
        /// The user denied the push.
        Denied: Reject, _ _, "denied by the user", "";
        /// The user reported the push as fraud.
        Fraud: Reject, _ _, "reported as fraud", "locked; look into it, then: mfa user unlock";
        /// The user did not answer in time.
        TimedOut: Reject, asks _, "not answered in time", "";
        /// A newer packet of the same attempt waits for the answer.
        Superseded: Reject, _ _, "a newer packet waits for the answer", "";
        /// Another attempt of the user waits for an answer.
        AlreadyWaiting: Reject, _ _, "a request is already waiting", "";
        /// The push rate limit is reached.
        TooManyPushes: Reject, _ _, "asked too often", "";
        /// The user has just denied a push.
        JustDenied: Reject, _ _, "denied a moment ago", "";
        /// The user has no device for this factor.
        NoDevice: Reject, asks _, "no device for it", "the user has no factor that could be used: mfa explain";
        /// The user has to enrol at the provider.
        EnrollAtProvider: Reject, _ _, "not enrolled at the provider", "";
        /// The provider does not know the user.
        UnknownToProvider: Reject, _ _, "unknown to the provider", "";
        /// The provider has locked the account.
        LockedByProvider: Reject, _ _, "locked by the provider", "";
        /// The provider's policy or its administrator refuses the user.
        RefusedByProvider: Reject, _ _, "refused by the provider", "";
        /// Codes were sent; the user answers, or logs in again, with one.
        CodesSent: Reject, asks _, "codes sent", "";
        /// No gateway took the code.
        NotSent: Reject, asks _, "code could not be sent", "see `mfa doctor`";
        /// A code was sent a moment ago.
        JustSent: Reject, asks _, "a code was sent a moment ago", "";
        /// Too many codes were sent to the user.
        TooManyCodes: Reject, asks _, "too many codes sent", "";
        /// The answer is none of the offered ones.
        NotUnderstood: Reject, asks _, "answer not understood", "";
        /// The provider gave no answer that could be understood.
        ProviderUnavailable: Unavailable, _ _, "provider unavailable", "see `mfa doctor`";
        /// Nothing is left to wait with.
        Busy: Unavailable, _ _, "busy", "raise max_servers, or see why requests cannot be parked: mfa doctor";
        /// The wait was ended: the server stops, or the request never came to wait.
        Cancelled: Unavailable, _ _, "cancelled", "";
        /// A number would have to be shown, and the client cannot.
        NeedsChallenge: Reject, _ _, "the client shows no challenges", "needs a client that sends PAP and shows challenges, or EAP-GTC in a tunnel: see doc/clients.md";
        /// A tunnel needs `mfa` behind `eap` in the outer server.
        NotBehindEap: Reject, _ _, "mfa did not run behind eap", "put mfa behind eap in authenticate of the outer server: see sites-available/mfa";
        /// The user is asked for an answer.
        Challenged: Challenge, asks _, "asked for an answer", "";
        /// An answer to a challenge that is not open, belongs to another user, or was answered before.
        BadState: Reject, _ _, "unknown or used State", "";
        /// No token answers to it.
        WrongCode: Reject, asks guess, "wrong code", "";
        /// A right code that has been used, or one older than the last that was.
        SpentCode: Reject, asks guess, "code already used", "";
        /// The store does not know the user.
        UnknownUser: Reject, _ guess, "unknown user", "enrol with: mfa user add, mfa token add";
        /// No token that is enabled.
        NotEnrolled: Reject, _ guess, "not enrolled", "enrol with: mfa token add";
        /// Too many failures, or locked by the administrator.
        Locked: Locked, _ guess, "locked", "open with: mfa user unlock";
        /// This failure was one too many: the user is locked from now on.
        LockedNow: Locked, _ guess, "too many failures, locked now", "open with: mfa user unlock";
        /// A right code without a proven password, where so much is guessed that a second one has to follow.
        AnotherCode: Reject, _ guess, "right code, a second one is needed", "codes of this user, or through this client, are being guessed: the next code lets in, see guesses_per_user";
        /// Too many failures from this source; it has to wait.
        Slowed: Reject, _ guess, "too many failures from here", "";
        /// No User-Name, or several.
        NameMissing: Malformed, _ _, "no user name, or several", "";
        /// The user name is longer than any that is kept.
        NameTooLong: Malformed, _ _, "user name too long", "";
        /// The user name contains a control character.
        NameWithControl: Malformed, _ _, "control character in user name", "";
        /// The user name contains an invisible character.
        NameWithInvisible: Malformed, _ _, "invisible character in user name", "";
        /// The user name has more than one domain.
        NameWithDomains: Malformed, _ _, "more than one domain in user name", "";
        /// No password, or several.
        NoPassword: Malformed, _ _, "no password, or several", "";
        /// The server would have accepted without asking us.
        Undecided: Reject, _ _, "accepted without mfa", "put mfa behind what accepts in authenticate, or set MFA-Exempt";
        /// `append`, and the module did not run in `authorize`.
        NotSplit: Reject, _ _, "mfa did not run in authorize", "append mode needs mfa in authorize, before ldap and pap";
        /// `append`, or a code is to be sent, and the client sent a digest instead of a password.
        NeedsPap: Reject, _ _, "needs PAP", "append mode, codes that are sent, and passwords that are checked here need a client that sends PAP";
        /// The password is wrong.
        WrongPassword: Reject, _ guess, "wrong password", "";
        /// The password backend does not know the user.
        UnknownToDirectory: Reject, _ guess, "unknown to the directory", "see \"search_dn\" and \"username_attribute\", and: mfa user show --directory";
        /// It was right, and has expired.
        PasswordExpired: Reject, _ _, "password expired", "";
        /// It was right, and has to be changed first.
        MustChangePassword: Reject, _ _, "password has to be changed", "";
        /// It was right; the account is disabled or has expired.
        AccountDisabled: Reject, _ _, "account disabled or expired", "";
        /// The account is locked where the password is checked.
        AccountLocked: Locked, _ _, "account locked in the directory", "";
        /// It was right; not at this hour or from this place.
        LogonRestricted: Reject, _ _, "not at this hour or from here", "";
        /// The password is right; the user is in none of the groups that may log in.
        NotMember: Reject, _ _, "in no group that may log in", "see \"security_group_dn\", and: mfa user show --directory";
        /// The password backend refuses the user for a reason of its own.
        Blocked: Reject, _ _, "refused where the password is checked", "";
        /// The field does not decode as what its client packs it.
        NotDecoded: Malformed, _ _, "password field does not decode", "must be SCRV1:password:response, both in base64, in 128 octets: see static_challenge, and doc/clients.md";
        /// An answer to a challenge that only told why a login had been refused.
        Ended: Reject, _ _, "the login was refused before", "";
        /// The password backend gave no answer that could be understood.
        DirectoryUnavailable: Unavailable, _ _, "directory unavailable", "see `mfa doctor`";
        /// The store could not answer.
        Unavailable: Unavailable, _ _, "unavailable", "";
    }
}

impl RefusalReason {
    /// See [`Reason::asks_again`].
    pub const fn asks_again(self) -> bool {
        self.any().asks_again()
    }
}

/// A reason, by the part of the table it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum ReasonClass {
    /// The user is let in.
    Accepts(AcceptReason),
    /// The passcode is right, the password still unverified.
    PasswordPending,
    /// The user is refused, or asked for more.
    Refuses(RefusalReason),
}

impl Reason {
    /// What is done for it if a challenge goes to the user, who is then neither let in nor refused.
    pub const fn verdict_with_challenge(self) -> Verdict {
        match self.verdict() {
            Verdict::Reject | Verdict::Challenge => Verdict::Challenge,
            verdict => verdict,
        }
    }

    /// What is done for it if no challenge goes to the user: a question that cannot be answered is a refusal.
    pub const fn verdict_without_challenge(self) -> Verdict {
        match self.verdict() {
            Verdict::Challenge => Verdict::Reject,
            verdict => verdict,
        }
    }
}

impl From<BadName> for RefusalReason {
    fn from(bad: BadName) -> Self {
        match bad {
            BadName::Empty => Self::NameMissing,
            BadName::Long => Self::NameTooLong,
            BadName::Control => Self::NameWithControl,
            BadName::Invisible => Self::NameWithInvisible,
            BadName::Domains => Self::NameWithDomains,
        }
    }
}
