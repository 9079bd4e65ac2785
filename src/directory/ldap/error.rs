//! Why a host gave no answer: whether another one may.

use crate::tls;
use ldap3::LdapError;

/// The texts are for the log; they name no host.
#[derive(Debug)]
pub(super) enum LdapFault {
    /// No answer in time.
    Silent(String),
    /// The connection ended in the middle. Another one to the same host may do.
    Broken(String),
    /// There is no connection to be had, or it is busy.
    Unreachable(String),
    /// The host answers, but refuses our account or has no valid certificate.
    Refused(String),
    /// Every other host would say the same.
    Settled(String),
    /// The host answered about this user, and the answer cannot be interpreted.
    Answered(String),
}

impl LdapFault {
    pub(super) fn text(&self) -> &str {
        let (Self::Silent(text)
        | Self::Broken(text)
        | Self::Unreachable(text)
        | Self::Refused(text)
        | Self::Settled(text)
        | Self::Answered(text)) = self;
        text
    }
}

impl From<LdapError> for LdapFault {
    fn from(error: LdapError) -> Self {
        match error {
            LdapError::Timeout { .. } => Self::Silent("no answer in time".to_owned()),
            LdapError::Io { .. }
            | LdapError::OpSend { .. }
            | LdapError::ResultRecv { .. }
            | LdapError::IdScrubSend { .. }
            | LdapError::EndOfStream => Self::Broken("the connection ended".to_owned()),
            error => Self::Settled(tls::error_line(&error).to_string()),
        }
    }
}
