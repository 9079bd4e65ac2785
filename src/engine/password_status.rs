//! What is known of the password of an attempt at this moment. Texts, lockout, push limits and policy go by this and by nothing else;
//! [`FirstFactor`] is what the configuration says, and proves nothing.

use crate::config::{Config, FirstFactor};
use crate::types::Mode;

/// Who checks the password of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PasswordVerifier {
    /// The client, before it sends the passcode.
    Client,
    /// The server's own modules (`pap`, `ldap`), or the server that it proxies to.
    Server,
    /// This module, by `first_factor`.
    Module,
}

/// What is known of the password of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PasswordStatus {
    /// None is asked for: the passcode is all there is, and anybody may try one.
    NotRequired,
    /// One is asked for, and nothing is known of it yet.
    Unverified {
        /// Who will check it.
        by: PasswordVerifier,
    },
    /// The password is right.
    Verified {
        /// Who has checked it.
        by: PasswordVerifier,
    },
}

/// What is known of an attempt of which nothing is said.
impl Default for PasswordStatus {
    fn default() -> Self {
        Self::Unverified { by: PasswordVerifier::Server }
    }
}

impl PasswordStatus {
    /// What is known when an attempt comes in whose field is read like this.
    pub fn initial_for(config: &Config, mode: Mode) -> Self {
        match (mode, config.first_factor) {
            (Mode::Passcode, FirstFactor::Client) => Self::Verified { by: PasswordVerifier::Client },
            (Mode::Passcode, FirstFactor::None | FirstFactor::Own) => Self::NotRequired,
            (Mode::Append | Mode::Challenge | Mode::Auto, FirstFactor::Own) => {
                Self::Unverified { by: PasswordVerifier::Module }
            }
            (Mode::Append | Mode::Challenge | Mode::Auto, FirstFactor::Client | FirstFactor::None) => {
                Self::Unverified { by: PasswordVerifier::Server }
            }
        }
    }

    /// Whether the right password was shown. If not, no answer may tell who exists, is enrolled or is locked.
    pub const fn is_proven(self) -> bool {
        matches!(self, Self::Verified { .. })
    }

    /// Whether a password is asked for that has not been found right yet.
    pub const fn is_pending(self) -> bool {
        matches!(self, Self::Unverified { .. })
    }

    /// Whether this module has the password checked, and has not yet.
    pub fn is_ours_to_check(self) -> bool {
        self == Self::Unverified { by: PasswordVerifier::Module }
    }

    /// Who checks the password, or has checked it; none where none is asked for.
    pub const fn verified_by(self) -> Option<PasswordVerifier> {
        match self {
            Self::NotRequired => None,
            Self::Unverified { by } | Self::Verified { by } => Some(by),
        }
    }

    /// The status once the responsible backend has verified the password.
    #[must_use]
    pub const fn into_verified(self) -> Self {
        match self {
            Self::Unverified { by } => Self::Verified { by },
            known @ (Self::NotRequired | Self::Verified { .. }) => known,
        }
    }

    /// The same once the server has found a password right: nothing follows for one that another has to check.
    #[must_use]
    pub const fn verified_by_server(self) -> Self {
        match self {
            Self::Unverified { by: PasswordVerifier::Server } => self.into_verified(),
            known => known,
        }
    }

    /// Whether a challenge that was put with this status may be answered where attempts come in with `here`: the password was proven
    /// to the one who checks it there, or none is asked for in either place.
    pub fn is_good_at(self, here: Self) -> bool {
        !self.is_pending() && self.verified_by() == here.verified_by()
    }
}

#[cfg(test)]
mod tests {
    use super::PasswordVerifier::{Client, Module, Server};
    use super::*;

    const ALL: [PasswordStatus; 7] = [
        PasswordStatus::NotRequired,
        PasswordStatus::Unverified { by: Client },
        PasswordStatus::Unverified { by: Server },
        PasswordStatus::Unverified { by: Module },
        PasswordStatus::Verified { by: Client },
        PasswordStatus::Verified { by: Server },
        PasswordStatus::Verified { by: Module },
    ];

    #[test]
    fn configuration_alone_proves_nothing_but_a_client_s_own_check() {
        for first_factor in [FirstFactor::None, FirstFactor::Client, FirstFactor::Own] {
            let config = Config { first_factor, ..Config::default() };
            for mode in [Mode::Passcode, Mode::Append, Mode::Challenge, Mode::Auto] {
                let status = PasswordStatus::initial_for(&config, mode);
                let is_client = first_factor == FirstFactor::Client && mode == Mode::Passcode;
                assert_eq!(status.is_proven(), is_client, "{first_factor:?} {mode:?}");
                assert_eq!(status.is_pending(), mode != Mode::Passcode, "{first_factor:?} {mode:?}");
                assert_eq!(
                    status.is_ours_to_check(),
                    config.checks_password(mode),
                    "{first_factor:?} {mode:?}"
                );
            }
        }
    }

    #[test]
    fn server_s_yes_counts_only_where_the_server_was_asked() {
        for status in ALL {
            let is_his = status == PasswordStatus::Unverified { by: Server };
            let expected = if is_his { PasswordStatus::Verified { by: Server } } else { status };
            assert_eq!(status.verified_by_server(), expected);
        }
    }

    #[test]
    fn challenge_is_answered_where_the_same_one_checks_passwords() {
        for put in ALL {
            for here in ALL {
                let expected = match put {
                    PasswordStatus::Unverified { .. } => false,
                    PasswordStatus::NotRequired => here == PasswordStatus::NotRequired,
                    PasswordStatus::Verified { by } => here.verified_by() == Some(by),
                };
                assert_eq!(put.is_good_at(here), expected, "{put:?} at {here:?}");
            }
        }
    }
}
