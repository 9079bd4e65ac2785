//! What a login asks for.

use super::account::EnrolledToken;
use super::provider::PushRequestKind;
use crate::types::{Factor, Secret};

/// What an attempt wants of the world.
pub(super) struct Intent {
    pub(super) wants: IntentKind,
    pub(super) password: Option<Secret>,
    pub(super) word: Option<Secret>,
}

/// The same, without what stood around it.
#[derive(Debug)]
pub(super) enum IntentKind {
    /// The provider sends a push, or checks a passcode.
    Answer(PushRequestKind),
    /// The factors that the provider has for the user.
    Ways,
    /// A code. `None` for a user without a destination, who must not be told so.
    Code(Option<Box<EnrolledToken>>, Factor),
}

impl From<IntentKind> for Intent {
    fn from(wants: IntentKind) -> Self {
        Self { wants, password: None, word: None }
    }
}

impl From<PushRequestKind> for Intent {
    fn from(asking: PushRequestKind) -> Self {
        IntentKind::Answer(asking).into()
    }
}
