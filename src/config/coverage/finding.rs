//! What the search finds.

use crate::config::tree::ConfigPlace;
use std::fmt;

/// A way around the second factor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoverageFinding {
    /// Place in the configuration.
    pub at: ConfigPlace,
    /// The virtual server.
    pub server: String,
    /// What it is, and the remedy; one line.
    pub text: String,
    /// How much it matters.
    pub concern: FindingConcern,
}

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FindingConcern {
    /// A virtual server that calls `mfa`, or one whose logins its sections get in the way of.
    Ours,
    /// A virtual server that does not call it, and takes logins from other machines.
    Open,
    /// One that does not call it, and takes logins from this machine alone, or through a tunnel.
    Inside,
    /// What there is to know of either of these besides.
    Detail,
}

impl CoverageFinding {
    /// Whether it belongs into the server's log at each start.
    pub fn is_loud(&self) -> bool {
        matches!(self.concern, FindingConcern::Ours | FindingConcern::Open)
    }
}

impl fmt::Display for CoverageFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.text)
    }
}
