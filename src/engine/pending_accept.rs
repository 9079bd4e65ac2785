//! A login whose passcode is spent and whose password is still unverified.

use super::earlier_decision::DecisionBasis;
use super::ids::PendingId;
use super::source::AttemptSource;
use super::user_attributes::UserAttributes;
use crate::types::{Factor, Mode, UserName};

/// A login whose passcode is spent, and whose password the server is still to find right.
#[derive(Clone, Debug)]
pub struct PendingAccept {
    pub(super) id: PendingId,
    pub(super) user: UserName,
    pub(super) source: AttemptSource,
    pub(super) mode: Mode,
    pub(super) factor: Option<Factor>,
    pub(super) token: Option<String>,
    pub(super) grants: Option<UserAttributes>,
    pub(super) basis: Option<DecisionBasis>,
}

impl PendingAccept {
    /// The canonical name under which the token is.
    pub const fn user(&self) -> &UserName {
        &self.user
    }
}
