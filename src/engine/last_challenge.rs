//! The last challenge: where a client shows no text of a reject, a user whose password was right reads why they are refused in
//! an Access-Challenge, and whatever answers that is refused.
//!
//! It is not kept anywhere: its State is no more than a sign, under the key of this process, that there is nothing to answer.
//! So no such State can be redeemed, and none can become an accept. Another process does not know it, and refuses it as
//! it refuses every State that it does not know.

use super::login_attempt::{AttemptEntropy, encode_state, is_state};
use super::{Decision, Engine, LoginAttempt, Outcome, RefusalReason, Verdict};
use subtle::ConstantTimeEq;

/// Octets of a State that are random; as many sign them.
const RANDOM: usize = 8;

impl Engine {
    /// The State of the challenge that may tell this refusal. None where the password is not proven, where there is another
    /// challenge, or where the client could not answer one. Whether it is sent depends on what the client shows.
    pub(super) fn last_challenge(&self, attempt: &LoginAttempt, decision: &Decision) -> Option<String> {
        let dice =
            attempt.request.dice.as_ref().filter(|_| attempt.request.dialogue && attempt.is_proven())?;
        let Outcome::Refuse(refused) = &decision.outcome else { return None };
        let is_refusal = matches!(decision.verdict(), Verdict::Reject | Verdict::Locked);
        // Of those who have to enrol, policy says how they are told.
        let is_told = matches!(
            refused.reason,
            RefusalReason::MustEnroll
                | RefusalReason::Invited
                | RefusalReason::BadState
                | RefusalReason::Ended
        );
        (is_refusal && !is_told).then(|| self.last_state(dice))
    }

    /// Whether this is the State of a last challenge of this process.
    pub(super) fn is_last_challenge(&self, state: &[u8]) -> bool {
        let Some((_, hex)) = state.split_at_checked(state.len().saturating_sub(4 * RANDOM)) else {
            return false;
        };
        let Ok(octets) = data_encoding::HEXLOWER.decode(hex) else { return false };
        let Some((random, signature)) = octets.split_first_chunk::<RANDOM>() else { return false };
        is_state(state) && self.sign(random).ct_eq(signature).into()
    }

    fn last_state(&self, dice: &AttemptEntropy) -> String {
        let (random, _) = dice.state.split_at(RANDOM);
        let mut octets = dice.state;
        for (to, from) in octets.iter_mut().skip(RANDOM).zip(self.sign(random)) {
            *to = from;
        }
        encode_state(&octets)
    }

    fn sign(&self, random: &[u8]) -> [u8; RANDOM] {
        let mut signature = [0; RANDOM];
        for (to, from) in signature.iter_mut().zip(self.keyed_digest([b"last challenge".as_slice(), random]))
        {
            *to = from;
        }
        signature
    }
}
