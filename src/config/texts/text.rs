//! The texts that users read, and the variables each of them can hold.

/// A variable in a text that users read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextVariable {
    /// `{client}`: the name of the client (NAS).
    Client,
    /// `{code}`: the code that is sent.
    Code,
    /// `{left}`: the tries that are left.
    Left,
    /// `{link}`: the address at which the user enrols.
    Link,
    /// `{minutes}`: whole minutes.
    Minutes,
    /// `{number}`: the number to compare.
    Number,
    /// `{numbers}`: the numbers of the options in a list.
    Numbers,
    /// `{target}`: a device, or a masked telephone number or mailbox.
    Target,
    /// `{to}`: where a code or a link was sent, masked.
    To,
    /// `{user}`: the name of the user.
    User,
    /// `{words}`: the words that can be typed.
    Words,
}

impl TextVariable {
    /// The word between the braces.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Code => "code",
            Self::Left => "left",
            Self::Link => "link",
            Self::Minutes => "minutes",
            Self::Number => "number",
            Self::Numbers => "numbers",
            Self::Target => "target",
            Self::To => "to",
            Self::User => "user",
            Self::Words => "words",
        }
    }
}

/// Declares each text once: its key, its name in the files, and its variables.
macro_rules! texts {
    ($($key:ident $name:literal [$($variable:ident)*],)*) => {
        /// A text that a user reads.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[allow(missing_docs, reason = "the files in mods-config/mfa explain each text under its name")]
        pub enum TextKey {
            $($key,)*
        }

        impl TextKey {
            /// Every text, with its name in the files and its variables.
            pub const ALL: &'static [(Self, &'static str, &'static [TextVariable])] =
                &[$((Self::$key, $name, &[$(TextVariable::$variable),*]),)*];
        }
    };
}

texts! {
    Heading "heading" [],
    HeadingPasscode "heading_passcode" [],
    Push "push" [Target],
    PushPlain "push_plain" [],
    Phone "phone" [Target],
    PhonePlain "phone_plain" [],
    Sms "sms" [Target],
    SmsPlain "sms_plain" [],
    Email "email" [Target],
    EmailPlain "email_plain" [],
    Recovery "recovery" [],
    Option "option" [Numbers],
    OptionPasscode "option_passcode" [Numbers],
    Compact "compact" [Words],
    CompactPasscode "compact_passcode" [Words],
    Code "code" [To],
    CodePlain "code_plain" [],
    Passcode "passcode" [],
    Approve "approve" [],
    ApproveNumber "approve_number" [Number],
    TimedOut "timed_out" [],
    Wrong "wrong" [],
    WrongLeft "wrong_left" [Left],
    WrongLast "wrong_last" [],
    Spent "spent" [],
    Denied "denied" [],
    NoDevice "no_device" [],
    JustSent "just_sent" [],
    NotSent "not_sent" [],
    CodesSent "codes_sent" [],
    TooManyCodes "too_many_codes" [],
    NotUnderstood "not_understood" [],
    AlreadyWaiting "already_waiting" [],
    AskedOften "asked_often" [],
    Slowed "slowed" [],
    Locked "locked" [],
    LockedFor "locked_for" [Minutes],
    Expired "expired" [],
    MustChange "must_change" [],
    Disabled "disabled" [],
    Restricted "restricted" [],
    NotMember "not_member" [],
    Restarting "restarting" [],
    Unavailable "unavailable" [],
    ProviderUnavailable "provider_unavailable" [],
    LastChallenge "last_challenge" [],
    Enrol "enrol" [],
    EnrolLink "enrol_link" [Link],
    EnrolSent "enrol_sent" [To],
    EnrolSubject "enrol_subject" [Client User],
    EnrolText "enrol_text" [Client User Link],
    WelcomeSubject "welcome_subject" [Client User],
    WelcomeText "welcome_text" [Client User Link],
    Refused "refused" [],
    SmsText "sms_text" [Code Client Minutes],
    MailSubject "mail_subject" [Client],
    MailText "mail_text" [Code Client Minutes User],
}

impl TextKey {
    /// Looks a text up by its name in the files.
    pub(super) fn find(name: &str) -> Option<(Self, &'static [TextVariable])> {
        Self::ALL.iter().find(|(_, own, _)| *own == name).map(|(text, _, variables)| (*text, *variables))
    }
}
