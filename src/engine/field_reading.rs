//! What a login asks for: what the password field says, or an answer to a challenge, before anybody is asked.

use super::challenge::{self, ChallengeAnswer, ChallengeState, FactorOption};
use super::challenge_state::OfferedFactors;
use super::intent::{Intent, IntentKind};
use super::pending_login::{LocalEnrolment, PendingLogin};
use super::port::{Account, AttemptFinding};
use super::prompt::{QuestionKind, QuestionOption};
use super::provider::PushRequestKind;
use super::{Engine, LoginAttempt, PresentedFactor, RefusalReason, SubmittedPassword};
use crate::types::{Factor, FactorChoice, Mode, Passcode, Secret, UserName};

/// How what was presented is to be read.
pub(super) enum FieldReading {
    /// An external service must be asked.
    Ask(Intent),
    /// The user is to be asked.
    Offer(AttemptFinding, Option<QuestionKind>),
    /// A passcode, to be checked against every token.
    Check,
}

impl Engine {
    /// How what was presented is to be read.
    pub(super) fn read_field(
        &self,
        attempt: &LoginAttempt,
        known: Option<&Account>,
        turn: Option<&ChallengeState>,
    ) -> FieldReading {
        if let Some(turn) = turn {
            return self.read_answer(attempt, known, turn);
        }
        let wanted = match (attempt.mode, &attempt.password) {
            (Mode::Auto | Mode::Challenge, SubmittedPassword::Absent) => {
                let offers = attempt.mode == Mode::Challenge && attempt.request.dialogue;
                return match self.provider {
                    Some(_) if offers => FieldReading::Ask(IntentKind::Ways.into()),
                    Some(_) => FieldReading::Ask(PushRequestKind::Device(None).into()),
                    None => self.offer_what_is_here(attempt, known),
                };
            }
            (
                Mode::Passcode,
                SubmittedPassword::Plain(field) | SubmittedPassword::Separate { answer: field, .. },
            ) => {
                // Nothing that could be right: where the user can be asked, that is what an empty field asks for. Without a proven
                // password it does not come here.
                let offers = self.provider.is_none() && attempt.request.dialogue && attempt.is_proven();
                if offers && is_blank(field.expose()) {
                    return self.offer_what_is_here(attempt, known);
                }
                self.asked_by(field.expose(), attempt, known).map(Intent::from)
            }
            (
                Mode::Append | Mode::Challenge | Mode::Auto,
                presented @ (SubmittedPassword::Plain(_) | SubmittedPassword::Separate { .. }),
            ) => self.split_by_field(presented).and_then(|(password, answer)| {
                let wants = self.asked_by(answer.expose(), attempt, known)?;
                Some(Intent { password: Some(password), ..wants.into() })
            }),
            (Mode::Passcode, digest) => {
                match PresentedFactor::from_password(digest).and_then(|presented| word_in_digest(&presented))
                {
                    // Only its hash is kept, by which no digest can be checked.
                    Some((_, Some(FactorChoice { factor: Factor::Sms | Factor::Email, .. }))) => {
                        return FieldReading::Offer(AttemptFinding::Refused(RefusalReason::NeedsPap), None);
                    }
                    Some((word, choice)) => self
                        .choose_factor(choice, attempt, known)
                        .map(|wants| Intent { word: Some(Secret::new(word)), ..wants.into() }),
                    None => None,
                }
            }
            (Mode::Append | Mode::Challenge | Mode::Auto, _) => None,
        };
        wanted.map_or(FieldReading::Check, FieldReading::Ask)
    }

    /// What a user is asked who has nothing but what is known of them here.
    fn offer_what_is_here(&self, attempt: &LoginAttempt, known: Option<&Account>) -> FieldReading {
        if known.is_none_or(|known| !known.has_enabled()) {
            return FieldReading::Offer(Self::nothing_to_offer(known), None);
        }
        if !attempt.request.dialogue {
            return FieldReading::Offer(AttemptFinding::Refused(RefusalReason::NeedsChallenge), None);
        }
        FieldReading::Offer(AttemptFinding::Refused(self.local_factors(known).reason()), None)
    }

    /// What an answer to a challenge means.
    fn read_answer(
        &self,
        attempt: &LoginAttempt,
        known: Option<&Account>,
        turn: &ChallengeState,
    ) -> FieldReading {
        let Some(field) = attempt.password.typed_answer() else { return FieldReading::Check };
        match turn.interpret_answer(field.expose()) {
            ChallengeAnswer::Way(FactorOption { way, token: None }) => {
                FieldReading::Ask(PushRequestKind::Device(Some(way.choice)).into())
            }
            ChallengeAnswer::Way(FactorOption { way, token: Some(id) }) => {
                match known.and_then(|known| known.enabled_token(id)) {
                    Some(token) => FieldReading::Ask(
                        IntentKind::Code(Some(Box::new(token.clone())), way.choice.factor).into(),
                    ),
                    None => FieldReading::Offer(AttemptFinding::Refused(RefusalReason::NoDevice), None),
                }
            }
            ChallengeAnswer::Recovery => FieldReading::Offer(
                AttemptFinding::Refused(RefusalReason::Challenged),
                Some(QuestionKind::Passcode),
            ),
            ChallengeAnswer::Passcode(passcode) if self.checks_elsewhere(known) => {
                FieldReading::Ask(PushRequestKind::Passcode(passcode).into())
            }
            ChallengeAnswer::Passcode(_) => FieldReading::Check,
            ChallengeAnswer::NotUnderstood => {
                FieldReading::Offer(AttemptFinding::Refused(RefusalReason::NotUnderstood), None)
            }
        }
    }

    /// Whether the provider checks this user's passcodes. Users with tokens here are checked here.
    fn checks_elsewhere(&self, known: Option<&Account>) -> bool {
        self.provider.as_ref().is_some_and(|provider| provider.takes_passcodes())
            && !known.is_some_and(Account::has_enabled)
    }

    /// What a field asks for that holds nothing but the second factor. Nothing in it asks the user's best device.
    fn asked_by(&self, field: &[u8], attempt: &LoginAttempt, known: Option<&Account>) -> Option<IntentKind> {
        if is_blank(field) {
            return self.choose_factor(None, attempt, known);
        }
        match FactorChoice::parse(field) {
            Some(choice) => self.choose_factor(Some(choice), attempt, known),
            None if self.checks_elsewhere(known) => {
                Passcode::parse(field).map(|passcode| IntentKind::Answer(PushRequestKind::Passcode(passcode)))
            }
            None => None,
        }
    }

    /// A factor by name: a code if we send such, else a question of the provider's.
    fn choose_factor(
        &self,
        choice: Option<FactorChoice>,
        attempt: &LoginAttempt,
        known: Option<&Account>,
    ) -> Option<IntentKind> {
        let device = || self.provider.as_ref().map(|_| IntentKind::Answer(PushRequestKind::Device(choice)));
        let Some(FactorChoice { factor: factor @ (Factor::Sms | Factor::Email), .. }) = choice else {
            return device().filter(|_| choice.is_none_or(|choice| choice.factor != Factor::Recovery));
        };
        if !self.can_send(factor) {
            return device().filter(|_| factor == Factor::Sms);
        }
        let ways = known.map(|known| self.local_factors(Some(known)).ways).unwrap_or_default();
        let way = ways.into_iter().find(|offered| Some(offered.way.choice) == choice);
        let token = known.zip(way.and_then(|way| way.token)).and_then(|(known, id)| known.enabled_token(id));
        match token {
            Some(token) => Some(IntentKind::Code(Some(Box::new(token.clone())), factor)),
            // The provider may have what we have not.
            None if factor == Factor::Sms && self.provider.is_some() => device(),
            None if attempt.is_proven() => None,
            None => Some(IntentKind::Code(None, factor)),
        }
    }

    /// The user has nothing here to be asked for: refused, and not counted, since the password was right.
    pub(super) fn nothing_to_offer(known: Option<&Account>) -> AttemptFinding {
        AttemptFinding::Refused(if known.is_some() {
            RefusalReason::NotEnrolled
        } else {
            RefusalReason::UnknownUser
        })
    }

    pub(super) fn can_send(&self, factor: Factor) -> bool {
        self.sends.contains(&factor)
    }

    /// The user's local factors.
    pub(super) fn local_factors(&self, known: Option<&Account>) -> OfferedFactors {
        let ways = known.map(|known| challenge::local_ways(known, &|factor| self.can_send(factor)));
        let has_codes = known.is_some_and(|known| challenge::has_codes(&known.tokens));
        OfferedFactors { ways: ways.unwrap_or_default(), passcode: has_codes || self.checks_elsewhere(known) }
    }

    pub(super) fn pending_login(
        &self,
        attempt: LoginAttempt,
        name: UserName,
        known: Option<Account>,
        turn: Option<ChallengeState>,
        wanted: Intent,
    ) -> PendingLogin {
        let offered = match &turn {
            Some(turn) => turn.offered(),
            None => {
                let mut offered = self.local_factors(known.as_ref());
                // The user may ask once more for a push that was not answered.
                if let IntentKind::Answer(PushRequestKind::Device(choice)) = &wanted.wants {
                    let way = QuestionOption {
                        choice: choice.unwrap_or(FactorChoice::DEFAULT),
                        target: String::new(),
                    };
                    offered.ways.insert(0, FactorOption { way, token: None });
                }
                offered
            }
        };
        PendingLogin {
            has_codes: known.as_ref().is_some_and(|known| challenge::has_codes(&known.tokens)),
            tag: self.passcode_tag(&attempt.password),
            attempt: LoginAttempt { password: SubmittedPassword::Absent, ..attempt },
            name,
            password: wanted.password,
            word: wanted.word,
            wants: wanted.wants,
            enrolled: match &known {
                Some(known) if known.has_enabled() => LocalEnrolment::Here,
                Some(known) if known.had_token => LocalEnrolment::Before,
                Some(_) | None => LocalEnrolment::Never,
            },
            user: known.map(|known| known.id),
            turn,
            offered,
        }
    }

    /// Whether there is an answer beside the password. What a delimiter cuts off need not be one: then all of it is the password.
    pub(super) fn has_answer(&self, presented: &SubmittedPassword) -> bool {
        let Some((_, answer)) = self.split_by_field(presented) else { return false };
        if matches!(presented, SubmittedPassword::Separate { .. }) {
            return true;
        }
        let answer = answer.expose();
        let digits = answer.iter().all(u8::is_ascii_digit) && (6..=16).contains(&answer.len());
        let recovery =
            answer.iter().all(u8::is_ascii_alphanumeric) && answer.len() == crate::types::RECOVERY_LENGTH;
        digits || recovery || FactorChoice::parse(answer).is_some()
    }
}

/// Whether nothing was typed.
pub(super) fn is_blank(field: &[u8]) -> bool {
    field.iter().all(u8::is_ascii_whitespace)
}

/// The word that a digest was made of, if it was one; or nothing at all.
fn word_in_digest(presented: &PresentedFactor) -> Option<(String, Option<FactorChoice>)> {
    let words = FactorChoice::all_words().map(|(word, choice)| (word, Some(choice)));
    words.chain([(String::new(), None)]).find(|(word, _)| presented.equals(word.as_bytes()))
}
