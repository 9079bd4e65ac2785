//! What a user is asked in a challenge, before it is put into words.

use super::RefusalReason;
use crate::types::{Factor, FactorChoice};

/// A question that is put to the user at the client: the engine decides what, the words are found elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Why the user is asked again, if so.
    pub because: Option<RefusalReason>,
    /// Number of tries left, if they are counted.
    pub left: Option<u32>,
    /// Kind of the question.
    pub asks: QuestionKind,
}

/// What the user is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QuestionKind {
    /// A choice among these, in this order, by number (from 1) or word; or a passcode, if the user has a token that
    /// shows them.
    Factor {
        /// The factors to choose from.
        ways: Vec<QuestionOption>,
        /// Whether a passcode is an answer, too.
        passcode: bool,
    },
    /// The code that was sent to the user.
    Code {
        /// SMS or e-mail.
        factor: Factor,
        /// Where it was sent, masked.
        to: String,
    },
    /// The password backend's own question.
    Relayed {
        /// In that one's words.
        text: Vec<String>,
    },
    /// A passcode.
    Passcode,
    /// Nothing: the user has to enrol first, and any answer is refused.
    Enroll {
        /// The enrolment link, if it may be shown here.
        link: Option<String>,
        /// The mailbox to which that was sent, masked.
        to: Option<String>,
    },
    /// The user first answers on the device, then sends an empty answer. The number has to be found on the device,
    /// unless it is empty.
    Approval {
        /// Two digits, or nothing.
        number: String,
    },
}

/// A factor that the user may choose.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct QuestionOption {
    /// By which word: `push`, `sms2`.
    pub choice: FactorChoice,
    /// Where to, masked if it is a number or a mailbox; empty if there is nothing to tell.
    pub target: String,
}
