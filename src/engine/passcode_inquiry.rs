//! The question that an empty field asks for, where only a passcode is expected and no password is verified.
//!
//! It is asked before anything is looked up: every name gets the same question, so neither text nor time tells who
//! exists, is enrolled or is locked. The answer is a passcode like any other.

use super::challenge::ChallengeState;
use super::challenge_state::OfferedFactors;
use super::evaluation::Evidence;
use super::field_reading::is_blank;
use super::port::AttemptFinding;
use super::prompt::QuestionKind;
use super::{Decision, Engine, LoginAttempt};
use crate::types::{Mode, UserName};

impl Engine {
    /// Whether the attempt presents nothing, and its user can be asked. Where there is a provider, nothing means their device.
    fn is_inquiry(&self, attempt: &LoginAttempt) -> bool {
        attempt.mode == Mode::Passcode
            && attempt.request.dialogue
            && !attempt.is_proven()
            && self.provider.is_none()
            && attempt.password.typed_answer().is_some_and(|answer| is_blank(answer.expose()))
    }

    /// Asks for a passcode, once, where the field is empty and no challenge is answered: what follows on the answer is
    /// for users who are known.
    pub(super) async fn ask_for_passcode(
        &self,
        login: &LoginAttempt,
        name: &UserName,
        challenge: Option<&ChallengeState>,
    ) -> Result<(), Decision> {
        if challenge.is_some() || !self.is_inquiry(login) {
            return Ok(());
        }
        let follow = self.build_next_challenge(
            login,
            None,
            OfferedFactors { ways: Vec::new(), passcode: true },
            Some(QuestionKind::Passcode),
        );
        let owner = self.token_owner(login, name);
        let evidence = Evidence { follow, ..AttemptFinding::Asked.into() };
        Err(self.commit(login, Some(owner), None, evidence).await)
    }
}
