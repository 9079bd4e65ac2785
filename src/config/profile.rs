//! What is known of the products that ask: how they show a text, how much of it, and how long they wait.
//!
//! `doc/clients.md` names the source of each row.

use crate::types::Mode;
use std::time::Duration;

/// How a text is written (`prompt_format`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PromptFormat {
    /// Lines, separated by line feeds.
    Console,
    /// For a page: lines separated by `<br>`, and everything else escaped.
    Html,
    /// One line, as short as can be.
    Short,
    /// As [`PromptFormat::Console`], without characters beyond ASCII.
    Ascii,
}

impl PromptFormat {
    /// The words of the option.
    pub const WORDS: [(&'static str, Self); 4] =
        [("console", Self::Console), ("html", Self::Html), ("short", Self::Short), ("ascii", Self::Ascii)];
}

/// Whether a client shows a challenge to its user, and sends the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChallengeSupport {
    /// It does, over PAP.
    Shown,
    /// It takes one for a refusal.
    NotShown,
}

/// Whether a client shows its user the text of an Access-Reject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RejectTextSupport {
    /// It does, or nothing is known of it.
    Shown,
    /// It does not: a user who may read why they are refused reads it in a last challenge.
    NotShown,
}

/// Whether a client packs password and answer into the password field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StaticChallenge {
    /// It may send OpenVPN's `SCRV1:password:response`.
    Packed,
    /// The field is what was typed.
    None,
}

/// What follows the question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PromptEnding {
    /// A blank, where the cursor stands right behind.
    Blank,
    /// Nothing follows the question.
    Nothing,
}

/// The attribute Prompt in a challenge (RFC 2869, section 5.10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum PromptEcho {
    /// Prompt = Echo: the answer is shown as it is typed.
    Shown,
    /// Prompt = No-Echo.
    Hidden,
    /// No such attribute.
    #[default]
    Unsaid,
}

impl PromptEcho {
    /// The value of the attribute, if there is one.
    pub const fn value(self) -> Option<u32> {
        match self {
            Self::Hidden => Some(0),
            Self::Shown => Some(1),
            Self::Unsaid => None,
        }
    }
}

/// A product (`client_profile`).
#[derive(Debug, PartialEq, Eq)]
pub struct ClientProfile {
    /// Its word in the configuration.
    pub name: &'static str,
    /// How it shows a text.
    pub format: PromptFormat,
    /// Octets of a text that it shows, in all attributes together.
    pub octets: usize,
    /// Reply-Message attributes that it shows; 1 if it takes the first alone.
    pub attributes: usize,
    /// Whether it shows a challenge.
    pub challenges: ChallengeSupport,
    /// Whether it shows the text of a reject.
    pub rejects: RejectTextSupport,
    /// Whether it packs the password field.
    pub static_challenge: StaticChallenge,
    /// What follows the question.
    pub ending: PromptEnding,
    /// Whether the answer is shown as it is typed.
    pub echo: PromptEcho,
    /// How long a login may wait for its user, before the client gives up when it is set up as its maker advises.
    pub wait: Option<Duration>,
    /// The `mode` of an instance that sets none.
    pub mode: Option<Mode>,
    /// The attribute that holds the end user's address where Calling-Station-Id does not: for remembered logins.
    pub station: Option<&'static str>,
}

/// Octets of one attribute (RFC 2865, section 5).
pub const ATTRIBUTE: usize = 253;

/// The values that a row does not set.
const GENERIC: ClientProfile = ClientProfile {
    name: "generic",
    format: PromptFormat::Console,
    octets: 4 * ATTRIBUTE,
    attributes: 4,
    challenges: ChallengeSupport::Shown,
    rejects: RejectTextSupport::Shown,
    static_challenge: StaticChallenge::None,
    ending: PromptEnding::Blank,
    echo: PromptEcho::Shown,
    wait: None,
    mode: None,
    station: None,
};

/// A client that shows the first attribute alone, or of which nothing else is known.
const FIRST: ClientProfile = ClientProfile { octets: ATTRIBUTE, attributes: 1, ..GENERIC };

/// A client that takes a challenge for a refusal.
const MUTE: ClientProfile = ClientProfile {
    challenges: ChallengeSupport::NotShown,
    format: PromptFormat::Short,
    echo: PromptEcho::Unsaid,
    ..FIRST
};

impl ClientProfile {
    /// All profiles; the first is for clients without a profile.
    pub const ALL: &'static [Self] = &[
        GENERIC,
        Self {
            name: "ivanti",
            format: PromptFormat::Html,
            ending: PromptEnding::Nothing,
            echo: PromptEcho::Unsaid,
            mode: Some(Mode::Challenge),
            ..GENERIC
        },
        Self { name: "fortigate", ending: PromptEnding::Nothing, echo: PromptEcho::Unsaid, ..FIRST },
        Self {
            name: "globalprotect",
            ending: PromptEnding::Nothing,
            echo: PromptEcho::Unsaid,
            wait: Some(Duration::from_secs(20)),
            station: Some("PaloAlto-Client-Source-IP"),
            ..FIRST
        },
        Self {
            name: "anyconnect",
            ending: PromptEnding::Nothing,
            echo: PromptEcho::Unsaid,
            rejects: RejectTextSupport::NotShown,
            wait: Some(Duration::from_secs(25)),
            ..FIRST
        },
        Self {
            name: "ocserv",
            ending: PromptEnding::Nothing,
            echo: PromptEcho::Unsaid,
            rejects: RejectTextSupport::NotShown,
            wait: Some(Duration::from_secs(10)),
            ..FIRST
        },
        Self { name: "pam_radius", rejects: RejectTextSupport::NotShown, ..FIRST },
        Self { name: "openvpn", static_challenge: StaticChallenge::Packed, ..MUTE },
        Self { name: "leostream", mode: Some(Mode::Passcode), ..MUTE },
        Self {
            name: "aws-workspaces",
            mode: Some(Mode::Passcode),
            wait: Some(Duration::from_secs(45)),
            ..MUTE
        },
        Self { name: "meraki", ..MUTE },
    ];

    /// The profile for clients that have none set.
    pub const fn generic_profile() -> &'static Self {
        const { &GENERIC }
    }

    /// The one of that name; case and white space around it are forgiven.
    pub fn find_profile(name: &str) -> Option<&'static Self> {
        Self::ALL.iter().find(|profile| profile.name.eq_ignore_ascii_case(name.trim()))
    }

    /// All names, for a message.
    pub fn profile_names() -> String {
        let names: Vec<_> = Self::ALL.iter().map(|profile| profile.name).collect();
        names.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_are_found_by_name() {
        assert_eq!(
            ClientProfile::find_profile(" Ivanti ").map(|profile| profile.format),
            Some(PromptFormat::Html)
        );
        assert_eq!(ClientProfile::find_profile("generic"), Some(ClientProfile::generic_profile()));
        assert_eq!(ClientProfile::find_profile("ivanty"), None);
    }

    #[test]
    fn no_profile_promises_more_than_its_attributes_hold() {
        for (n, profile) in ClientProfile::ALL.iter().enumerate() {
            assert!(
                profile.octets <= profile.attributes * ATTRIBUTE && profile.octets > 0,
                "{}",
                profile.name
            );
            assert!(
                ClientProfile::ALL.iter().skip(n + 1).all(|other| other.name != profile.name),
                "{}",
                profile.name
            );
        }
    }

    #[test]
    fn document_has_a_row_for_every_profile_and_no_other() {
        let doc = include_str!("../../doc/clients.md");
        let rows: Vec<_> = doc
            .lines()
            .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
            .map(|(name, _)| name)
            .collect();
        let names: Vec<_> = ClientProfile::ALL.iter().map(|profile| profile.name).collect();
        assert_eq!(rows, names);
    }
}
