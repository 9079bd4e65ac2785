//! A login that continues by asking the user or an external service.

use super::account::Account;
use super::challenge_state::{ChallengeState, OfferedFactors};
use super::earlier_decision::DecisionBasis;
use super::intent::IntentKind;
use super::lockout::{PacketRole, PasscodeTag, PasswordProof, ProofClass};
use super::login_attempt::LoginAttempt;
use super::provider::PushRequestKind;
use crate::types::{FactorChoice, Secret, UserId, UserName};

/// A login that continues by asking an external service: the user's device, the provider (about a passcode or the
/// available factors), or a gateway that sends a code.
#[derive(Debug)]
pub struct PendingLogin {
    /// Who; the password is no longer in it.
    pub attempt: LoginAttempt,
    /// The user's canonical name.
    pub name: UserName,
    /// What stood before the answer in the field (mode `append`, and others with a delimiter): another module
    /// verifies it.
    pub password: Option<Secret>,
    /// The word that answers a CHAP challenge, if the field was a digest.
    pub word: Option<Secret>,
    pub(super) wants: IntentKind,
    pub(super) user: Option<UserId>,
    pub(super) enrolled: LocalEnrolment,
    pub(super) tag: PasscodeTag,
    pub(super) turn: Option<ChallengeState>,
    /// What the user may answer with in addition, or instead.
    pub(super) offered: OfferedFactors,
    /// Whether a token here shows passcodes, which can be checked without the provider.
    pub(super) has_codes: bool,
}

/// Whether a user has tokens here, whatever the provider knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LocalEnrolment {
    Here,
    /// The user had tokens, all of them removed or disabled.
    Before,
    Never,
}

impl PendingLogin {
    /// Whether the user has no token here and a verified password, so that only an external provider could know them.
    pub(super) fn is_unenrolled(&self) -> bool {
        let asks_for_devices =
            matches!(self.wants, IntentKind::Answer(PushRequestKind::Device(_)) | IntentKind::Ways);
        self.is_proven() && self.turn.is_none() && asks_for_devices && self.enrolled != LocalEnrolment::Here
    }

    /// Whether a device is asked.
    pub fn asks_device(&self) -> bool {
        matches!(self.wants, IntentKind::Answer(PushRequestKind::Device(_)))
    }

    /// What a challenge about it is based on.
    pub fn challenge_basis(&self) -> Option<DecisionBasis> {
        DecisionBasis::for_attempt(&self.attempt, self.user, None)
    }

    /// What the provider was asked for is not offered again.
    pub(super) fn withdraw_option(&mut self) {
        if let IntentKind::Answer(PushRequestKind::Device(choice)) = &self.wants {
            let choice = choice.unwrap_or(FactorChoice::DEFAULT);
            self.offered.ways.retain(|offered| offered.token.is_some() || offered.way.choice != choice);
        }
    }

    /// What its limits depend on.
    pub(super) fn password_proof(&self) -> PasswordProof {
        self.attempt.password_proof(PacketRole::for_challenge(self.turn.as_ref()))
    }

    /// The class that it is counted in.
    pub fn proof_class(&self) -> ProofClass {
        self.password_proof().class()
    }

    /// See [`LoginAttempt::is_proven`].
    pub fn is_proven(&self) -> bool {
        self.attempt.is_proven()
    }

    /// See [`LoginAttempt::without_dialogue`].
    #[must_use]
    pub fn without_dialogue(self) -> Self {
        Self { attempt: self.attempt.without_dialogue(), ..self }
    }

    /// The same once the server's own modules have found the password right that stood before the answer.
    #[must_use]
    pub fn verified_by_server(mut self) -> Self {
        self.attempt.password_status = self.attempt.password_status.verified_by_server();
        self
    }
}

/// A user of whom only the row id is still needed.
pub(super) fn known_by(id: UserId, enrolled: LocalEnrolment) -> Account {
    Account { id, tokens: Vec::new(), mail: String::new(), had_token: enrolled != LocalEnrolment::Never }
}
