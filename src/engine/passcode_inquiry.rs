//! The question that an empty field asks for, where only a passcode is expected and no password is verified.
//!
//! It is asked before anything is looked up: every name gets the same question, so neither text nor time tells who
//! exists, is enrolled or is locked. The answer is a passcode like any other.

use super::field_reading::is_blank;
use super::port::AttemptFinding;
use super::prompt::QuestionKind;
use super::{Decision, Engine, Evidence, LoginRequest};
use crate::types::{Mode, UserName};

impl Engine {
    /// Whether the attempt presents nothing, and its user can be asked. Where there is a provider, nothing means their device.
    pub(super) fn is_inquiry(&self, attempt: &LoginRequest) -> bool {
        attempt.mode == Mode::Passcode
            && attempt.dialogue
            && !attempt.is_proven()
            && self.provider.is_none()
            && attempt.password.typed_answer().is_some_and(|answer| is_blank(answer.expose()))
    }

    /// Asks for a passcode, once: what follows on the answer is for those who are known.
    pub(super) async fn ask_for_passcode(&self, attempt: &LoginRequest, name: &UserName) -> Decision {
        let follow = self.build_next_challenge(attempt, None, Vec::new(), true, Some(QuestionKind::Passcode));
        let name = self.token_owner(attempt, name);
        self.commit(attempt, Some(name), None, Evidence { follow, ..AttemptFinding::Asked.into() }).await
    }
}
