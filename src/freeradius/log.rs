//! Lines in the server's own log.

use super::bindings as c;
use super::text::CText;

/// How a line is marked in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// A decision on a login.
    Auth,
    /// Something worth knowing.
    Info,
    /// Something the administrator should change.
    Warn,
    /// Something that does not work.
    Error,
}

impl LogLevel {
    pub(super) fn as_c(self) -> c::log_type_t {
        match self {
            Self::Auth => c::L_AUTH,
            Self::Info => c::L_INFO,
            Self::Warn => c::L_WARN,
            Self::Error => c::L_ERR,
        }
    }
}

/// Writes one line, outside any request.
pub fn write_log(level: LogLevel, text: &str) {
    let text = CText::line(text);
    // SAFETY: both strings end in NUL and live through the call; the text is an argument of "%s", never the format.
    unsafe { c::radlog(level.as_c(), c"%s".as_ptr(), text.as_ptr()) };
}
