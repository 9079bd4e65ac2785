//! Logins that only the user can decide, on his device: what was asked for, whether he may be asked at all, and what his
//! answer, his silence or the provider's mean.

use super::converse::{self, Answer, Offered, Turn};
use super::messenger::{Courier, Parcel};
use super::port::{self, Finding, Known};
use super::port::{NewCode, Sending, Token};
use super::prompt::{Asks, Way};
use super::provider::{Ask, Asked, Asking, Outcome, Pending, Provider, Question, Trouble, Ways};
use super::{
    Attempt, Checked, Decision, Engine, Gate, Password, Presented, Reading, Reason, Tag, Tail, split,
};
use crate::config::push::{FailMode, OnTimeout};
use crate::types::{Choice, Factor, Mode, Passcode, Secret, UserId, UserName};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

#[cfg(test)]
mod tests;

/// A login that goes on by asking somebody outside: the user on his device, the provider about a passcode or about what the
/// user may choose, a gateway to send him a code.
#[derive(Debug)]
pub struct Undecided {
    /// Who; the password is no longer in it.
    pub attempt: Attempt,
    /// The user's canonical name.
    pub name: UserName,
    /// What stood before the answer in the field (mode `append`, and others with a delimiter): somebody else checks it.
    pub password: Option<Secret>,
    /// The word that answers a CHAP challenge, if the field was a digest.
    pub word: Option<Secret>,
    wants: Wants,
    user: Option<UserId>,
    enrolled: Enrolled,
    tag: Tag,
    turn: Option<Turn>,
    /// What he may choose besides, or instead.
    ways: Vec<Offered>,
    /// Whether he may type a passcode instead.
    passcode: bool,
}

/// What an attempt wants of the world.
pub(super) struct Wanted {
    wants: Wants,
    password: Option<Secret>,
    word: Option<Secret>,
}

#[derive(Debug)]
enum Wants {
    /// That the provider asks him, or checks his passcode.
    Answer(Asking),
    /// To know what the provider has for him to choose from.
    Ways,
    /// A code. None for somebody who has nowhere to send one to, and must not be told so.
    Code(Option<Box<Token>>, Factor),
}

impl From<Wants> for Wanted {
    fn from(wants: Wants) -> Self {
        Self { wants, password: None, word: None }
    }
}

impl From<Asking> for Wanted {
    fn from(asking: Asking) -> Self {
        Wants::Answer(asking).into()
    }
}

/// Whether a user has tokens here, whatever the provider knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Enrolled {
    Here,
    NotHere,
}

impl Undecided {
    /// Whether he has no token here, and his password was right; if nobody outside knows him either.
    fn is_unenrolled(&self) -> bool {
        let asks_for_devices = matches!(self.wants, Wants::Answer(Asking::Device(_)) | Wants::Ways);
        self.is_proven() && self.turn.is_none() && asks_for_devices && self.enrolled == Enrolled::NotHere
    }

    /// Whether a device is asked.
    pub fn asks_device(&self) -> bool {
        matches!(self.wants, Wants::Answer(Asking::Device(_)))
    }

    /// What the provider was asked for is not offered again.
    fn withdraw(&mut self) {
        if let Wants::Answer(Asking::Device(choice)) = &self.wants {
            let choice = choice.unwrap_or(Choice::DEFAULT);
            self.ways.retain(|offered| offered.token.is_some() || offered.way.choice != choice);
        }
    }

    /// See [`Attempt::is_proven`].
    pub fn is_proven(&self) -> bool {
        self.attempt.is_proven()
    }
}

/// How asking has ended.
#[must_use]
pub struct Ended {
    /// What was decided.
    pub decision: Decision,
    /// What is left to do once that was told: the question is taken back.
    pub rest: Option<Pending<()>>,
}

impl From<Decision> for Ended {
    fn from(decision: Decision) -> Self {
        Self { decision, rest: None }
    }
}

/// Why nobody waits any longer for the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// His time is up.
    TimedOut,
    /// Nobody would hear the answer.
    Cancelled,
}

impl Engine {
    /// How what was presented is to be read.
    pub(super) fn reading(&self, attempt: &Attempt, known: Option<&Known>, turn: Option<&Turn>) -> Reading {
        if let Some(turn) = turn {
            return self.answer(attempt, known, turn);
        }
        let wanted = match (attempt.mode, &attempt.password) {
            (Mode::Auto | Mode::Challenge, Password::Absent) => {
                let offers = attempt.mode == Mode::Challenge && attempt.dialogue;
                return match self.provider {
                    Some(_) if offers => Reading::Ask(Wants::Ways.into()),
                    Some(_) => Reading::Ask(Asking::Device(None).into()),
                    None if known.is_none_or(|known| !known.has_enabled()) => {
                        Reading::Offer(Self::nothing(known), None)
                    }
                    None if attempt.dialogue => Reading::Offer(Finding::Refused(Reason::Challenged), None),
                    None => Reading::Offer(Finding::Refused(Reason::NeedsChallenge), None),
                };
            }
            (Mode::Passcode, Password::Plain(field)) => {
                self.asked_by(field.expose(), attempt, known).map(Wanted::from)
            }
            (Mode::Append | Mode::Challenge | Mode::Auto, Password::Plain(field)) => {
                let delimiter = self.config.delimiter.as_deref();
                delimiter.and_then(|delimiter| split(field, Tail::After(delimiter))).and_then(
                    |(password, answer)| {
                        let wants = self.asked_by(answer.expose(), attempt, known)?;
                        Some(Wanted { password: Some(password), ..wants.into() })
                    },
                )
            }
            (Mode::Passcode, digest) => {
                match Presented::from_password(digest).and_then(|presented| word(&presented)) {
                    // Only its hash is kept, by which no digest can be checked.
                    Some((_, Some(Choice { factor: Factor::Sms | Factor::Email, .. }))) => {
                        return Reading::Offer(Finding::Refused(Reason::NeedsPap), None);
                    }
                    Some((word, choice)) => self
                        .chosen(choice, attempt, known)
                        .map(|wants| Wanted { word: Some(Secret::new(word)), ..wants.into() }),
                    None => None,
                }
            }
            (Mode::Append | Mode::Challenge | Mode::Auto, _) => None,
        };
        wanted.map_or(Reading::Check, Reading::Ask)
    }

    /// What an answer to a challenge means.
    fn answer(&self, attempt: &Attempt, known: Option<&Known>, turn: &Turn) -> Reading {
        let Password::Plain(field) = &attempt.password else { return Reading::Check };
        match turn.answer(field.expose()) {
            Answer::Way(Offered { way, token: None }) => {
                Reading::Ask(Asking::Device(Some(way.choice)).into())
            }
            Answer::Way(Offered { way, token: Some(id) }) => {
                match known.and_then(|known| known.enabled(id)) {
                    Some(token) => {
                        Reading::Ask(Wants::Code(Some(Box::new(token.clone())), way.choice.factor).into())
                    }
                    None => Reading::Offer(Finding::Refused(Reason::NoDevice), None),
                }
            }
            Answer::Recovery => Reading::Offer(Finding::Refused(Reason::Challenged), Some(Asks::Passcode)),
            Answer::Passcode(passcode) if self.checks_elsewhere(known) => {
                Reading::Ask(Asking::Passcode(passcode).into())
            }
            Answer::Passcode(_) => Reading::Check,
            Answer::NotUnderstood => Reading::Offer(Finding::Refused(Reason::NotUnderstood), None),
        }
    }

    /// Whether the provider checks his passcodes. Codes of users who have tokens here are checked here.
    fn checks_elsewhere(&self, known: Option<&Known>) -> bool {
        self.provider.as_ref().is_some_and(|provider| provider.takes_passcodes())
            && !known.is_some_and(Known::has_enabled)
    }

    /// What a field asks for that holds nothing but the second factor. Nothing in it asks the user's best device.
    fn asked_by(&self, field: &[u8], attempt: &Attempt, known: Option<&Known>) -> Option<Wants> {
        if field.iter().all(u8::is_ascii_whitespace) {
            return self.chosen(None, attempt, known);
        }
        match Choice::parse(field) {
            Some(choice) => self.chosen(Some(choice), attempt, known),
            None if self.checks_elsewhere(known) => {
                Passcode::parse(field).map(|passcode| Wants::Answer(Asking::Passcode(passcode)))
            }
            None => None,
        }
    }

    /// A factor by name: a code if we send such, else a question of the provider's.
    fn chosen(&self, choice: Option<Choice>, attempt: &Attempt, known: Option<&Known>) -> Option<Wants> {
        let device = || self.provider.as_ref().map(|_| Wants::Answer(Asking::Device(choice)));
        let Some(Choice { factor: factor @ (Factor::Sms | Factor::Email), .. }) = choice else {
            return device().filter(|_| choice.is_none_or(|choice| choice.factor != Factor::Recovery));
        };
        if !self.sends(factor) {
            return device().filter(|_| factor == Factor::Sms);
        }
        let ways = known.map(|known| self.local(Some(known)).0).unwrap_or_default();
        let way = ways.into_iter().find(|offered| Some(offered.way.choice) == choice);
        let token = known.zip(way.and_then(|way| way.token)).and_then(|(known, id)| known.enabled(id));
        match token {
            Some(token) => Some(Wants::Code(Some(Box::new(token.clone())), factor)),
            // The provider may have what we have not.
            None if factor == Factor::Sms && self.provider.is_some() => device(),
            None if attempt.is_proven() => None,
            None => Some(Wants::Code(None, factor)),
        }
    }

    /// He has nothing here that he could be asked for: refused, and not counted, since his password was right.
    fn nothing(known: Option<&Known>) -> Finding {
        Finding::Refused(if known.is_some() { Reason::NotEnrolled } else { Reason::UnknownUser })
    }

    pub(super) fn sends(&self, factor: Factor) -> bool {
        self.sends.contains(&factor)
    }

    /// What he has here to choose from, and whether he has passcodes.
    pub(super) fn local(&self, known: Option<&Known>) -> (Vec<Offered>, bool) {
        let ways = known.map(|known| converse::local_ways(known, &|factor| self.sends(factor)));
        let has_codes = known.is_some_and(|known| converse::has_codes(&known.tokens));
        (ways.unwrap_or_default(), has_codes || self.checks_elsewhere(known))
    }

    pub(super) fn undecided(
        &self,
        attempt: Attempt,
        name: UserName,
        known: Option<Known>,
        turn: Option<Turn>,
        wanted: Wanted,
    ) -> Undecided {
        let (ways, passcode) = match &turn {
            Some(turn) => (turn.ways.clone(), turn.passcode),
            None => {
                let (mut ways, passcode) = self.local(known.as_ref());
                // What he has not answered he may ask for once more.
                if let Wants::Answer(Asking::Device(choice)) = &wanted.wants {
                    let way = Way { choice: choice.unwrap_or(Choice::DEFAULT), target: String::new() };
                    ways.insert(0, Offered { way, token: None });
                }
                (ways, passcode)
            }
        };
        Undecided {
            tag: self.tag(&attempt.password),
            attempt: Attempt { password: Password::Absent, ..attempt },
            name,
            password: wanted.password,
            word: wanted.word,
            wants: wanted.wants,
            enrolled: if known.as_ref().is_some_and(Known::has_enabled) {
                Enrolled::Here
            } else {
                Enrolled::NotHere
            },
            user: known.map(|known| known.id),
            turn,
            ways,
            passcode,
        }
    }

    /// Whether what stands behind the delimiter is an answer. In mode `auto` it need not be: then all of it is the password.
    pub(super) fn has_answer(&self, field: &Secret) -> bool {
        let Some(delimiter) = self.config.delimiter.as_deref() else { return false };
        let Some((_, answer)) = split(field, Tail::After(delimiter)) else { return false };
        let answer = answer.expose();
        let digits = answer.iter().all(u8::is_ascii_digit) && (6..=16).contains(&answer.len());
        let recovery =
            answer.iter().all(u8::is_ascii_alphanumeric) && answer.len() == crate::types::RECOVERY_LENGTH;
        digits || recovery || Choice::parse(answer).is_some()
    }

    /// Asks, and decides by the answer, for which `limit` is given. `number` is what the user sees and has to find on the device,
    /// `courier` sends him codes.
    /// `stop` ends the wait; what was asked is then taken back. An accept has been written durably before this returns it.
    ///
    /// Where nobody vouches for the password, all refusals come when that of an unanswered question would, but for one: the
    /// user's own no. Taking the question back, which takes time and only happens if there was one, is left for later.
    pub async fn ask(
        &self,
        it: Undecided,
        number: Option<String>,
        limit: Duration,
        courier: Option<&dyn Courier>,
        stop: impl Future<Output = Stop>,
    ) -> Ended {
        let mut stop = pin!(stop);
        if let Wants::Code(token, factor) = &it.wants {
            let (token, factor) = (token.clone(), *factor);
            return self.send(it, token, factor, courier, stop).await;
        }
        let Some(provider) = self.provider.clone() else {
            return self.close(it, Reason::ProviderUnavailable).await.into();
        };
        if let Some(refusal) = self.forbidden(&it).await {
            return self.close_as_unanswered(it, refusal, stop).await.into();
        }
        let asking = match &it.wants {
            Wants::Answer(asking) => asking.clone(),
            Wants::Ways | Wants::Code(..) => return self.offer(it, &provider, limit, stop).await.into(),
        };
        let mut asked = provider.ask(question(&it, asking, number, limit));
        let asked = match first(&mut asked, stop.as_mut()).await {
            Ok(asked) => asked,
            Err(why) => {
                // He may have the question before him by the time that we are told so.
                let rest = async move {
                    if let Ok(Asked::Waiting(question)) = asked.await {
                        provider.cancel(&question).await;
                    }
                };
                return Ended { decision: self.close(it, why).await, rest: Some(Box::pin(rest)) };
            }
        };
        if it.asks_device() && asked.as_ref().map_or_else(is_unreachable, asked_nobody) {
            self.nudges.take_back(it.name.as_str(), it.attempt.at);
        }
        match asked {
            Ok(Asked::Waiting(question)) => self.wait(it, &provider, question, stop).await,
            Ok(Asked::Decided(outcome)) => self.conclude(it, outcome, stop).await.into(),
            Err(Trouble::Unreachable(text)) => self.unreachable(it, text, stop).await.into(),
            Err(Trouble::Failed(text)) => self.failed(it, text, stop).await.into(),
        }
    }

    /// Sends a code and asks for it.
    async fn send(
        &self,
        it: Undecided,
        token: Option<Box<Token>>,
        factor: Factor,
        courier: Option<&dyn Courier>,
        mut stop: Pin<&mut impl Future<Output = Stop>>,
    ) -> Ended {
        let refusal = self.forbidden(&it).await;
        if !it.is_proven() {
            let token = token.filter(|_| refusal.is_none());
            return self.send_unproven(it, token, factor, courier).await;
        }
        if let Some(refusal) = refusal {
            return self.close(it, refusal).await.into();
        }
        let Some(token) = token else { return self.close(it, Reason::NoDevice).await.into() };
        let asks = Asks::Code { factor, to: token.masked_address().unwrap_or_default() };
        let (remembered, parcel) = match self.pack(&it, &token) {
            Ok(packed) => packed,
            Err(refusal) => return self.close(it, refusal).await.into(),
        };
        let refusal = match (remembered.await, courier) {
            (Ok(Sending::Remembered), Some(courier)) => {
                match first(&mut courier.send(parcel), stop.as_mut()).await {
                    Ok(Ok(())) => Reason::CodesSent.into(),
                    Ok(Err(trouble)) => {
                        Refusal { reason: Reason::NotSent, detail: Some(trouble.to_string()) }
                    }
                    Err(why) => why.into(),
                }
            }
            (Ok(Sending::Remembered), None) => Reason::NotSent.into(),
            (Ok(Sending::JustSent), _) => Reason::JustSent.into(),
            (Ok(Sending::TooMany), _) => Reason::TooManyCodes.into(),
            (Ok(Sending::NoToken), _) => Reason::NoDevice.into(),
            (Err(error), _) => Refusal { reason: Reason::Unavailable, detail: Some(error.to_string()) },
        };
        match refusal.reason {
            Reason::CodesSent | Reason::JustSent => self.close_asking(it, refusal, asks).await.into(),
            _ => self.close(it, refusal).await.into(),
        }
    }

    /// The same where nobody vouches for the password: everybody is told at once that a code was sent, and nothing else. Whether
    /// one was costs nothing that could be measured: what is remembered of it is written with the attempt.
    async fn send_unproven(
        &self,
        mut it: Undecided,
        token: Option<Box<Token>>,
        factor: Factor,
        courier: Option<&dyn Courier>,
    ) -> Ended {
        let packed = token.and_then(|token| self.pack(&it, &token).ok());
        (it.ways, it.passcode) = (Vec::new(), false);
        let asks = Asks::Code { factor, to: String::new() };
        let decision = self.close_asking(it, Reason::CodesSent.into(), asks).await;
        let rest = match (packed, courier) {
            (Some((remembered, parcel)), Some(courier)) => match remembered.await {
                Ok(Sending::Remembered) => {
                    let sent = courier.send(parcel);
                    Some(Box::pin(async move { drop(sent.await) }) as Pending<()>)
                }
                _ => None,
            },
            _ => None,
        };
        // All may read it.
        Ended { decision: Decision { proven: true, ..decision }, rest }
    }

    /// Makes a code, and has it remembered.
    fn pack(&self, it: &Undecided, token: &Token) -> Result<(port::Answer<Sending>, Parcel), Refusal> {
        let unavailable = |text: &str| Refusal { reason: Reason::Unavailable, detail: Some(text.to_owned()) };
        let dice = it.attempt.dice.as_ref().ok_or_else(|| unavailable("there is no randomness"))?;
        let rules = self.config.codes;
        let code = dice.digits(rules.digits.get());
        let (Some(hash), Some(to)) = (token.hash_of(code.as_bytes()), token.address()) else {
            return Err(unavailable("the token has no address"));
        };
        let conversation = match &it.turn {
            Some(turn) => Some(turn.conversation),
            None => it.attempt.dialogue.then(|| self.conversation_of(&it.attempt)),
        };
        let new = NewCode { token: token.id, conversation, hash, at: it.attempt.at, rules };
        let parcel = Parcel {
            factor: token.factor,
            to: to.to_owned(),
            code: Secret::new(code),
            user: it.name.to_string(),
            client: it.attempt.source.client.clone(),
            life: rules.life,
        };
        Ok((self.store.remember_code(new), parcel))
    }

    /// Asks the provider what it has for the user, and lets him choose among that and what he has here.
    async fn offer(
        &self,
        mut it: Undecided,
        provider: &Arc<dyn Provider>,
        limit: Duration,
        mut stop: Pin<&mut impl Future<Output = Stop>>,
    ) -> Decision {
        let ask = question(&it, Asking::Device(None), None, limit);
        match first(&mut provider.ways(&ask), stop.as_mut()).await {
            Ok(Ok(Ways::Ways(ways))) => {
                let local = std::mem::take(&mut it.ways);
                for (factor, target) in ways {
                    converse::push(&mut it.ways, factor, target, None);
                }
                for offered in local {
                    converse::push(
                        &mut it.ways,
                        offered.way.choice.factor,
                        offered.way.target,
                        offered.token,
                    );
                }
                self.close(it, Reason::Challenged).await
            }
            Ok(Ok(Ways::Decided(outcome))) => self.conclude(it, outcome, stop).await,
            // What he has here will do.
            Ok(Err(trouble)) if it.passcode || !it.ways.is_empty() => {
                let decision = self.close(it, Reason::Challenged).await;
                Decision { detail: Some(trouble.to_string()), ..decision }
            }
            Ok(Err(Trouble::Unreachable(text))) => self.unreachable(it, text, stop).await,
            Ok(Err(Trouble::Failed(text))) => self.failed(it, text, stop).await,
            Err(why) => self.close(it, why).await,
        }
    }

    /// Waits for the user, who has the question before him.
    async fn wait(
        &self,
        it: Undecided,
        provider: &Arc<dyn Provider>,
        question: Question,
        mut stop: Pin<&mut impl Future<Output = Stop>>,
    ) -> Ended {
        let decision = match first(&mut provider.answer(&question), stop.as_mut()).await {
            Ok(Ok(outcome)) => return self.conclude(it, outcome, stop).await.into(),
            Ok(Err(trouble)) => self.failed(it, trouble.to_string(), stop).await,
            Err(why) => self.close(it, why).await,
        };
        Ended { decision, rest: Some(provider.cancel(&question)) }
    }

    /// Whether he may be asked now: not one who is locked, and nobody too often.
    async fn forbidden(&self, it: &Undecided) -> Option<Refusal> {
        match self.store.gate(&it.name, &it.attempt.source, self.config.lockout, it.attempt.at).await {
            Ok(Gate::Open) => {}
            Ok(Gate::Locked) => return Some(Reason::Locked.into()),
            Ok(Gate::Slowed) => return Some(Reason::Slowed.into()),
            Err(error) => {
                return Some(Refusal { reason: Reason::Unavailable, detail: Some(error.to_string()) });
            }
        }
        // Codes that somebody asks for in his name are such a bother, too.
        let bothers = it.asks_device() || (matches!(it.wants, Wants::Code(..)) && !it.is_proven());
        if !bothers {
            return None;
        }
        self.nudges
            .admit(it.name.as_str(), it.is_proven(), &self.config.push.rate, it.attempt.at)
            .err()
            .map(Refusal::from)
    }

    /// What he, or the provider for him, said.
    async fn conclude(
        &self,
        mut it: Undecided,
        outcome: Outcome,
        stop: Pin<&mut impl Future<Output = Stop>>,
    ) -> Decision {
        let reason = match outcome {
            Outcome::Approved { factor, device } => {
                let token = Some(device.to_string());
                return self
                    .finish(it, Checked { factor: Some(factor), token, ..Finding::Approved.into() })
                    .await;
            }
            Outcome::Denied => {
                self.nudges.denied(it.name.as_str(), it.attempt.at);
                return self.close(it, Reason::Denied).await;
            }
            Outcome::Fraud => return self.finish(it, Finding::Fraud.into()).await,
            Outcome::Wrong => {
                let finding = Finding::WrongAtProvider { tag: it.tag };
                return self.finish(it, finding.into()).await;
            }
            // Nobody knows him, but for whoever has checked his password.
            Outcome::Unknown if self.has_policy() && it.is_unenrolled() => {
                return self.unenrolled(&it.attempt, it.name, it.user.map(known_by)).await;
            }
            // As bad a guess as a wrong code.
            Outcome::Unknown if !it.asks_device() => {
                let finding = Finding::Unknown { tag: it.tag };
                return self.finish(it, finding.into()).await;
            }
            Outcome::Enroll(text) => {
                let quote = it.is_proven().then(|| text.to_string());
                let refused = self.close_as_unanswered(it, Reason::EnrollAtProvider.into(), stop).await;
                return Decision { quote, ..refused };
            }
            Outcome::Sent if it.is_proven() => {
                let asks = Asks::Code { factor: Factor::Sms, to: String::new() };
                return self.close_asking(it, Reason::CodesSent.into(), asks).await;
            }
            Outcome::Expired => Reason::TimedOut,
            Outcome::Sent => Reason::CodesSent,
            Outcome::Locked => Reason::LockedByProvider,
            Outcome::Unknown => Reason::UnknownToProvider,
            Outcome::NoDevice => {
                it.withdraw();
                Reason::NoDevice
            }
        };
        self.close_as_unanswered(it, reason.into(), stop).await
    }

    /// Nobody was asked, since the provider could not be reached.
    async fn unreachable(
        &self,
        it: Undecided,
        text: String,
        stop: Pin<&mut impl Future<Output = Stop>>,
    ) -> Decision {
        let at = it.attempt.at;
        let lets_in = match self.config.push.failmode {
            FailMode::Safe(budget) if it.attempt.mode != Mode::Passcode => {
                self.bypasses.spend(it.name.as_str(), &budget, at)
            }
            FailMode::Safe(_) | FailMode::Secure => false,
        };
        if !lets_in {
            return self.failed(it, text, stop).await;
        }
        let decision = self.finish(it, Finding::Bypassed.into()).await;
        Decision { detail: Some(text), ..decision }
    }

    async fn failed(
        &self,
        it: Undecided,
        text: String,
        stop: Pin<&mut impl Future<Output = Stop>>,
    ) -> Decision {
        let refusal = Refusal { reason: Reason::ProviderUnavailable, detail: Some(text) };
        self.close_as_unanswered(it, refusal, stop).await
    }

    /// Refuses a question to a device at once where the password was right, and otherwise when an unanswered one would have ended.
    async fn close_as_unanswered(
        &self,
        it: Undecided,
        refusal: Refusal,
        stop: Pin<&mut impl Future<Output = Stop>>,
    ) -> Decision {
        if it.asks_device() && !it.is_proven() {
            let _ = stop.await;
        }
        self.close(it, refusal).await
    }

    /// Records a refusal that is nobody's guess.
    pub async fn close(&self, it: Undecided, refusal: impl Into<Refusal>) -> Decision {
        let Refusal { reason, detail } = refusal.into();
        let decision = self.finish(it, Finding::Refused(reason).into()).await;
        Decision { detail: decision.detail.clone().or(detail), ..decision }
    }

    /// The same, with something else that he is asked for.
    async fn close_asking(&self, it: Undecided, refusal: Refusal, asks: Asks) -> Decision {
        let Refusal { reason, detail } = refusal;
        let follow = self.follow(&it.attempt, it.turn.as_ref(), it.ways.clone(), it.passcode, Some(asks));
        let decision = self.finish(it, Checked { follow, ..Finding::Refused(reason).into() }).await;
        Decision { detail: decision.detail.clone().or(detail), ..decision }
    }

    async fn finish(&self, it: Undecided, checked: Checked) -> Decision {
        let known = it.user.map(known_by);
        let follow = match (&checked.follow, &checked.finding) {
            (None, Finding::Refused(Reason::TimedOut))
                if self.config.push.on_timeout == OnTimeout::Reject =>
            {
                None
            }
            // Who typed nothing but a word is not drawn into a conversation by a refusal.
            (None, _)
                if it.turn.is_none()
                    && it.attempt.mode == Mode::Passcode
                    && !matches!(checked.finding, Finding::Refused(Reason::TimedOut)) =>
            {
                None
            }
            (None, _) if !it.is_proven() => None,
            (None, _) => self.follow(&it.attempt, it.turn.as_ref(), it.ways, it.passcode, None),
            (Some(_), _) => checked.follow,
        };
        let conversation = it.turn.map(|turn| turn.conversation);
        let checked = Checked { conversation, follow, ..checked };
        self.settle(&it.attempt, Some(it.name), known, checked).await
    }
}

/// The word that a digest was made of, if it was one; or nothing at all.
fn word(presented: &Presented) -> Option<(String, Option<Choice>)> {
    let words = Choice::words().map(|(word, choice)| (word, Some(choice)));
    words.chain([(String::new(), None)]).find(|(word, _)| presented.is(word.as_bytes()))
}

/// A user of whom nothing but his row matters any more.
fn known_by(id: UserId) -> Known {
    Known { id, tokens: Vec::new(), mail: String::new() }
}

/// A refusal with the words for the log.
#[derive(Debug)]
pub struct Refusal {
    reason: Reason,
    detail: Option<String>,
}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Self {
        Self { reason, detail: None }
    }
}

impl From<Stop> for Refusal {
    fn from(why: Stop) -> Self {
        match why {
            Stop::TimedOut => Reason::TimedOut.into(),
            Stop::Cancelled => Reason::Cancelled.into(),
        }
    }
}

fn question(it: &Undecided, asking: Asking, number: Option<String>, limit: Duration) -> Ask {
    Ask {
        user: it.name.to_string(),
        asking,
        client: it.attempt.source.client.clone(),
        calling_station: it.attempt.source.calling_station.clone(),
        number,
        limit,
    }
}

fn asked_nobody(asked: &Asked) -> bool {
    use Outcome::{Enroll, Locked, NoDevice, Unknown};
    matches!(asked, Asked::Decided(Enroll(_) | Locked | NoDevice | Unknown))
}

fn is_unreachable(trouble: &Trouble) -> bool {
    matches!(trouble, Trouble::Unreachable(_))
}

/// Whichever comes first; what was asked for, if both do.
async fn first<T>(asked: &mut Pending<T>, mut stop: Pin<&mut impl Future<Output = Stop>>) -> Result<T, Stop> {
    std::future::poll_fn(|context| match asked.as_mut().poll(context) {
        Poll::Ready(answer) => Poll::Ready(Ok(answer)),
        Poll::Pending => stop.as_mut().poll(context).map(Err),
    })
    .await
}
