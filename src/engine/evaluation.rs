//! The second factor: what was presented is compared with every token of the user. Nothing is spent or written here.

use super::challenge::{ChallengeState, ConversationId, NextChallenge};
use super::field_reading::FieldReading;
use super::passcode_reservations::PasscodeReservation;
use super::port::{Account, AttemptFinding, EnrolledToken, SecondCode, SpendPasscode, TokenMatch};
use super::prompt::QuestionKind;
use super::{
    DailyRate, Decision, Engine, LoginAttempt, PasscodeTag, PendingLogin, PresentedFactor, RefusalReason,
    SubmittedPassword, UserAttributes, VerifiedPassword,
};
use crate::types::{Factor, Mode, Secret, Timestamp, TokenId, UserId, UserName};

/// What the check of all tokens found. The store has the last word.
pub(super) struct Evidence {
    pub(super) finding: AttemptFinding,
    pub(super) factor: Option<Factor>,
    /// Serial of the token, or the exception.
    pub(super) token: Option<String>,
    pub(super) passcode: Option<Secret>,
    /// What stood before the passcode in one field.
    pub(super) password: Option<Secret>,
    pub(super) conversation: Option<ConversationId>,
    /// The challenge that may follow.
    pub(super) follow: Option<NextChallenge>,
    /// A right passcode that is spent although something else refuses the login.
    pub(super) spends: Option<(TokenId, SpendPasscode)>,
    /// Whether one right passcode is enough.
    pub(super) second_code: SecondCode,
}

impl From<AttemptFinding> for Evidence {
    fn from(finding: AttemptFinding) -> Self {
        Self {
            finding,
            factor: None,
            token: None,
            passcode: None,
            password: None,
            conversation: None,
            follow: None,
            spends: None,
            second_code: SecondCode::ByBudget,
        }
    }
}

/// How far a login comes before anything is written.
pub(super) enum Evaluation {
    /// The user or an external service must be asked.
    Pending(Box<PendingLogin>),
    /// Ready to be committed.
    Evidence(Box<EvaluatedLogin>),
}

/// A login whose second factor has been evaluated.
pub(super) struct EvaluatedLogin {
    pub(super) login: LoginAttempt,
    /// The token owner.
    pub(super) owner: UserName,
    pub(super) account: Option<Account>,
    pub(super) evidence: Evidence,
    /// Kept until the commit: until then no other request can try a password with this passcode.
    pub(super) reservation: Option<PasscodeReservation>,
}

impl Evaluation {
    /// Records that the password before the passcode has been verified.
    pub(super) fn confirm_password(&mut self, attributes: UserAttributes, proof: Option<VerifiedPassword>) {
        let login = match self {
            Self::Pending(pending) => &mut pending.attempt,
            Self::Evidence(evaluated) => &mut evaluated.login,
        };
        login.password_status = login.password_status.into_verified();
        login.grants = Some(attributes);
        login.proof = proof;
    }
}

impl Engine {
    /// Evaluates the second factor. A right passcode is not spent yet.
    pub(super) async fn evaluate(
        &self,
        mut login: LoginAttempt,
        owner: UserName,
        challenge: Option<ChallengeState>,
    ) -> Result<Evaluation, Decision> {
        let unavailable = |error| Decision::store_unavailable(Some(owner.clone()), error);
        let mut account = self.store.find_account(&owner).await.map_err(unavailable)?;
        login.proof = self.remembered_login_digest(&login, &owner);
        self.decide_without_second_factor(&login, &owner, account.as_ref(), challenge.as_ref()).await?;
        if let Some(account) = &mut account {
            account.keep_codes_of(challenge.as_ref().map(|challenge| challenge.conversation));
        }
        let evidence = match self.read_field(&login, account.as_ref(), challenge.as_ref()) {
            FieldReading::Ask(intent) => {
                let pending = self.pending_login(login, owner, account, challenge, intent);
                return Ok(Evaluation::Pending(Box::new(pending)));
            }
            FieldReading::Offer(finding, kind) => {
                let follow = self.next_local_challenge(&login, account.as_ref(), challenge.as_ref(), kind);
                Evidence { follow, ..finding.into() }
            }
            FieldReading::Check => {
                let follow = challenge.as_ref().and_then(|_| {
                    self.next_local_challenge(&login, account.as_ref(), challenge.as_ref(), None)
                });
                Evidence { follow, ..self.evaluate_passcode(&login, account.as_ref()) }
            }
        };
        let evidence =
            Evidence { conversation: challenge.map(|challenge| challenge.conversation), ..evidence };
        let evaluated = EvaluatedLogin { login, owner, account, evidence, reservation: None };
        Ok(Evaluation::Evidence(Box::new(evaluated)))
    }

    /// The challenge that may follow where no provider has to be asked for factors.
    fn next_local_challenge(
        &self,
        attempt: &LoginAttempt,
        known: Option<&Account>,
        turn: Option<&ChallengeState>,
        asks: Option<QuestionKind>,
    ) -> Option<NextChallenge> {
        let offered = turn.map_or_else(|| self.local_factors(known), ChallengeState::offered);
        self.build_next_challenge(attempt, turn, offered, asks)
    }

    /// Checks what was presented against every token; for unknown users against a token that does not exist, so that
    /// all refusals cost the same. Whatever can be decided without knowing the user is decided first, for all names
    /// alike.
    fn evaluate_passcode(&self, attempt: &LoginAttempt, known: Option<&Account>) -> Evidence {
        match (attempt.mode, &attempt.password) {
            (_, SubmittedPassword::Absent) => {
                return AttemptFinding::Refused(RefusalReason::NoPassword).into();
            }
            // A digest over the passcode alone would pass for one over password and passcode.
            (
                Mode::Append | Mode::Challenge | Mode::Auto,
                SubmittedPassword::Chap { .. }
                | SubmittedPassword::MsChap { .. }
                | SubmittedPassword::MsChap2 { .. },
            ) => {
                return AttemptFinding::Refused(RefusalReason::NeedsPap).into();
            }
            (Mode::Append | Mode::Passcode | Mode::Challenge | Mode::Auto, _) => {}
        }
        let tag = self.passcode_tag(&attempt.password);
        let Some(known) = known else {
            let _ = self.check_token(attempt, &dummy_token(), attempt.request.at);
            return AttemptFinding::Unknown { tag }.into();
        };
        if !known.has_enabled() {
            let _ = self.check_token(attempt, &dummy_token(), attempt.request.at);
            return AttemptFinding::NotEnrolled { tag }.into();
        }
        if let Some(checked) = self.repeated_passcode(attempt, known) {
            return checked;
        }
        let mut drifted = None;
        let mut right = None;
        let mut passwords: Vec<PasscodeTag> = Vec::new();
        for token in known.tokens.iter().filter(|token| token.enabled) {
            let (check, password) = self.check_token(attempt, token, attempt.request.at);
            // The unverified password before a passcode.
            let before = password.as_ref().map(|password| self.password_tag(known.id, password));
            if let Some(before) = before.filter(|before| !passwords.contains(before)) {
                passwords.push(before);
            }
            match (check, password) {
                // What was spent with one token does not pass with another.
                (TokenMatch::Spent, _) => return AttemptFinding::Spent.into(),
                (TokenMatch::Right { spend, passcode }, password) if right.is_none() => {
                    right = Some(Evidence {
                        factor: Some(token.factor),
                        token: Some(token.serial.clone()),
                        passcode: Some(passcode),
                        password,
                        second_code: self.second_code(before, attempt.request.at),
                        ..AttemptFinding::Right { token: token.id, spend, tag }.into()
                    });
                }
                (TokenMatch::Drifted { step }, _) if drifted.is_none() => drifted = Some((token.id, step)),
                (TokenMatch::Right { .. } | TokenMatch::Drifted { .. } | TokenMatch::No, _) => {}
            }
        }
        right.unwrap_or_else(|| {
            let rate = DailyRate(self.config.lockout.guesses_per_user);
            passwords.iter().for_each(|password| {
                self.passwords.take_for_password(*password, tag, rate, attempt.request.at)
            });
            AttemptFinding::Wrong { tag, drifted }.into()
        })
    }

    /// Whether one right passcode is enough behind an unverified password. Without a password in the field, the store
    /// decides.
    fn second_code(&self, password: Option<PasscodeTag>, now: Timestamp) -> SecondCode {
        let rate = DailyRate(self.config.lockout.guesses_per_user);
        match password.map(|password| self.passwords.is_spent(password, rate, now)) {
            None => SecondCode::ByBudget,
            Some(false) => SecondCode::NotNeeded,
            Some(true) => SecondCode::Needed,
        }
    }

    /// By which the password of a user is known again that stands before a passcode.
    fn password_tag(&self, user: UserId, password: &Secret) -> PasscodeTag {
        PasscodeTag(self.keyed_digest([
            b"before a passcode".as_slice(),
            &user.0.to_be_bytes(),
            password.expose(),
        ]))
    }

    /// Checks one token as of `at`; in append mode also returns what is left of the field before its passcode.
    pub(super) fn check_token(
        &self,
        attempt: &LoginAttempt,
        token: &EnrolledToken,
        at: Timestamp,
    ) -> (TokenMatch, Option<Secret>) {
        match (attempt.mode, &attempt.password) {
            (
                Mode::Append | Mode::Challenge | Mode::Auto,
                presented @ (SubmittedPassword::Plain(_) | SubmittedPassword::Separate { .. }),
            ) => match self.parts_by_length(presented, self.factors.passcode_length(token)) {
                Some((password, passcode)) => (
                    self.factors.verify_passcode(token, &PresentedFactor::Plain(passcode), at),
                    Some(password),
                ),
                None => (TokenMatch::No, None),
            },
            (_, password) => match PresentedFactor::from_password(password) {
                Some(presented) => (self.factors.verify_passcode(token, &presented, at), None),
                None => (TokenMatch::No, None),
            },
        }
    }
}

/// The token that unknown users are checked against: same work, no owner. No step of it is spent, so that nothing is skipped.
pub(super) fn dummy_token() -> EnrolledToken {
    EnrolledToken {
        id: TokenId(0),
        serial: String::new(),
        factor: Factor::Totp,
        algorithm: Default::default(),
        digits: Default::default(),
        period: Default::default(),
        secret: Secret::new([0u8; 20]),
        pin: None,
        enabled: true,
        next: 0,
        drift: 0,
        resync: None,
        codes: Vec::new(),
        sent: Vec::new(),
        created: Timestamp::default(),
    }
}
