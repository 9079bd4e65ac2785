//! Conversations: what a challenge offers, what an answer to it means, and which challenge follows.
//!
//! A challenge is found again by its State, which is good for one answer of one user from one place. What it was about, the
//! [`ChallengeState`], is kept in the store, so that the answer may come after a restart, or to another server of the same store.

use super::challenge_state::OfferedFactors;
pub use super::challenge_state::{ChallengeState, FactorOption};
pub use super::ids::ConversationId;

pub(super) use super::challenge_state::{ChallengeAnswer, NextChallenge};
use super::port::{Account, AttemptFinding, ChallengeToWrite, EnrolledToken, StateDigest};
use super::prompt::{QuestionKind, QuestionOption};
use super::{
    AttemptEntropy, Decision, Engine, LoginAttempt, RefusalReason, UserAttributes, VerifiedPassword,
};
use crate::types::{Factor, FactorChoice, Mode, TokenId, UserName};
use sha2::{Digest, Sha256};

/// The digest under which a State is stored: a reader of the store cannot answer a challenge.
pub(super) fn state_digest(state: &[u8]) -> StateDigest {
    StateDigest(Sha256::digest(state).into())
}

/// What the user has of ours to be sent a code to, numbered by kind.
pub(super) fn local_ways(known: &Account, sends: &dyn Fn(Factor) -> bool) -> Vec<FactorOption> {
    let mut ways: Vec<FactorOption> = Vec::new();
    for token in known.tokens.iter().filter(|token| token.enabled && sends(token.factor)) {
        if let Some(target) = token.masked_address() {
            push(&mut ways, token.factor, target, Some(token.id));
        }
    }
    ways
}

/// Adds one more of a kind; beyond nine they cannot be told apart.
pub(super) fn push(ways: &mut Vec<FactorOption>, factor: Factor, target: String, token: Option<TokenId>) {
    let before = ways.iter().filter(|offered| offered.way.choice.factor == factor).count();
    if let Ok(device @ 1..=9) = u8::try_from(before.saturating_add(1)) {
        ways.push(FactorOption {
            way: QuestionOption { choice: FactorChoice { factor, device }, target },
            token,
        });
    }
}

/// Whether any token shows passcodes.
pub(super) fn has_codes(tokens: &[EnrolledToken]) -> bool {
    tokens.iter().any(|token| token.enabled && !matches!(token.factor, Factor::Sms | Factor::Email))
}

impl Engine {
    /// Redeems the request's State, if there is one; the request then holds only an answer. A State that is not open,
    /// or belongs to another user, is a refusal.
    pub(super) async fn redeem_state(
        &self,
        attempt: &mut LoginAttempt,
        name: &UserName,
    ) -> Result<Option<ChallengeState>, Decision> {
        let Some(state) = &attempt.request.state else { return Ok(None) };
        if self.is_last_challenge(state) {
            let refused = AttemptFinding::Refused(RefusalReason::Ended).into();
            return Err(self.commit(attempt, Some(name.clone()), None, refused).await);
        }
        let state = state_digest(state);
        match self.store.redeem_challenge(state, name, &attempt.request.source, attempt.request.at).await {
            Ok(Some(turn)) => {
                if !turn.is_good_at(attempt) {
                    let refused = AttemptFinding::Refused(RefusalReason::BadState).into();
                    return Err(self.commit(attempt, Some(name.clone()), None, refused).await);
                }
                // The answer is a password, which is still to be checked.
                if turn.relayed.is_some() {
                    return Ok(Some(turn));
                }
                attempt.password_status = turn.password_status;
                attempt.mode = Mode::Passcode;
                attempt.grants.clone_from(&turn.grants);
                attempt.proof = turn.mark.clone().map(VerifiedPassword::Mark);
                Ok(Some(turn))
            }
            Ok(None) => {
                let refused = AttemptFinding::Refused(RefusalReason::BadState).into();
                Err(self.commit(attempt, Some(name.clone()), None, refused).await)
            }
            Err(error) => Err(Decision::store_unavailable(Some(name.clone()), error)),
        }
    }

    /// The challenge that may follow this attempt; its State comes from the attempt's entropy. None if the client
    /// shows no challenges, if no tries are left, or if there is nothing the user could answer.
    pub(super) fn build_next_challenge(
        &self,
        attempt: &LoginAttempt,
        turn: Option<&ChallengeState>,
        offered: OfferedFactors,
        asks: Option<QuestionKind>,
    ) -> Option<NextChallenge> {
        let dice = attempt.request.dice.as_ref().filter(|_| attempt.request.dialogue)?;
        // The password comes before any question.
        if attempt.password_status.is_pending() {
            return None;
        }
        // Without a verified password there is one question only: a wrong answer must not tell whether the user
        // exists.
        if turn.is_some_and(|turn| !turn.password_status.is_proven()) {
            return None;
        }
        let has_sent = matches!(asks, Some(QuestionKind::Code { .. }));
        if offered.is_empty() && !has_sent {
            return None;
        }
        let tries = match turn {
            // A sent code is not a wrong answer; the number of rounds is limited all the same.
            Some(turn) => turn.tries.checked_sub(1)?,
            None => self.config.challenge.tries,
        };
        let OfferedFactors { ways, passcode } = offered;
        let asks = asks.unwrap_or_else(|| match ways.is_empty() {
            true => QuestionKind::Passcode,
            false => QuestionKind::Factor {
                ways: ways.iter().map(|offered| offered.way.clone()).collect(),
                passcode,
            },
        });
        let turn = ChallengeState {
            conversation: match turn {
                Some(turn) => turn.conversation,
                None if has_sent => self.conversation_of(attempt),
                None => dice.conversation_id(),
            },
            ways,
            passcode: passcode || has_sent,
            password_status: attempt.password_status,
            endpoint: attempt.request.endpoint.clone(),
            mark: attempt.remembered_login_digest().cloned(),
            enrolling: false,
            relayed: None,
            grants: attempt.grants.as_ref().map(UserAttributes::without_keys),
            tries,
        };
        Some(self.follow_with(attempt, dice, turn, asks))
    }

    /// The conversation that begins with a word for a code: one for each user and station, so that a packet that comes again with
    /// another State is answered by the code that was sent for the first one.
    pub(super) fn conversation_of(&self, attempt: &LoginAttempt) -> ConversationId {
        let source = attempt.request.source.failure_key();
        ConversationId(self.keyed_digest([attempt.request.user.as_slice(), source.as_bytes()]))
    }

    /// The challenge that tells a user to enrol; its answer is refused. None if the client shows no challenges.
    pub(super) fn follow_enrolling(
        &self,
        attempt: &LoginAttempt,
        asks: QuestionKind,
    ) -> Option<NextChallenge> {
        let dice = attempt.request.dice.as_ref().filter(|_| attempt.request.dialogue)?;
        let turn = ChallengeState {
            conversation: dice.conversation_id(),
            ways: Vec::new(),
            passcode: false,
            password_status: attempt.password_status,
            endpoint: attempt.request.endpoint.clone(),
            mark: None,
            enrolling: true,
            relayed: None,
            grants: attempt.grants.as_ref().map(UserAttributes::without_keys),
            tries: 0,
        };
        Some(self.follow_with(attempt, dice, turn, asks))
    }

    /// The challenge that relays a question of the password backend. None if the client shows no challenges.
    pub(super) fn follow_relayed(
        &self,
        attempt: &LoginAttempt,
        asks: QuestionKind,
        state: Vec<u8>,
    ) -> Option<NextChallenge> {
        let dice = attempt.request.dice.as_ref().filter(|_| attempt.request.dialogue)?;
        let turn = ChallengeState {
            conversation: dice.conversation_id(),
            ways: Vec::new(),
            passcode: false,
            password_status: attempt.password_status,
            endpoint: attempt.request.endpoint.clone(),
            mark: None,
            enrolling: false,
            relayed: Some(state),
            grants: None,
            tries: 0,
        };
        Some(self.follow_with(attempt, dice, turn, asks))
    }

    fn follow_with(
        &self,
        attempt: &LoginAttempt,
        dice: &AttemptEntropy,
        turn: ChallengeState,
        asks: QuestionKind,
    ) -> NextChallenge {
        let user = UserName::parse(&attempt.request.user, &self.config.names);
        let user = user.unwrap_or_else(|_| UserName::from_canonical(""));
        let (state, expires) = (dice.new_state(), attempt.request.at.plus(self.config.challenge.lifetime));
        NextChallenge {
            next: ChallengeToWrite { state: state_digest(state.as_bytes()), user, expires, turn },
            state,
            asks,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{LoginEndpoint, PasswordStatus};

    fn turn() -> ChallengeState {
        let mut ways = Vec::new();
        for (factor, target) in [(Factor::Push, "phone"), (Factor::Push, "tablet"), (Factor::Sms, "XXX-1234")]
        {
            push(&mut ways, factor, target.into(), None);
        }
        ChallengeState {
            conversation: ConversationId([0; 16]),
            ways,
            passcode: true,
            password_status: PasswordStatus::NotRequired,
            endpoint: LoginEndpoint::default(),
            mark: None,
            enrolling: false,
            relayed: None,
            grants: None,
            tries: 3,
        }
    }

    fn word(field: &[u8]) -> String {
        match turn().interpret_answer(field) {
            ChallengeAnswer::Way(offered) => offered.way.choice.to_string(),
            ChallengeAnswer::Recovery => "recovery".into(),
            ChallengeAnswer::Passcode(code) => String::from_utf8_lossy(code.expose()).into_owned(),
            ChallengeAnswer::NotUnderstood => "?".into(),
        }
    }

    #[test]
    fn number_word_and_passcode_are_answers() {
        for (field, meaning) in [
            (&b"1"[..], "push"),
            (b" 2 ", "push2"),
            (b"03", "sms"),
            (b"PUSH", "push"),
            (b"push1", "push"),
            (b"Push 2", "push2"),
            (b"sms\n", "sms"),
            (b"Recovery", "recovery"),
            (b"123 456", "123456"),
        ] {
            assert_eq!(word(field), meaning, "{field:?}");
        }
    }

    #[test]
    fn challenge_of_an_earlier_version_is_answered_nowhere() {
        let mut row = serde_json::to_value(turn()).unwrap();
        let fields = row.as_object_mut().unwrap();
        fields.insert("proven".into(), true.into());
        for gone in ["password_status", "endpoint"] {
            assert!(fields.remove(gone).is_some(), "{gone}");
        }
        let turn: ChallengeState = serde_json::from_value(row).unwrap();
        assert!(turn.password_status.is_pending() && turn.endpoint == LoginEndpoint::default());
    }

    #[test]
    fn what_was_not_offered_is_not_understood() {
        for field in [&b""[..], b"  ", b"0", b"4", b"99", b"push3", b"phone", b"email"] {
            assert_eq!(word(field), "?", "{field:?}");
        }
    }

    #[test]
    fn ten_of_a_kind_cannot_be_told_apart() {
        let mut ways = Vec::new();
        (0..12).for_each(|n| push(&mut ways, Factor::Sms, n.to_string(), None));
        assert_eq!(ways.len(), 9);
    }
}
