//! What a user is asked in a challenge, before it is put into words.

use super::Reason;
use crate::types::{Factor, FactorChoice};

/// A question that is put to the user at the client: the engine decides what, the words are found elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Why he is asked again, if he is.
    pub because: Option<Reason>,
    /// How many tries he has left, if they are counted.
    pub left: Option<u32>,
    /// What.
    pub asks: QuestionKind,
}

/// What he is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QuestionKind {
    /// To choose one of these, in this order, by its number (from 1) or its word; or, unless he has no token for that, to type a
    /// passcode.
    Factor {
        /// The ways.
        ways: Vec<QuestionOption>,
        /// Whether a passcode is an answer, too.
        passcode: bool,
    },
    /// The code that was sent to him.
    Code {
        /// By which way.
        factor: Factor,
        /// Where it was sent, masked.
        to: String,
    },
    /// What whoever checks his password asks him.
    Relayed {
        /// In that one's words.
        text: Vec<String>,
    },
    /// A passcode.
    Passcode,
    /// Nothing: he has to enrol before he can log in, and any answer is refused.
    Enroll {
        /// Where, if he may read that here.
        link: Option<String>,
        /// The mailbox to which that was sent, masked.
        to: Option<String>,
    },
    /// To answer on his device first, and then here with nothing. He has to find the number there, unless it is empty.
    Approval {
        /// Two digits, or nothing.
        number: String,
    },
}

/// A factor that he may choose.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct QuestionOption {
    /// By which word: `push`, `sms2`.
    pub choice: FactorChoice,
    /// Where to, masked if it is a number or a mailbox; empty if there is nothing to tell.
    pub target: String,
}
